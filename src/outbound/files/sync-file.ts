/**
 * Files for a partner: the names, the lines, and the control file that goes last.
 *
 * Source of the form: user guide, integration/receiving-audience-data, batch outbound transfers.
 */
import type { FileTransfer, ServerDestination } from '../../destinations/destination.ts';

/**
 * What all files of one run are called, without split number and ending.
 *
 * @param at when the run began, in Unix milliseconds
 * @example
 * ftp_1234_45454_XYZCustomer_iter_1486140843000
 */
export function syncFileRoot(
  { id }: Pick<ServerDestination, 'id'>,
  { target, userDataSource, alias, syncMode }: FileTransfer,
  at: number,
): string {
  // From a folder, too, the partner or a program of the owner takes it on.
  const type = target.kind === 's3' ? 's3' : 'ftp';
  const parts = [type, id, userDataSource, alias || undefined, syncMode, at];
  return parts.filter((part) => part !== undefined).join('_');
}

/**
 * @param split which of several files of the run, from 1; undefined: the only one
 */
export function syncFileName(root: string, compress: boolean, split?: number): string {
  const number = split === undefined ? '' : String(split).padStart(3, '0');
  return `${root}${number}.sync${compress ? '.gz' : ''}`;
}

/** The control file's name; the partner may read the others once it is there. */
export const infoName = (root: string): string => `${root}.info`;

/**
 * One visitor, without the end of the line.
 *
 * @param id the visitor's id in the destination's data source, else the device id
 * @example
 * 59767559181262060060278870901087098252 24,26,27 25,28
 */
export const syncLine = (
  id: string,
  joined: readonly string[],
  left: readonly string[] = [],
): string => `${id} ${joined.join(',')}${left.length > 0 ? ` ${left.join(',')}` : ''}`;

/** A file that is complete. */
export interface SyncFile {
  readonly name: string;
  /** Bytes, as they are sent. */
  readonly size: number;
  readonly lines: number;
  /** Of the bytes as they are sent, in hexadecimal. */
  readonly md5: string;
}

/** What the control file says; it is JSON. */
export interface Info {
  readonly Files: readonly {
    readonly FileByteSize: number;
    readonly FileLineCount: number;
    readonly FileName: string;
    readonly FileSequenceNumber: number;
    readonly md5: string;
  }[];
  readonly Totals: {
    readonly FileName: string;
    readonly TotalByteSize: number;
    readonly TotalNumberFiles: number;
    readonly TotalNumberLines: number;
  };
}

export const infoOf = (root: string, files: readonly SyncFile[]): Info => ({
  Files: files.map(({ name, size, lines, md5 }, i) => ({
    FileByteSize: size,
    FileLineCount: lines,
    FileName: name,
    FileSequenceNumber: i + 1,
    md5,
  })),
  Totals: {
    FileName: `${root}.sync`,
    TotalByteSize: files.reduce((sum, { size }) => sum + size, 0),
    TotalNumberFiles: files.length,
    TotalNumberLines: files.reduce((sum, { lines }) => sum + lines, 0),
  },
});
