/** The moment at which a page gets its answer whatever the store does. */
import {
  type Remember,
  type Store,
  StoreError,
  type Visit,
  type Visitor,
  type Waiter,
} from '../store/store.ts';

/** How a call is answered: one of these is called, except that `keptLate` or `unkept` may be besides. */
export interface Asker {
  /** With the visitor. */
  decide(visitor: Visitor): Remember | undefined;
  /** Without, since time is up. What comes back is remembered when the visit is kept. */
  late(): Remember | undefined;
  /** The visit was kept after the call had its answer. */
  readonly keptLate?: (visitor: Visitor) => void;
  /** The visit was not kept, whether or not the call has its answer; otherwise, losses are only counted. */
  readonly unkept?: (error: StoreError) => void;
  /** Something of the above threw. */
  fail(error: unknown): void;
}

/** One call that waits. */
class Wait implements Waiter {
  readonly at: number;
  /** Undefined once the call is answered: it would otherwise be kept as long as the visit is. */
  #asker: Asker | undefined;
  #remember: Remember | undefined;
  readonly #keptLate: Asker['keptLate'];
  readonly #unkept: Asker['unkept'];

  constructor(at: number, asker: Asker) {
    this.at = at;
    this.#asker = asker;
    this.#keptLate = asker.keptLate;
    this.#unkept = asker.unkept;
  }

  get open(): boolean {
    return this.#asker !== undefined;
  }

  decide(visitor: Visitor): Remember | undefined {
    const asker = this.#asker;
    // The page has its answer already; what was realized is kept all the same.
    if (!asker) {
      this.#keptLate?.(visitor);
      return this.#remember;
    }
    this.#asker = undefined;
    try {
      return asker.decide(visitor);
    } catch (error) {
      asker.fail(error);
      return undefined;
    }
  }

  late(): void {
    const asker = this.#asker;
    if (!asker) return;
    this.#asker = undefined;
    try {
      this.#remember = asker.late();
    } catch (error) {
      asker.fail(error);
    }
  }

  refuse(error: unknown): void {
    if (error instanceof StoreError) {
      this.#unkept?.(error);
      this.late();
      return;
    }
    const asker = this.#asker;
    this.#asker = undefined;
    asker?.fail(error);
  }
}

/** All calls have the same time, so they expire in order: one timer serves them all. */
export class Deadline {
  readonly #milliseconds: number;
  #waiting: Wait[] = [];
  #armed = false;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** Asks the store for a visit, and has the call answered in time. */
  ask(store: Store, visit: Visit, asker: Asker): void {
    const wait = new Wait(performance.now() + this.#milliseconds, asker);
    store.visit(visit, wait);
    if (!wait.open) return;
    this.#waiting.push(wait);
    if (!this.#armed) this.#arm(this.#milliseconds);
  }

  #arm(milliseconds: number): void {
    this.#armed = true;
    setTimeout(() => this.#check(), milliseconds);
  }

  #check(): void {
    const now = performance.now();
    this.#waiting = this.#waiting.filter((wait) => {
      if (wait.at <= now) wait.late();
      return wait.open;
    });
    this.#armed = false;
    if (this.#waiting.length > 0) this.#arm(Math.max(1, this.#waiting[0].at - now));
  }
}
