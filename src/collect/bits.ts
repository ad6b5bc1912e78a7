/**
 * Bits of web-safe base64, most significant first, as consent strings have them. Nothing is ever thrown:
 * what is no base64, or ends too early, reads as zeros and is `broken`.
 */
export class Bits {
  readonly #text: string;
  readonly #to: number;
  /** The next character, and how many bits of the one before are still to be read. */
  #at: number;
  #rest = 0;
  #left = 0;
  broken = false;

  /** @param from where in the text they begin, and before which character they end */
  constructor(text: string, from = 0, to = text.length) {
    this.#text = text;
    this.#at = from;
    this.#to = to;
  }

  /** The next bits as a number; at most 24 at a time. */
  take(count: number): number {
    while (this.#left < count) {
      const code = this.#at < this.#to ? this.#text.charCodeAt(this.#at++) : 128;
      const value = code < 128 ? VALUES[code] : NONE;
      if (value === NONE) this.broken = true;
      this.#rest = ((this.#rest << 6) | (value & 63)) & 0x3fff_ffff;
      this.#left += 6;
    }
    this.#left -= count;
    const bits = (this.#rest >>> this.#left) & ((1 << count) - 1);
    return this.broken ? 0 : bits;
  }

  /** The next bits as bytes. Vendors are most of a string: here, nothing is called for each of them. */
  takeBytes(into: Uint8Array): void {
    const text = this.#text;
    let [at, rest, left] = [this.#at, this.#rest, this.#left];
    for (let i = 0; i < into.length; i++) {
      while (left < 8) {
        const code = at < this.#to ? text.charCodeAt(at++) : 128;
        const value = code < 128 ? VALUES[code] : NONE;
        if (value === NONE) this.broken = true;
        rest = ((rest << 6) | (value & 63)) & 0x3fff;
        left += 6;
      }
      left -= 8;
      into[i] = rest >>> left;
    }
    [this.#at, this.#rest, this.#left] = [at, rest, left];
  }

  /** How many are still to be read. */
  get left(): number {
    return this.#left + Math.max(0, this.#to - this.#at) * 6;
  }

  /** What is passed over is not looked at. */
  skip(count: number): void {
    const fromRest = Math.min(count, this.#left);
    this.#left -= fromRest;
    const characters = Math.floor((count - fromRest) / 6);
    this.#at += characters;
    this.take(count - fromRest - characters * 6);
  }
}

const NONE = 64;
const VALUES = new Uint8Array(128).fill(NONE);
for (const [i, c] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
].entries()) {
  VALUES[c.charCodeAt(0)] = i;
}
