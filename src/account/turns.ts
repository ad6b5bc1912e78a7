/** Long work in turns: it yields often, so that whoever runs it may do something else in between. */

export type Turns<Result> = Generator<void, Result, void>;

/** A turn leaves most of a page's deadline to the page. */
const TURN_MS = 5;
/** Steps take microseconds, looking at the clock takes a part of one. */
const STEPS = 16;

export function atOnce<Result>(work: Turns<Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Answers requests between any two turns. */
export async function inTurns<Result>(work: Turns<Result>): Promise<Result> {
  for (;;) {
    const end = performance.now() + TURN_MS;
    do {
      for (let step = 0; step < STEPS; step++) {
        const { done, value } = work.next();
        if (done) return value;
      }
    } while (performance.now() < end);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
