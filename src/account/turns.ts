/** Long work in turns: it yields often, so that whoever runs it may do something else in between. */

export type Turns<Result> = Generator<void, Result, void>;

/** A turn leaves most of a page's deadline to the page. */
const TURN_MS = 5;
/** Steps take microseconds, looking at the clock takes a part of one. */
const STEPS = 16;
/** Where it takes longer, the clock is looked at after each step. */
const LONG_MS = 0.5;

export function atOnce<Result>(work: Turns<Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Answers requests between any two turns. */
export async function inTurns<Result>(work: Turns<Result>): Promise<Result> {
  let steps = 1;
  for (;;) {
    let now = performance.now();
    const end = now + TURN_MS;
    while (now < end) {
      for (let step = 0; step < steps; step++) {
        const { done, value } = work.next();
        if (done) return value;
      }
      const before = now;
      now = performance.now();
      steps = now - before < LONG_MS ? Math.min(2 * steps, STEPS) : 1;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
