/**
 * How far the deliverer has come in the log: a file beside its outbox says the first segment of which it
 * still has to read something. Until then, a fold leaves the segments where they are.
 */
import fs from 'node:fs';
import path from 'node:path';

export const throughFileOf = (folder: string): string => path.join(folder, 'outbound', 'through');

/** Undefined where nobody has ever delivered. */
export function readThrough(file: string): number | undefined {
  try {
    return Number(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A power cut can lose segments, whose numbers are used again: whoever opens the log says where it ends. */
export function limitThrough(file: string, newest: number): void {
  if ((readThrough(file) ?? 0) > newest) writeThrough(file, newest);
}

export function writeThrough(file: string, segment: number): void {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, String(segment));
  // Whoever reads it finds the one number or the other.
  fs.renameSync(temporary, file);
}
