/** Opens the target of a destination. */
import type { FileTarget } from '../destinations/destination.ts';
import { openFolder } from './folder.ts';
import { S3Storage } from './s3.ts';
import { openSftp } from './sftp.ts';
import type { Resolve, Target } from './target.ts';

export interface Reach {
  /** The folder below which folders may be. */
  readonly folder: string;
  readonly resolve: Resolve;
  /** After so many milliseconds without a sign of life an attempt is given up. */
  readonly patience?: number;
}

const PATIENCE_MS = 60_000;

/** @throws TargetError */
export async function openTarget(
  target: FileTarget,
  { folder, resolve, patience = PATIENCE_MS }: Reach,
): Promise<Target> {
  switch (target.kind) {
    case 'folder':
      return await openFolder(folder, target.path);
    case 'sftp':
      return await openSftp(target, resolve, patience);
    case 's3':
      return new S3Storage(target, resolve, patience);
  }
}
