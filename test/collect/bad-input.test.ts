/** Hostile and broken input against a real server, byte by byte. */
import net from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { ABSENT, changed, PARTNER, SHOP } from '../account/example.ts';
import { type RunningServer, startServer } from '../server.ts';
import type { Answer } from './collector.ts';

const account = changed({
  'sites[0].hosts': ABSENT,
  'sites[1].hosts': ABSENT,
  'destinations[0].mappings[0].url': `http://p.example/?d=%DPID_${PARTNER}%&g=\${GDPR}&c=\${GDPR_CONSENT_1}`,
  'destinations[0].mappings[0].secureUrl': ABSENT,
  'destinations[0].priority': 9,
  'destinations[3].cnameDomain': 'localhost',
});

let server: RunningServer;
let port: number;
beforeAll(async () => {
  server = await startServer({ account, environment: { LOG_LEVEL: 'info' } });
  port = Number(new URL(server.origin).port);
});
afterAll(() => server.stop());

interface Reply {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly cookies: string[];
  readonly body: string;
  readonly raw: string;
}

/** Sends bytes as they are and reads until the server closes. */
async function send(bytes: string | Buffer, patience = 5_000): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  let reply = '';
  socket.on('data', (data) => {
    reply += data.toString('latin1');
  });
  // A server that has said what is wrong may close while there is more to send.
  socket.on('error', () => {});
  socket.setTimeout(patience, () => socket.destroy(new Error('nothing came')));
  socket.write(bytes);
  await closed(socket);
  return reply;
}

/** `once` would fail where the socket had an error before. */
const closed = (socket: net.Socket) => new Promise((resolve) => socket.once('close', resolve));

function read(raw: string): Reply {
  const end = raw.indexOf('\r\n\r\n');
  const [first, ...lines] = raw.slice(0, end).split('\r\n');
  const pairs = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0),
    headers: new Map(pairs),
    cookies: pairs.filter(([name]) => name === 'set-cookie').map(([, value]) => value),
    body: raw.slice(end + 4),
    raw,
  };
}

const lines = (...all: string[]) => `${all.join('\r\n')}\r\n\r\n`;

const get = async (path: string, ...headers: string[]): Promise<Reply> =>
  read(
    await send(lines(`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers)),
  );

const post = async (path: string, body: string | Buffer, ...headers: string[]): Promise<Reply> => {
  const head = lines(
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(headers.length ? headers : ['Content-Type: application/x-www-form-urlencoded']),
  );
  return read(await send(Buffer.concat([Buffer.from(head), Buffer.from(body)])));
};

const errorsOf = ({ headers }: Reply) => headers.get('x-error') ?? '';
const jsonOf = ({ body, headers }: Reply): Answer =>
  JSON.parse(headers.get('transfer-encoding') ? body.split('\r\n')[1] : body);

/** The server is up, and answers as if nothing had been. */
async function expectAlive(): Promise<void> {
  expect(server.process.exitCode).toBeNull();
  expect((await get('/healthz')).status).toBe(200);
}

describe('one request of each wrong kind', () => {
  const many = Array.from({ length: 2_000 }, (_, i) => `k${i % 1000}=`).join('&');
  it.each<[name: string, path: string, status: number, errors: string]>([
    ['a lone percent sign', '/event?c_page=%', 200, '311'],
    ['half an encoded byte', '/event?c_page=%4', 200, '311'],
    ['no hexadecimal', '/event?c_page=%g1', 200, '311'],
    ['an encoded NUL', '/event?c_page=%00', 200, ''],
    ['encoded control characters', '/event?c_page=%01%02%1f%7f', 200, ''],
    ['encoded bytes that are no UTF-8', '/event?c_page=%ff%fe%c3', 200, ''],
    ['an overlong encoding', '/event?c_page=%c0%af', 200, ''],
    ['half of a surrogate pair', '/event?c_page=%ed%a0%80', 200, ''],
    ['a key without a name', '/event?=x', 200, ''],
    ['a huge key', `/event?${'k'.repeat(8_000)}=1`, 200, ''],
    ['thousands of parameters', `/event?${many.slice(0, 8_000)}`, 200, ''],
    ['__proto__', '/event?__proto__=1&__proto__[x]=2&constructor=3&prototype=4', 200, ''],
    ['names of methods', '/event?toString=1&hasOwnProperty=2&valueOf=3&then=4', 200, ''],
    ['__proto__ as an id', '/event?d_cid_ic=__proto__%01x&d_tdpid_ic=constructor', 200, '300,104'],
    ['a device id of another form', '/event?d_uuid=../../etc/passwd', 200, '102'],
    ['a device id of other digits', `/event?d_uuid=${'%D9%A3'.repeat(38)}`, 200, '102'],
    ['a device id with a line break', `/event?d_uuid=${'1'.repeat(38)}%0a`, 200, '102'],
    ['an ECID of another form', '/event?d_mid=NaN', 200, '101'],
    ['a huge data source', `/event?d_cid=${'9'.repeat(30)}%01x`, 200, '300,104'],
    ['a data source beyond 32 bits', '/event?d_cid=9999999999%01x', 200, '302,104'],
    ['a trait beyond everything', `/event?d_sid=${'9'.repeat(300)}`, 200, '10'],
    ['a query of 8 KiB', `/event?${'a'.repeat(8 * 1024)}`, 200, ''],
    ['a query beyond', `/event?${'a'.repeat(8 * 1024 + 1)}`, 414, ''],
    ['a query far beyond', `/event?${'a'.repeat(100_000)}`, 414, ''],
    ['an ID sync beyond', `/ibs:dpid=1&x=${'a'.repeat(8 * 1024)}`, 414, ''],
    ['an opt-out beyond', `/demoptout.jpg?x=${'a'.repeat(8 * 1024)}`, 414, ''],
    ['several question marks', '/event?c_page=home?d_uuid=1', 200, ''],
    ['a fragment', '/event?c_page=x#d_uuid=1', 200, ''],
    ['a whole address', 'http://localhost/event?d_uuid=1', 200, '102'],
    ['a whole address of another host', 'http://evil.example/event?d_uuid=1', 200, '102'],
    ['another address', '/event/x', 404, ''],
    ['up and away', '/../../etc/passwd', 404, ''],
    ['up and away, encoded', '/%2e%2e/%2e%2e/etc/passwd', 404, ''],
    ['a broken path', '/%zz', 404, ''],
    ['two slashes', '//event', 404, ''],
  ])('%s', async (_name, path, status, errors) => {
    const reply = await get(path);
    expect([reply.status, errorsOf(reply)]).toEqual([status, errors]);
    await expectAlive();
  });

  it.each<[name: string, headers: string[], status: number, errors: string]>([
    ['a cookie that is none', ['Cookie: ;;=;a;=b;demdex'], 200, ''],
    ['a broken cookie', ['Cookie: demdex=%zz; audience=%'], 200, ''],
    ['a huge cookie', [`Cookie: a=${'x'.repeat(60_000)}`], 200, ''],
    ['cookies named __proto__', ['Cookie: __proto__=1; constructor=2; demdex=x'], 200, ''],
    ['two cookie headers', ['Cookie: a=1', 'Cookie: b=2'], 200, ''],
    ['a Referer that is none', ['Referer: \\\\::%%'], 200, ''],
    ['an Origin that is none', ['Origin: :::'], 200, ''],
    ['a foreign Origin', ['Origin: https://evil.example'], 200, '109'],
    ['a user in front of an own host', [`Origin: http://${SHOP}@evil.example`], 200, ''],
    ['bytes beyond ASCII', ['User-Agent: \xff\xfe\x80', 'Referer: \xff'], 200, ''],
    ['a forwarded protocol that is none', ['X-Forwarded-Proto: ,,;'], 200, ''],
    ['an authorization', ['Authorization: Bearer x'], 200, ''],
    ['an upgrade', ['Upgrade: websocket', 'Connection: Upgrade'], 200, ''],
    ['an expectation', ['Expect: 200-maybe'], 417, ''],
  ])('headers: %s', async (_name, headers, status, errors) => {
    const reply = await get('/event', ...headers);
    expect([reply.status, errorsOf(reply)]).toEqual([status, errors]);
    await expectAlive();
  });

  it.each<[name: string, request: string, errors: string]>([
    ['none', lines('GET /event?d_rtbd=json HTTP/1.1', 'Connection: close'), '100'],
    ['none, HTTP/1.0', lines('GET /event?d_rtbd=json HTTP/1.0'), '100'],
    ['an empty one', lines('GET /event?d_rtbd=json HTTP/1.1', 'Host:', 'Connection: close'), '100'],
    ['with a port', hostLine('localhost:80'), ''],
    ['in capitals', hostLine('LOCALHOST'), ''],
    ['an IPv6 address', hostLine('[::1]:80'), ''],
  ])('the Host header: %s', async (_name, request, errors) => {
    const reply = read(await send(request));
    expect([reply.status, errorsOf(reply)]).toEqual([200, errors]);
    expect(jsonOf(reply).dcs_region).toBe(7);
  });

  function hostLine(host: string) {
    return lines('GET /event?d_rtbd=json HTTP/1.1', `Host: ${host}`, 'Connection: close');
  }

  it.each(['a b', 'a/b', 'a@b', '%00', '[::1', 'a:b:c', 'x'.repeat(10_000), '<script>', '\xff'])(
    'a Host header of %j is no failure of the server',
    async (host) => {
      const { status } = read(await send(hostLine(host)));
      expect([200, 400]).toContain(status);
      await expectAlive();
    },
  );

  it.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['another version', lines('GET /event HTTP/9.9', 'Host: localhost')],
    ['a NUL', lines('GET /event?\0 HTTP/1.1', 'Host: localhost')],
    ['a header without a colon', lines('GET /event HTTP/1.1', 'Host: localhost', 'x')],
    ['a header with a NUL', lines('GET /event HTTP/1.1', 'Host: localhost', 'x: \0')],
    [
      'two lengths',
      lines('POST /event HTTP/1.1', 'Host: localhost', 'Content-Length: 1', 'Content-Length: 2'),
    ],
    [
      'a length and chunks',
      lines(
        'POST /event HTTP/1.1',
        'Host: localhost',
        'Content-Length: 1',
        'Transfer-Encoding: chunked',
      ),
    ],
    ['a negative length', lines('POST /event HTTP/1.1', 'Host: localhost', 'Content-Length: -1')],
    ['too many headers', lines('GET /event HTTP/1.1', `x: ${'y'.repeat(200_000)}`)],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('what is no request at all: %s', async (_name, bytes) => {
    const reply = await send(Buffer.from(bytes, 'latin1'));
    expect(reply).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    await expectAlive();
  });
});

describe('wrong methods are 405, with those that are possible', () => {
  it.each([
    ['PUT', '/event', 'GET, POST, OPTIONS'],
    ['DELETE', '/event', 'GET, POST, OPTIONS'],
    ['HEAD', '/event', 'GET, POST, OPTIONS'],
    ['PATCH', '/event?c_page=home', 'GET, POST, OPTIONS'],
    ['PROPFIND', '/event', 'GET, POST, OPTIONS'],
    ['PUT', '/ibs:dpid=1&dpuuid=2', 'GET'],
    ['OPTIONS', '/demoptout.jpg', 'GET'],
    ['DELETE', '/demoptout', 'GET'],
  ])('%s %s', async (method, path, allow) => {
    const request = lines(`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close');
    const { status, headers } = read(await send(request));
    expect([status, headers.get('allow')]).toEqual([405, allow]);
  });

  it.each(['TRACE', 'CONNECT', 'NONSENSE'])('%s is no failure', async (method) => {
    const request = lines(`${method} /event HTTP/1.1`, 'Host: localhost', 'Connection: close');
    expect(await send(request)).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    await expectAlive();
  });
});

describe('bodies', () => {
  const chunked = (size: number, count: number) => {
    const chunk = `${size.toString(16)}\r\n${'a'.repeat(size)}\r\n`;
    const head = lines(
      'POST /event HTTP/1.1',
      'Host: localhost',
      'Connection: close',
      'Content-Type: application/x-www-form-urlencoded',
      'Transfer-Encoding: chunked',
    );
    return `${head}${chunk.repeat(count)}0\r\n\r\n`;
  };

  it.each<[string, string | Buffer, string[], status: number, errors: string]>([
    ['32 KiB', 'a'.repeat(32 * 1024), [], 200, ''],
    ['beyond', 'a'.repeat(32 * 1024 + 1), [], 413, ''],
    ['ten thousand parameters', 'a=1&b=&'.repeat(4_600), [], 200, ''],
    ['ten thousand keys', Array.from({ length: 5_000 }, (_, i) => `k${i}`).join('&'), [], 200, ''],
    ['JSON', '{"c_page":"home"}', ['Content-Type: application/json'], 200, '0'],
    ['a file', Buffer.alloc(100_000), ['Content-Type: application/octet-stream'], 200, '0'],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x3d, 0xc3]), [], 200, ''],
    ['a broken encoding', 'c_page=%e', [], 200, '311'],
    ['NULs', Buffer.alloc(1_000), [], 200, ''],
    ['nothing', '', [], 200, ''],
    ['no type', 'c_page=home', ['X-Type: none'], 302, ''],
    ['a type that is none', 'c_page=home', ['Content-Type: ;;;'], 200, '0'],
  ])('%s', async (_name, body, headers, status, errors) => {
    const reply = await post('/event', body, ...headers);
    expect([reply.status, errorsOf(reply)]).toEqual([status, errors]);
    await expectAlive();
  });

  it.each([
    ['at the limit', 1024, 32, 200],
    ['beyond', 1024, 33, 413],
    ['far beyond', 8 * 1024, 100, 413],
    ['in single bytes', 1, 2_000, 200],
  ])('in chunks, %s', async (_name, size, count, status) => {
    expect(read(await send(chunked(size, count))).status).toBe(status);
    await expectAlive();
  });

  it('chunks that are none', async () => {
    const broken = chunked(10, 1).replace('\r\na\r\n', '\r\nzz\r\n');
    expect(await send(broken)).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    await expectAlive();
  });

  it('a length of more than comes, and then the end', async () => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.end(
      lines('POST /event HTTP/1.1', 'Host: localhost', 'Content-Length: 100').concat('c_page=home'),
    );
    socket.resume();
    await closed(socket);
    await expectAlive();
  });

  it.each([
    ['a head that never ends', 'GET /event HTTP/1.1\r\nHost: localhost\r\nx: '],
    [
      'a body that never ends',
      lines('POST /event HTTP/1.1', 'Host: localhost', 'Content-Length: 1000'),
    ],
    [
      'chunks that never end',
      lines('POST /event HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked'),
    ],
  ])(
    '%s: the server closes after 10 s',
    { timeout: 30_000, concurrent: true },
    async (_n, start) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      let reply = '';
      socket.on('data', (data) => {
        reply += data;
      });
      socket.write(start);
      const drip = setInterval(() => {
        socket.write(start.includes('chunked') ? '1\r\na\r\n' : 'a');
      }, 1_000);
      const isClosed = await Promise.race([
        closed(socket).then(() => true),
        new Promise((resolve) => setTimeout(() => resolve(false), 14_000)),
      ]);
      clearInterval(drip);
      socket.destroy();
      expect(isClosed).toBe(true);
      expect(reply).toMatch(/^(HTTP\/1\.1 408 |$)/);
      await expectAlive();
    },
  );
});

describe('what could end a header does not', () => {
  const EVIL = '%0d%0aX-Evil:%20yes%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a<script>';
  const declared = `d_cid=${PARTNER}%01${EVIL}`;
  it.each([
    ['redir', `/ibs:dpid=${PARTNER}&dpuuid=1&redir=https://partner.example/${EVIL}`],
    ['redir to a host', `/ibs:dpid=${PARTNER}&dpuuid=1&redir=https://partner.example${EVIL}`],
    ['the id of a sync', `/ibs:dpid=${PARTNER}&dpuuid=${EVIL}&redir=https://partner.example/`],
    ['d_cb', `/event?d_rtbd=json&d_cb=f${EVIL}`],
    ['a macro of an id', `/event?c_page=home&${declared}`],
    ['a macro of consent', `/event?c_page=home&gdpr=${EVIL}&gdpr_consent=${EVIL}`],
    ['an iframe page', `/event?d_rtbd=iframe&c_page=home&gdpr=${EVIL}&${declared}`],
    ['errors', `/event?d_uuid=${EVIL}&d_mid=${EVIL}&d_cid=${EVIL}&d_sid=${EVIL}`],
    ['an organisation', `/event?d_orgid=${EVIL}`],
    ['a page', `/event?h_referer=https://${EVIL}`],
    ['an opt-out', `/demoptout.jpg?d_uuid=${EVIL}`],
  ])('%s', async (_name, path) => {
    const reply = await get(path);
    expect([200, 302]).toContain(reply.status);
    expect(reply.headers.has('x-evil')).toBe(false);
    expect(reply.cookies.join('\n')).not.toContain('evil');
    expect(reply.raw.slice(0, reply.raw.indexOf('\r\n\r\n'))).not.toMatch(/<script|[^\r]\n/);
    const type = reply.headers.get('content-type') ?? '';
    if (type.startsWith('text/html')) expect(reply.body).not.toContain('<script');
  });

  it('a macro in a redirect keeps what it was, encoded', async () => {
    const reply = await get(`/event?c_page=home&${declared}&gdpr=1%26x`);
    const location = new URL(reply.headers.get('location') ?? '');
    expect(location.searchParams.get('d')).toBe(decodeURIComponent(EVIL));
    expect(location.searchParams.get('g')).toBe('1&x');
  });

  it('a cookie of a destination holds only its mapped values', async () => {
    const reply = await get(`/event?c_page=home&d_uuid=${newDeviceId()}&x=${EVIL}`);
    expect(reply.cookies.map((cookie) => cookie.split(';')[0])).toEqual([
      expect.stringMatching(/^demdex=\d{38}$/),
      'audience=k=home',
    ]);
  });

  it.each(['alert(1)//', 'a;b', 'x=1', '{}', '(function(){})', '</script><script>'])(
    'd_cb=%s is not run',
    async (code) => {
      const reply = await get(`/event?d_rtbd=json&d_cb=${encodeURIComponent(code)}`);
      expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(jsonOf(reply).errors).toMatchObject([{ code: 0 }]);
    },
  );
});

describe('random bytes', () => {
  const runs = { numRuns: 150 };
  /** What may stand in a request line: everything but spaces, line ends and beyond-ASCII. */
  const targets = fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 0x21, max: 0x7e }) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(...'%&=?#;,+\\"<>^`{|}'.split('').map((c) => c.charCodeAt(0))),
        },
      ),
      { maxLength: 200 },
    )
    .map((codes) => String.fromCharCode(...codes));
  const keys = fc.constantFrom(
    'd_uuid',
    'd_mid',
    'd_cid',
    'd_cid_ic',
    'd_dpid',
    'd_dpuuid',
    'd_sid',
    'd_tdpid',
    'd_cb',
    'd_rtbd',
    'd_ptfm',
    'd_orgid',
    'h_referer',
    'gdpr',
    'c_page',
    'p_income',
    'redir',
  );
  const values = fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc
      .uint8Array({ maxLength: 20 })
      .map((bytes) => Array.from(bytes, (b) => `%${b.toString(16).padStart(2, '0')}`).join('')),
    targets.map((text) => text.replace(/[#&]/g, '')),
    fc.constantFrom('json', 'iframe', '1', 'home', `${PARTNER}%01x`, '1'.repeat(38)),
  );
  const forms = fc
    .array(fc.tuple(keys, values), { maxLength: 10 })
    .map((pairs) => pairs.map(([key, value]) => `${key}=${value}`).join('&'));
  const possible = (reply: string) => expect(reply).toMatch(/^HTTP\/1\.1 (200|302|400|413|414) /);

  it.each(['/event?', '/ibs:', '/demoptout.jpg?'])('after %s', async (path) => {
    const property = fc.asyncProperty(fc.oneof(targets, forms), async (query) => {
      possible((await get(path + query)).raw);
    });
    await fc.assert(property, runs);
    await expectAlive();
  });

  it('in bodies', async () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
      forms.map((text) => Buffer.from(text)),
    );
    const property = fc.asyncProperty(body, async (bytes) => {
      const reply = await post('/event?d_rtbd=json', bytes);
      expect(reply.status).toBe(200);
      if (!reply.headers.get('content-type')?.startsWith('application/json')) return;
      expect(jsonOf(reply)).toMatchObject({ dcs_region: 7, stuff: expect.any(Array) });
    });
    await fc.assert(property, runs);
    await expectAlive();
  });

  it('in headers', async () => {
    const name = fc.constantFrom(
      'Cookie',
      'Origin',
      'Referer',
      'User-Agent',
      'X-Forwarded-Proto',
      'Content-Type',
      'Sec-Fetch-Storage-Access',
      'Accept-Language',
      'Date',
    );
    // Visible characters, spaces and bytes beyond ASCII: what a header may hold.
    const value = fc
      .array(
        fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f),
        { maxLength: 60 },
      )
      .map((codes) => Buffer.from(codes).toString('latin1'));
    const headers = fc.array(fc.tuple(name, value), { maxLength: 5 });
    const property = fc.asyncProperty(headers, async (pairs) => {
      const request = lines(
        'GET /event?d_rtbd=json&c_page=home HTTP/1.1',
        'Host: localhost',
        'Connection: close',
        ...pairs.map(([name, value]) => `${name}: ${value}`),
      );
      const reply = read(await send(Buffer.from(request, 'latin1')));
      expect(reply.status).toBe(200);
      expect(jsonOf(reply).dcs_region).toBe(7);
    });
    await fc.assert(property, runs);
    await expectAlive();
  });

  it('instead of requests', async () => {
    const property = fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      async (bytes) => {
        const reply = await send(Buffer.concat([bytes, Buffer.from('\r\n\r\n\r\n')]));
        expect(reply).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
      },
    );
    await fc.assert(property, { numRuns: 50 });
    await expectAlive();
  });
});

describe('afterwards', () => {
  it('nothing was a failure of the server, not even that a client went away', () => {
    expect(server.output()).not.toMatch(/a call failed|was not kept/);
  });

  it('no private value stands in a log', async () => {
    const secret = 'PRIVATE-5551234';
    await get(`/event?p_mail=${secret}&x=%zz`);
    await get(`/event?p_mail=${secret}&c_page=home`);
    await post('/event', `p_mail=${secret}&d_cid=${PARTNER}%01x`);
    expect(server.output()).not.toContain(secret);
  });
});
