/** Finds which of many texts may occur in a value, in one pass over the value. */

const WINDOWS = [8, 4, 2, 1];
const BASE = 0x01000193;

/**
 * Rabin and Karp's idea: each text is filed under the hash of one window of it (8, 4, 2 or 1
 * characters, whichever fits), and a rolling hash over the value finds the windows that occur. Of a
 * text's windows the one that fewest other texts contain is taken: in a list of addresses of one
 * shop, what tells them apart. What is found may be in vain, what is not found does not occur.
 */
export class SubstringIndex {
  readonly #texts: { text: string; item: number }[] = [];
  /** Items by window length and hash. */
  readonly #tables: Table[] = [];

  file(text: string, item: number): void {
    this.#texts.push({ text, item });
  }

  /** Builds the tables; nothing can be filed afterwards. */
  seal(): void {
    for (const window of WINDOWS) {
      const texts = this.#texts.filter(({ text }) => windowFor(text) === window);
      if (texts.length === 0) continue;
      // A sketch is enough for counting: a collision only makes a window look more common.
      const counts = new Uint32Array(1 << 16);
      for (const { text } of texts) roll(text, window, (hash) => counts[slot(hash)]++);
      const items = new Map<number, number[]>();
      for (const { text, item } of texts) {
        let rarest = 0;
        let fewest = Number.POSITIVE_INFINITY;
        roll(text, window, (hash) => {
          if (counts[slot(hash)] >= fewest) return;
          fewest = counts[slot(hash)];
          rarest = hash;
        });
        const drawer = items.get(rarest);
        if (drawer) drawer.push(item);
        else items.set(rarest, [item]);
      }
      const present = new Uint8Array(1 << 16);
      for (const hash of items.keys()) present[slot(hash)] = 1;
      this.#tables.push({ window, present, items });
    }
    this.#texts.length = 0;
  }

  consider(value: string, consider: (item: number) => void): void {
    for (const { window, present, items } of this.#tables) {
      roll(value, window, (hash) => {
        if (present[slot(hash)] === 1) items.get(hash)?.forEach(consider);
      });
    }
  }
}

interface Table {
  readonly window: number;
  /** By slot, whether any text has it: most windows of a value stop here. */
  readonly present: Uint8Array;
  readonly items: Map<number, number[]>;
}

const slot = (hash: number) => (hash ^ (hash >>> 16)) & 0xffff;

const windowFor = (text: string) => WINDOWS.find((window) => window <= text.length) ?? 1;

/** BASE to the given power, modulo 2^32. */
function power(exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, BASE);
  return result;
}

/** Calls `visit` with the hash of each window of the text. */
function roll(text: string, window: number, visit: (hash: number) => void): void {
  const drop = power(window);
  let hash = 0;
  for (let i = 0; i < text.length; i++) {
    hash = (Math.imul(hash, BASE) + text.charCodeAt(i)) | 0;
    if (i >= window) hash = (hash - Math.imul(text.charCodeAt(i - window), drop)) | 0;
    if (i >= window - 1) visit(hash);
  }
}
