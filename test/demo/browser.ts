/** The browser that the tests of pages use: Debian's chromium, driven by playwright. */
import { type Browser, chromium } from 'playwright-core';
import { service } from '../services.ts';

/** Where it is missing, tests that need it are skipped and say so. */
export const executable = service('chromium', 'apt-get install chromium');

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: executable,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}
