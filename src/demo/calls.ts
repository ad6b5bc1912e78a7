/** The calls that reached the partner: in memory, newest first, the oldest given up. */

/** One call, as the partner saw it. */
export interface Call {
  /** Grows from call to call, and over restarts. */
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  readonly kind: 'image' | 'frame' | 'match';
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  /** The visitor ids that came along. */
  readonly visitor: {
    /** The collection side's id of the browser. */
    readonly device?: string;
    /** The partner's own id, as the call carries it. */
    readonly partner?: string;
    /** The partner's own id, from its cookie. */
    readonly cookie?: string;
  };
}

export type Happening = { readonly call: Call } | 'cleared';

const KEPT = 500;

/** Keeps the newest calls and tells listeners of each. */
export class Calls {
  #kept: readonly Call[] = [];
  #next = Date.now();
  readonly #listeners = new Set<(happening: Happening) => void>();

  /** Newest first. */
  get all(): readonly Call[] {
    return this.#kept;
  }

  record(call: Omit<Call, 'id' | 'at'>): void {
    const recorded = { id: this.#next++, at: new Date().toISOString(), ...call };
    this.#kept = [recorded, ...this.#kept].slice(0, KEPT);
    this.#tell({ call: recorded });
  }

  clear(): void {
    this.#kept = [];
    this.#tell('cleared');
  }

  /** @returns ends the listening */
  listen(listener: (happening: Happening) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(happening: Happening): void {
    for (const listener of this.#listeners) listener(happening);
  }
}
