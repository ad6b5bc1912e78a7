import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, buildFolder, SOURCES } from '../../src/builder/build.ts';
import { pages } from '../../src/builder/pages.ts';
import { endWithTests, type RunningServer, startServer, temporaryFolder } from '../server.ts';

/** On a machine that is busy with other tests, a build takes its time. */
const BUILD_MS = 180_000;

const quietly = { say: () => undefined };

describe('pages', () => {
  let folder: string;
  let app: ReturnType<typeof pages>;
  let script: string;

  beforeAll(async () => {
    folder = await build(quietly);
    app = pages(folder);
    const page = await fs.readFile(path.join(folder, 'index.html'), 'utf8');
    script = /src="\/builder(\/assets\/[^"]+\.js)"/.exec(page)?.[1] as string;
  });

  const get = (address: string, headers: Record<string, string> = {}) =>
    app.request(address, { headers });

  test.each(['/', '/destinations', '/destinations/8001', '/activity/12?x=1', '/a.b/c'])(
    'the application is at %s',
    async (address) => {
      const response = await get(address);
      expect(response.status).toBe(200);
      expect(response.headers.get('Content-Type')).toBe('text/html; charset=UTF-8');
      expect(response.headers.get('Cache-Control')).toBe('no-store');
      expect(await response.text()).toContain('<div id="root">');
    },
  );

  test('a page runs nothing but the files of the application', async () => {
    const response = await get('/');
    const policy = Object.fromEntries(
      (response.headers.get('Content-Security-Policy') as string).split('; ').map((rule) => {
        const [name, ...values] = rule.split(' ');
        return [name, values.join(' ')];
      }),
    );
    expect(policy).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': expect.stringMatching(/^'self' 'nonce-[A-Za-z0-9+/=]{22,}'$/),
      'img-src': "'self'",
      'font-src': "'self'",
      'connect-src': "'self'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
      'base-uri': "'none'",
      'require-trusted-types-for': "'script'",
      'trusted-types': 'default',
    });
    const page = await response.text();
    const inline = page.match(/<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|javascript:|data:/g);
    expect(inline).toBeNull();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': expect.stringContaining('camera=()'),
    });
  });

  test('the nonce of a page is in its policy, and another one each time', async () => {
    const nonces = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await get('/');
        const policy = response.headers.get('Content-Security-Policy') as string;
        const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
        expect(await response.text()).toContain(`<meta property="csp-nonce" nonce="${nonce}"`);
        return nonce;
      }),
    );
    expect(new Set(nonces).size).toBe(20);
  });

  test.each([
    ['br', 'br', zlib.brotliDecompressSync],
    ['gzip, deflate, br', 'br', zlib.brotliDecompressSync],
    ['gzip', 'gzip', zlib.gunzipSync],
    ['br;q=0, gzip', 'gzip', zlib.gunzipSync],
    ['gzip;q=0', null, Buffer.from],
    ['', null, Buffer.from],
  ])('Accept-Encoding: %s gets %s', async (accepted, encoding, decoded) => {
    const response = await get(script, { 'Accept-Encoding': accepted });
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Encoding')).toBe(encoding);
    expect(response.headers.get('Content-Type')).toBe('text/javascript; charset=utf-8');
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=31536000, immutable');
    expect(response.headers.get('Vary')).toBe('Accept-Encoding');
    const plain = await fs.readFile(path.join(folder, script));
    const body = Buffer.from(await response.arrayBuffer());
    expect(Buffer.compare(Buffer.from(decoded(body)), plain)).toBe(0);
    if (encoding) expect(body.length).toBeLessThan(plain.length / 2.5);
  });

  test('what a first page loads is small', async () => {
    const page = await (await get('/')).text();
    const files = [...page.matchAll(/(?:src|href)="\/builder(\/assets\/[^"]+\.(?:js|css))"/g)];
    const sizes = await Promise.all(
      files.map(async ([, file]) => {
        const response = await get(file, { 'Accept-Encoding': 'br' });
        return (await response.arrayBuffer()).byteLength;
      }),
    );
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(205_000);
  });

  test.each([
    '/assets/missing.js',
    '/assets/index.html',
    '/assets/%2e%2e%2findex.html',
    '/assets/',
  ])('there is no file %s', async (address) => {
    const response = await get(address);
    expect(await response.text()).not.toContain('<div id="root">');
    expect(response.status).toBe(404);
  });

  test('a folder that is not there yet is said, and found when it is', async () => {
    const later = path.join(temporaryFolder(), 'built');
    const early = pages(later);
    const response = await early.request('/');
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('npm run build');
    expect((await early.request(script)).status).toBe(404);
    await fs.cp(folder, later, { recursive: true });
    expect((await early.request('/')).status).toBe(200);
  });
});

describe('a build', () => {
  test('is named by its sources, fast', async () => {
    const name = await buildFolder();
    const began = performance.now();
    expect(await buildFolder()).toBe(name);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(SOURCES).toContain('src/audience');
  });

  test('that is there is not made again', async () => {
    const folder = await build(quietly);
    const { mtimeMs } = await fs.stat(folder);
    const said: string[] = [];
    expect(await build({ say: (line) => said.push(line) })).toBe(folder);
    expect(said).toEqual([]);
    expect((await fs.stat(folder)).mtimeMs).toBe(mtimeMs);
  });

  test(
    'of two processes at once is whole, and says what it does',
    async () => {
      const parent = temporaryFolder();
      const folder = path.join(parent, 'built');
      const code = `import { build } from './src/builder/build.ts';
      console.log(await build({ say: console.log, folder: ${JSON.stringify(folder)} }));`;
      const one = () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
        endWithTests(child);
        return outputOf(child);
      };
      const outputs = await Promise.all([one(), one()]);
      for (const output of outputs) {
        expect(output).toMatch(
          /^Building the Destination Builder…\nBuilt in \d+\.\d s\n.*built\n$/,
        );
      }
      expect(await fs.readdir(parent)).toEqual(['built']);
      expect((await pages(folder).request('/')).status).toBe(200);
    },
    BUILD_MS,
  );
});

async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.on('data', (text) => {
    output += text;
  });
  child.stderr?.on('data', (text) => {
    output += text;
  });
  await once(child, 'close');
  return output;
}

describe('a server', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  test('serves the application', async () => {
    const response = await fetch(`${server.origin}/builder`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('<div id="root">');
  });

  test.each(['/builder/../package.json', '/builder/assets/../../../package.json'])(
    'gives nothing away at %s',
    async (address) => {
      // fetch would tidy the address up.
      const body = await new Promise<string>((resolve, reject) => {
        http
          .get(`${server.origin}`, { path: address }, (answer) => {
            let text = '';
            answer.on('data', (part) => {
              text += part;
            });
            answer.on('end', () => resolve(text));
          })
          .on('error', reject);
      });
      expect(body).not.toContain('"dependencies"');
    },
  );
});

describe('a project that was just fetched', () => {
  let root: string;
  beforeAll(async () => {
    root = temporaryFolder();
    for (const part of ['src', 'package.json', 'package-lock.json']) {
      await fs.cp(part, path.join(root, part), { recursive: true });
    }
    await fs.symlink(path.resolve('node_modules'), path.join(root, 'node_modules'));
  });

  test(
    'is built at its first start, not again at the next, and anew after a change',
    async () => {
      const started = async () => {
        const server = await startServer({ root, environment: { WORKERS: '2' } });
        const { status } = await fetch(`${server.origin}/builder`);
        await server.stop();
        return { status, building: server.output().match(/Building|Built in \d+\.\d s/g) };
      };
      const building = ['Building', expect.stringMatching(/^Built in/)];
      expect(await started()).toEqual({ status: 200, building });
      expect(await started()).toEqual({ status: 200, building: null });
      await fs.appendFile(path.join(root, 'src/builder/web/base.css'), 'p { color: inherit; }\n');
      expect(await started()).toEqual({ status: 200, building });
    },
    BUILD_MS,
  );

  test(
    'with a fault says it, and answers pages all the same',
    async () => {
      await fs.writeFile(path.join(root, 'src/builder/web/main.tsx'), 'const = 1;');
      const server = await startServer({ root });
      expect(server.output()).toContain('The Destination Builder is not there: ');
      expect(server.output()).toContain('main.tsx');
      const event = await fetch(`${server.origin}/event?d_rtbd=json&c_x=1`, {
        headers: { Referer: `${server.origin}/` },
      });
      expect(event.status).toBe(200);
      expect(await event.json()).toHaveProperty('uuid');
      expect((await fetch(`${server.origin}/builder`)).status).toBe(503);
      await server.stop();
      expect(await fs.readdir(path.join(root, '.builder'))).not.toContainEqual(
        expect.stringMatching(/new$/),
      );
    },
    BUILD_MS,
  );

  test(
    'that takes values from elsewhere is not built',
    async () => {
      await fs.writeFile(
        path.join(root, 'src/builder/web/main.tsx'),
        "import { isSafe } from '../access.ts';\nconsole.log(isSafe);\n",
      );
      const server = await startServer({ root });
      expect(server.output()).toContain(
        "src/builder/access.ts is outside of the application's sources: add its folder to SOURCES",
      );
      await server.stop();
    },
    BUILD_MS,
  );
});
