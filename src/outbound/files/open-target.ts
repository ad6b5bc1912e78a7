/** Opens the target of a destination. */
import type { FileTarget } from '../../destinations/destination.ts';
import { openFolder } from './folder.ts';
import { S3Storage } from './s3.ts';
import { openSftp } from './sftp.ts';
import type { Reach, Target } from './target.ts';

/** @throws TargetError */
export async function openTarget(target: FileTarget, reach: Reach): Promise<Target> {
  switch (target.kind) {
    case 'folder':
      return await openFolder(reach, target.path);
    case 'sftp':
      return await openSftp(target, reach);
    case 's3':
      return new S3Storage(target, reach);
  }
}
