/**
 * What memory a process holds, without what nobody has collected yet. It has to be started with this
 * module (`--import`), and collects what it can whenever it is asked.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';

/** The environment of processes that can be asked; `folder` is for their answers. */
export const askable = (folder: string) => ({
  NODE_OPTIONS: `--import=${import.meta.url}`,
  MEMORY_FOLDER: folder,
});

/** In MB; what is only mapped from files, such as LMDB's, is not counted on Linux. */
export async function heldBy(pid: number, folder: string): Promise<number> {
  const answer = path.join(folder, String(pid));
  process.kill(pid, 'SIGUSR2');
  while (!fs.existsSync(answer)) await pause(10);
  const kilobytes = Number(fs.readFileSync(answer, 'utf8'));
  fs.rmSync(answer);
  return kilobytes / 1_024;
}

function answerIn(folder: string): void {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  process.on('SIGUSR2', () => {
    collect();
    const status = '/proc/self/status';
    const own = fs.existsSync(status) ? fs.readFileSync(status, 'utf8') : '';
    const kilobytes = /RssAnon:\s+(\d+)/.exec(own)?.[1] ?? process.memoryUsage.rss() / 1_024;
    const answer = path.join(folder, String(process.pid));
    fs.writeFileSync(`${answer}.part`, String(kilobytes));
    fs.renameSync(`${answer}.part`, answer);
  });
}

if (process.env.MEMORY_FOLDER) answerIn(process.env.MEMORY_FOLDER);
