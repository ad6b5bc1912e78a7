/** Programs that some tests need and not every machine has. */
import fs from 'node:fs';
import path from 'node:path';

/**
 * Finds a program on the PATH. Where it is missing, says that its tests are skipped and how to get
 * it; with `REQUIRE_SERVICES=1` that is an error.
 */
export function service(name: string, howToGetIt: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(folder, name);
    if (fs.existsSync(file)) return file;
  }
  const message = `${name} is not on the PATH: ${howToGetIt}`;
  if (process.env.REQUIRE_SERVICES === '1') throw new Error(message);
  console.warn(`Skipped: ${message}`);
  return undefined;
}
