/** What entries of account documents were read as, so that the next document is read faster. */

/**
 * Remembers by the entry itself: an edit makes a new document of which all entries but one are those
 * of the one before. Whoever uses it never changes an entry in place.
 */
export class Readings {
  readonly #read = new WeakMap<object, unknown>();

  /** What was made of an entry before, else what is made of it now. */
  of<Value>(entry: unknown, make: () => Value): Value {
    if (typeof entry !== 'object' || entry === null) return make();
    const known = this.#read.get(entry) as Value | undefined;
    if (known !== undefined) return known;
    const made = make();
    // What is wrong with an entry has to be said each time.
    if (made !== undefined) this.#read.set(entry, made);
    return made;
  }
}
