/** What is wrong with an entry, found again by its field. */
import { inWords } from './wording.ts';

export interface Problem {
  /** The place in the entry, such as `mappings[0].url`; empty: the whole. */
  readonly path: string;
  readonly wrong: string;
  /** What to write instead. */
  readonly instead: string;
}

/** A problem as a sentence, in words of the forms: what is wrong, and what to do. */
export function sentence(problem: Problem): string {
  const [wrong, instead] = [inWords(problem.wrong), inWords(problem.instead)];
  const start = wrong.charAt(0).toUpperCase() + wrong.slice(1);
  return instead ? `${start}: ${instead}.`.replace(/([.?!…])\.$/, '$1') : start;
}

export class Problems {
  readonly all: readonly Problem[];

  constructor(all: readonly Problem[] = []) {
    this.all = all;
  }

  /** What to say beside a field; undefined if nothing is wrong there, or deeper inside it. */
  at(path: string): string | undefined {
    const own = this.all.filter((problem) => isWithin(problem.path, path));
    return own.length === 0 ? undefined : own.map(sentence).join(' ');
  }

  /** What is wrong inside a part, with paths as seen from that part. */
  within(path: string): Problems {
    return new Problems(
      this.all
        .filter((problem) => isWithin(problem.path, path))
        .map((problem) => ({
          ...problem,
          path: problem.path.slice(path.length).replace(/^\./, ''),
        })),
    );
  }

  /** What belongs to none of these fields, and has to be said elsewhere. */
  besides(paths: readonly string[]): Problems {
    return new Problems(
      this.all.filter((problem) => !paths.some((path) => isWithin(problem.path, path))),
    );
  }
}

const isWithin = (path: string, field: string) =>
  path === field || path.startsWith(`${field}.`) || path.startsWith(`${field}[`);
