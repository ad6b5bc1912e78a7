/** Waits for something, though no longer than so many milliseconds; whatever becomes of it. */
export async function within(milliseconds: number, what: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([what.catch(() => {}), timeIsUp]);
  clearTimeout(timer);
}
