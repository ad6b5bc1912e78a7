/** Where files of a destination go: one small contract for folders, SFTP and S3. */

export interface Target {
  /**
   * Puts a complete file there under a name. Nobody sees a part of it under that name; a file that is
   * there already is replaced, so whatever went wrong, it is put again.
   *
   * @param file its path on this machine
   * @param name letters, digits, - _ and .
   * @throws TargetError
   */
  put(file: string, name: string): Promise<void>;

  close(): Promise<void>;
}

/** A target cannot take files now; in words for whoever made the destination. */
export class TargetError extends Error {}

/**
 * Finds the address of a host, and refuses those that nobody may be sent to.
 *
 * @throws Error in words
 */
export type Resolve = (host: string) => Promise<string>;

/** What is known of an error that came from below. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : String(error);

/** What a file is called until it is complete; patterns such as *.sync do not match it. */
export const partName = (name: string): string => `.${name}.part`;
