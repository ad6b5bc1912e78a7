/** The key-value pairs of a request: its query and its form body, read together. */

const ENCODED = /[%+]/;
/** A percent sign that starts no percent-encoded byte. */
const BROKEN = /%(?![0-9a-f]{2})/i;

const utf8 = new TextDecoder();

export class Parameters {
  /** Values by key, in order of arrival. A Map, so that no key of a request means anything. */
  readonly all = new Map<string, string[]>();
  /** Whether something was not properly percent-encoded; such pairs are left out. */
  broken = false;

  /** Adds `k=v&k=v…`; `+` is a space. */
  add(text: string): void {
    const encoded = ENCODED.test(text);
    for (let at = 0; at < text.length; ) {
      let end = text.indexOf('&', at);
      if (end === -1) end = text.length;
      if (end > at) this.#addPair(text, at, end, encoded);
      at = end + 1;
    }
  }

  first(key: string): string | undefined {
    return this.all.get(key)?.[0];
  }

  values(key: string): readonly string[] {
    return this.all.get(key) ?? [];
  }

  #addPair(text: string, from: number, to: number, encoded: boolean): void {
    let equals = text.indexOf('=', from);
    if (equals === -1 || equals > to) equals = to;
    let key: string | undefined = text.slice(from, equals);
    let value: string | undefined = text.slice(equals + 1, Math.max(to, equals + 1));
    if (encoded) {
      key = decode(key);
      value = decode(value);
      if (key === undefined || value === undefined) {
        this.broken = true;
        return;
      }
    }
    const values = this.all.get(key);
    if (values) values.push(value);
    else this.all.set(key, [value]);
  }
}

/** Undefined where the text is not properly percent-encoded. */
export function decode(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  if (BROKEN.test(spaced)) return undefined;
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Properly encoded bytes that are no UTF-8: old pages send Latin-1. Keep what can be kept.
    return utf8.decode(bytesOf(spaced));
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '%') {
      bytes.push(Number.parseInt(text.slice(i + 1, i + 3), 16));
      i += 2;
    } else bytes.push(...new TextEncoder().encode(text[i]));
  }
  return Uint8Array.from(bytes);
}
