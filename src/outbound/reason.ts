/** What is known of an error that came from below: in words for whoever made the destination. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : String(error);
