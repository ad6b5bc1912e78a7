/** Where files of a destination go: one small contract for folders, SFTP and S3. */
import { randomUUID } from 'node:crypto';

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

/** What targets may reach, by the operator's will. */
export interface Reach {
  /** The folder below which folders may be. */
  readonly folder: string;
  /** `OUTBOUND_ALLOW_PRIVATE`: servers at private addresses and without TLS, too. */
  readonly allowPrivate: boolean;
  /** After so many milliseconds without a sign of life a server is given up; 60 s. */
  readonly patience?: number;
  /** Breaks off whatever is under way. */
  readonly signal?: AbortSignal;
}

export const PATIENCE_MS = 60_000;

/**
 * What a file is called until it is complete; patterns such as *.sync do not match it. Another one each time:
 * a server may still write what was broken off.
 */
export const partName = (name: string): string => `.${name}.${randomUUID()}.part`;

/** Whether something is called as a file may have been that is no more put under this name. */
export const isPartOf = (name: string, part: string): boolean =>
  part.startsWith(`.${name}.`) && part.endsWith('.part');
