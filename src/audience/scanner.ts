/** Reads rule texts piece by piece, and says where and why one cannot be read. */

/** What is wrong with a rule, at which character, and what to write instead. */
export class RuleError extends Error {
  /** The rule's text as it was given. */
  readonly text: string;
  /** Index of the offending character in `text`, from 0; its length where the text ended early. */
  readonly position: number;
  /** What would have been right there. */
  readonly expected: string;

  constructor(text: string, position: number, expected: string, problem?: string) {
    const found = position >= text.length ? 'the rule ends' : `found ${excerpt(text, position)}`;
    super(`${problem ?? found} at character ${position + 1}: expected ${expected}`);
    this.name = 'RuleError';
    this.text = text;
    this.position = position;
    this.expected = expected;
  }

  /** The text with a caret under the offending character, for a console. */
  get picture(): string {
    const from = Math.max(0, this.position - 60);
    const line = this.text.slice(from, this.position + 40).replace(/\s/g, ' ');
    return `${line}\n${' '.repeat(this.position - from)}^`;
  }
}

const excerpt = (text: string, position: number) =>
  JSON.stringify(
    text.slice(position, position + 80).match(/^(?:[\w.-]{1,40}|\s{0,9}\S)/u)?.[0] ?? ' ',
  );

const WORD = /[A-Za-z0-9_.-]+/y;
const SPACE = /\s*/y;
/** Rules are at most this long, in characters. */
export const MAX_LENGTH = 65_536;

/** A rule has to fit as it is written and as it is printed, so that what is read can be kept. */
export function checkLength(text: string, printed: string): void {
  if (printed.length <= MAX_LENGTH) return;
  throw new RuleError(text, Math.min(text.length, MAX_LENGTH), `at most ${MAX_LENGTH} characters`);
}

export class Scanner {
  readonly text: string;
  #position = 0;

  constructor(text: string) {
    this.text = text;
    checkLength(text, text);
    this.#skipSpace();
  }

  get position(): number {
    return this.#position;
  }

  ended(): boolean {
    return this.#position === this.text.length;
  }

  /** Takes the given symbol if it comes next. */
  symbol(symbol: string): boolean {
    if (!this.text.startsWith(symbol, this.#position)) return false;
    this.#advance(symbol.length);
    return true;
  }

  /** Takes the first of the given symbols that comes next. */
  oneOf<S extends string>(symbols: readonly S[]): S | undefined {
    return symbols.find((symbol) => this.symbol(symbol));
  }

  /** Takes the given word, in any case, if it comes next. */
  keyword(keyword: string): boolean {
    const word = this.peekWord();
    if (word.toLowerCase() !== keyword) return false;
    this.#advance(word.length);
    return true;
  }

  /** The letters, digits, `_`, `.`, `-` that come next; empty if there are none. */
  peekWord(): string {
    WORD.lastIndex = this.#position;
    return WORD.exec(this.text)?.[0] ?? '';
  }

  /** Takes what `peekWord` shows. */
  word(): string {
    const word = this.peekWord();
    this.#advance(word.length);
    return word;
  }

  /**
   * Takes a text in double quotes if one comes next. In it `\"` is a quote and `\\` a backslash; a
   * backslash before anything else stands for itself, so regular expressions stay readable.
   */
  quoted(): string | undefined {
    if (this.text[this.#position] !== '"') return undefined;
    let value = '';
    for (let i = this.#position + 1; i < this.text.length; i++) {
      const c = this.text[i];
      if (c === '"') {
        this.#advance(i + 1 - this.#position);
        return value;
      }
      const next = this.text[i + 1];
      if (c === '\\' && (next === '"' || next === '\\')) {
        value += next;
        i++;
      } else value += c;
    }
    throw new RuleError(this.text, this.text.length, 'a closing double quote');
  }

  /** @throws RuleError at the scanner's place, or at the given earlier one */
  fail(expected: string, position = this.#position, problem?: string): never {
    throw new RuleError(this.text, position, expected, problem);
  }

  #advance(by: number): void {
    this.#position += by;
    this.#skipSpace();
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#position;
    SPACE.exec(this.text);
    this.#position = SPACE.lastIndex;
  }
}

/** Writes a text in double quotes so that `Scanner.quoted` reads it back. */
export function quote(value: string): string {
  let text = '"';
  for (let i = 0; i < value.length; i++) {
    const c = value[i];
    const next = value[i + 1];
    if (c === '"') text += '\\"';
    else if (c === '\\' && (next === undefined || next === '"' || next === '\\')) text += '\\\\';
    else text += c;
  }
  return `${text}"`;
}
