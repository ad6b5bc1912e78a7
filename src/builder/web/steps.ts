/**
 * Steps through the browser's history, before the router hears of them: loaded before it, since all
 * who listen at the window are told in the order in which they came.
 */

let guard: ((event: PopStateEvent) => void) | undefined;
window.addEventListener('popstate', (event) => guard?.(event));

/** Has steps looked at from now on; what is stopped there does not happen. @returns ends that */
export function guardSteps(look: (event: PopStateEvent) => void): () => void {
  guard = look;
  return () => {
    if (guard === look) guard = undefined;
  };
}
