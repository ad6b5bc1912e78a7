/** What is wrong with an account document, said so that a person can mend it. */
import type { z } from 'zod';
import { SECRETS } from './secret.ts';

export interface Problem {
  /** The place in the document, such as `destinations[3].mappings[0].url`. */
  readonly path: string;
  readonly wrong: string;
  /** What to write instead. */
  readonly instead: string;
}

/** A document with problems; the message lists them all. */
export class AccountError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ path, wrong, instead }) => `  ${path}: ${wrong}\n    ${instead}`);
    const count = problems.length === 1 ? 'one error' : `${problems.length} errors`;
    super(`The account document has ${count}:\n${lines.join('\n')}`);
    this.name = 'AccountError';
    this.problems = problems;
  }
}

export function pathOf(keys: readonly PropertyKey[]): string {
  let path = '';
  for (const key of keys) {
    path += typeof key === 'number' ? `[${key}]` : path === '' ? String(key) : `.${String(key)}`;
  }
  return path || '(document)';
}

/** Translates what the schema found. */
export function problemsOf(error: z.ZodError): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const path = pathOf(issue.path);
    // What was kept of a secret stands where the caller wrote something else: it may not be theirs.
    const isSecret = issue.path.some((key) => SECRETS.includes(String(key)));
    const input = isSecret ? '(secret)' : shown(issue.input);
    switch (issue.code) {
      case 'invalid_type':
        return [
          issue.input === undefined
            ? {
                path,
                wrong: 'missing',
                instead: `write ${NOUNS[issue.expected] ?? issue.expected}`,
              }
            : {
                path,
                wrong: `${input} is not ${NOUNS[issue.expected] ?? issue.expected}`,
                instead: `write ${NOUNS[issue.expected] ?? issue.expected}`,
              },
        ];
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({
          path: pathOf([...issue.path, key]),
          wrong: 'there is no such field',
          instead: 'check its spelling against the README, or leave it out',
        }));
      case 'invalid_value': {
        const values = issue.values.map((v) => JSON.stringify(v)).join(', ');
        return [{ path, wrong: `${input} is not possible`, instead: `write ${values}` }];
      }
      case 'invalid_union':
        return [
          {
            path,
            wrong: issue.input === undefined ? 'missing' : 'not a possible value',
            instead: 'write "PUSH" (URL), "ADS" (cookie) or "S2S" (server to server)',
          },
        ];
      case 'too_small':
        return [
          {
            path,
            wrong: `${input} is too ${issue.origin === 'string' ? 'short' : 'small'}`,
            instead: `write at least ${issue.minimum}${UNITS[issue.origin] ?? ''}`,
          },
        ];
      case 'too_big':
        return [
          {
            path,
            wrong: `${input} is too ${issue.origin === 'string' ? 'long' : 'large'}`,
            instead: `write at most ${issue.maximum}${UNITS[issue.origin] ?? ''}`,
          },
        ];
      default: {
        // The schema's own messages say both parts.
        const [wrong, instead = 'see the README'] = issue.message.split('|');
        return [{ path, wrong: `${input} is ${wrong}`, instead }];
      }
    }
  });
}

const NOUNS: Record<string, string> = {
  string: 'a text in quotes',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list in [ ]',
  object: 'an object in { }',
  null: 'null here',
};

const UNITS: Record<string, string> = { string: ' characters', array: ' entries' };

const shown = (input: unknown) => {
  const open = (key: string, value: unknown) => (SECRETS.includes(key) ? undefined : value);
  const text = JSON.stringify(input, open) ?? String(input);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};
