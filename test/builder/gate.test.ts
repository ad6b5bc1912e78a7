/** Who is let through to which route, and from which pages. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SECRETS } from '../../src/account/secret.ts';
import { openApi } from '../../src/builder/openapi.ts';
import { People } from '../../src/builder/people.ts';
import { Sessions } from '../../src/builder/session.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import { COLLECTOR } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';
import { freePort, startServer, temporaryFolder } from '../server.ts';
import { browserOf, Client, operatorOf, passwordOf, type Reply } from './client.ts';

const registry = new RegistryFile(temporaryFolder());
const collector = new Collector({ registry });
const send = (path: string, init: RequestInit) => collector.send(path, init);
afterAll(() => registry.close());

const ROLES = ['viewer', 'editor', 'admin'] as const;
type Role = (typeof ROLES)[number];
type Who = Role | 'mustChange';

const people = new People(registry);
const sessions = new Sessions(registry, people);
const keys = new Map<Role, string>();
beforeAll(async () => {
  for (const role of ROLES) {
    const { person } = await people.add('the test', role, role);
    await people.setPassword(person, passwordOf(role));
    const { body } = await operatorOf(send).call('POST', 'keys', { name: role, role });
    keys.set(role, body.key);
  }
  await people.add('the test', 'new', 'admin');
});

const begun = new Map<Who, string>();

/** Somebody's page of the builder. */
async function pageOf(who: Who, headers: Readonly<Record<string, string>> = {}): Promise<Client> {
  const person = await people.find(who === 'mustChange' ? 'new' : who);
  if (!person) throw new Error(`${who} is gone`);
  let session = begun.get(who);
  // Some calls have ended it.
  if (!session || !(await sessions.find(session))) session = await sessions.start(person);
  begun.set(who, session);
  // By http and by https.
  const cookie = `switchyard_session=${session}; __Host-switchyard=${session}`;
  return browserOf(send, { ...headers, Cookie: cookie });
}

/** A route as it is called: nothing that it names is there. */
const ROUTES = collector.routes
  .filter(({ method, path }) => path.startsWith('/v1/') && method !== 'ALL')
  .map(({ method, path }) => {
    const address = path.slice('/v1/'.length).replace(/:\w+\{\\d\+\}/g, '999999');
    return { method, path, address: address.replace(/:\w+(\{[^}]*\})?/g, 'nothing-of-this-name') };
  });

/** What the brief says, apart from the code that does it. */
function leastFor(method: string, address: string): Role {
  if (/^(people|keys)\b/.test(address)) return 'admin';
  if (/^(session|estimates)\b/.test(address)) return 'viewer';
  if (/^export\b/.test(address)) return 'editor';
  if (method === 'GET') return 'viewer';
  return method === 'POST' && /^(trace|preview|trials)\b/.test(address) ? 'viewer' : 'editor';
}

const bodyFor = (method: string) => (method === 'POST' || method === 'PUT' ? {} : undefined);
const isRefusal = ({ status, body }: Reply) =>
  status === 401 || status === 403 || body?.errors?.[0]?.wrong === 'there is nothing here';

const isLogin = ({ method, address }: { method: string; address: string }) =>
  method === 'POST' && /^session\/?$/.test(address);
const GUARDED = ROUTES.filter((route) => !isLogin(route));

/** What a browser sends for a page that is not our own. */
const FOREIGN = [
  { 'X-Requested-With': '' },
  { 'X-Requested-With': 'XMLHttpRequest' },
  { 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'same-site' },
  { 'Sec-Fetch-Site': 'none' },
  { Origin: 'http://evil.example' },
  { Origin: `http://${COLLECTOR}:8081` },
  { Origin: `http://${COLLECTOR}.evil.example` },
  { Origin: 'null' },
  { Origin: '' },
  { Origin: `http://${COLLECTOR}`, 'X-Forwarded-Proto': 'https' },
] as const;

it('there are routes to look at', () => {
  expect(GUARDED.length).toBeGreaterThan(100);
  expect(ROUTES.length - GUARDED.length).toBe(2);
});

describe.each(GUARDED)('$method $path', ({ method, address }) => {
  const body = bodyFor(method);
  const least = leastFor(method, address);
  const mayCall = (role: Role) => ROLES.indexOf(role) >= ROLES.indexOf(least);

  it('is not for nobody', async () => {
    const given: Record<string, string>[] = [
      {},
      { Authorization: 'Bearer wrong' },
      { Authorization: `Basic ${TOKEN}` },
      { Authorization: '' },
      { Cookie: 'switchyard_session=wrong' },
      { Cookie: `switchyard_session=${TOKEN}` },
    ];
    for (const headers of given) {
      const answer = await browserOf(send, headers).call(method, address, body);
      expect(answer).toMatchObject({ status: 401, body: { errors: [{}] } });
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it.each(ROLES)(`by session and by key as %s`, async (role) => {
    const page = await pageOf(role);
    const script = new Client(send, { Authorization: `Bearer ${keys.get(role)}` });
    for (const answer of [
      await page.call(method, address, body),
      await script.call(method, address, body),
    ]) {
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(answer.status).toBeLessThan(500);
      if (mayCall(role)) expect(isRefusal(answer), JSON.stringify(answer.body)).toBe(false);
      else {
        expect(answer).toMatchObject({
          status: 403,
          body: { errors: [{ path: '(role)', instead: `ask an admin for the role ${least}` }] },
        });
      }
    }
  });

  it('is not for a session with a one-time password, unless to end that', async () => {
    const answer = await (await pageOf('mustChange')).call(method, address, body);
    if (address.startsWith('session')) expect(isRefusal(answer)).toBe(false);
    else expect(answer).toMatchObject({ status: 403, body: { errors: [{ path: '(session)' }] } });
  });
});

describe.each(GUARDED.filter(({ method }) => method !== 'GET'))(
  '$method $path by session',
  ({ method, address }) => {
    it('is not for pages of others', async () => {
      for (const headers of FOREIGN) {
        const page = await pageOf('admin', headers);
        const answer = await page.call(method, address, bodyFor(method));
        expect(answer.status, JSON.stringify(headers)).toBe(403);
      }
    });
  },
);

it.each(GUARDED.filter(({ method }) => method === 'GET'))(
  'HEAD $path is not for nobody',
  async ({ address }) => {
    expect((await browserOf(send).call('HEAD', address)).status).toBe(401);
  },
);

describe('a login', () => {
  const body = { name: 'viewer', password: passwordOf('viewer') };

  it.each(FOREIGN)('from a page with %j is refused', async (headers) => {
    const answer = await browserOf(send, headers).call('POST', 'session', body);
    expect(answer.status).toBe(403);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it.each([
    ['from our own page', {}],
    ['from an older browser that says nothing of the page', { 'Sec-Fetch-Site': undefined }],
    ['by a proxy with TLS that does not say so', { Origin: `https://${COLLECTOR}` }],
    ['with the default port', { Origin: `http://${COLLECTOR}:80` }],
  ])('%s is let in', async (_, changed) => {
    const headers = {
      'X-Requested-With': 'switchyard',
      'Sec-Fetch-Site': 'same-origin',
      ...changed,
    };
    const given = Object.entries(headers).filter(([, value]) => value !== undefined);
    const client = new Client(send, Object.fromEntries(given) as Record<string, string>);
    expect((await client.call('POST', 'session', body)).status).toBe(200);
  });
});

describe('a key or the token', () => {
  it('needs no header besides, from wherever it is sent', async () => {
    const headers = { 'Sec-Fetch-Site': 'cross-site', Origin: 'http://evil.example' };
    for (const key of [TOKEN, keys.get('editor')]) {
      const script = new Client(send, { ...headers, Authorization: `Bearer ${key}` });
      const answer = await script.call('POST', 'folders', { name: 'By script' });
      expect(answer.status).toBe(201);
    }
  });

  it('outweighs the cookie, also where it is wrong', async () => {
    const viewer = await pageOf('viewer', { Authorization: `Bearer ${TOKEN}` });
    expect((await viewer.get('session')).body).toMatchObject({
      name: 'ADMIN_TOKEN',
      role: 'admin',
    });
    const admin = await pageOf('admin', { Authorization: `Bearer ${keys.get('viewer')}` });
    expect((await admin.get('people')).status).toBe(403);
    const wrong = await pageOf('admin', { Authorization: 'Bearer wrong' });
    expect((await wrong.get('people')).status).toBe(401);
  });

  it.each(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
    'finds nothing by %s where there is nothing, and nobody is told',
    async (method) => {
      for (const path of ['nonsense', '', '/people', 'constructor', 'People']) {
        const answer = await operatorOf(send).call(method, path);
        expect(answer.status, path).toBe(404);
        expect((await browserOf(send).call(method, path)).status).toBe(401);
      }
    },
  );
});

describe('a viewer', () => {
  it.each([
    'people',
    'people/',
    '%70eople',
    'people?dryRun=true',
    'people#',
    'keys',
    'export',
    'export?dryRun=true',
  ])('does not see %s, however it is written', async (path) => {
    expect((await (await pageOf('viewer')).get(path)).status).toBe(403);
  });

  it('changes nothing, whatever they say of a dry run', async () => {
    const editor = await pageOf('editor');
    const before = await editor.get('export');
    const viewer = await pageOf('viewer');
    const folder = { name: 'New' };
    const { destinations, segments } = before.body;
    const calls = [
      ['POST', 'folders', folder],
      ['PUT', `segments/${segments[0].sid}`, { ...segments[0], name: 'Other' }],
      ['DELETE', `segments/${segments[0].sid}`],
      ['POST', 'segments/bulk-delete', [segments[0].sid]],
      ['DELETE', `destinations/${destinations[0].destinationId}`],
      ['POST', `destinations/${destinations[0].destinationId}/mappings`, {}],
      ['POST', `destinations/${destinations[0].destinationId}/mappings/bulk-delete`, [1]],
      ['POST', 'import', { ...before.body, destinations: [] }],
    ] as const;
    for (const [method, path, body] of calls) {
      expect((await viewer.call(method, path, body)).status, path).toBe(403);
      for (const query of [
        '?dryRun=true',
        '?dryRun=true&dryRun=false',
        '?dryRun=false&dryRun=true',
      ]) {
        const { status } = await viewer.call(method, path + query, body);
        expect([200, 204, 400, 403, 409], `${method} ${path}${query}`).toContain(status);
      }
      for (const name of ['X-HTTP-Method-Override', 'X-Method-Override', 'X-HTTP-Method']) {
        const headers = { [name]: method };
        const { status } = await viewer.call('GET', path, undefined, headers);
        expect([200, 404]).toContain(status);
      }
    }
    expect((await editor.get('export')).headers.get('etag')).toBe(before.headers.get('etag'));
  });

  it('sees what an import would change, but no secret', async () => {
    const editor = await pageOf('editor');
    const destination = { name: 'Partner', destinationType: 'S2S', signatureHeader: 'X-Signature' };
    const secret = { endpointUrl: 'https://partner.example/', signatureKeys: ['hush-hush-1'] };
    const made = await editor.call('POST', 'destinations', { ...destination, ...secret });
    const { body } = await editor.get('export');
    expect(JSON.stringify(body)).toContain('hush-hush-1');
    const viewer = await pageOf('viewer');
    const without = { ...body, destinations: [] };
    const other = structuredClone(body);
    other.destinations.at(-1).signatureKeys = ['another'];
    const renamed = structuredClone(body);
    renamed.destinations.at(-1).name = 'Renamed';
    const answers = [
      await viewer.call('POST', 'import?dryRun=true', without),
      await viewer.call('POST', 'import?dryRun=true', other),
      await viewer.call('POST', 'import?dryRun=true', body),
      await viewer.call('POST', 'import?dryRun=true', renamed),
      await viewer.get('destinations'),
      await viewer.get(`destinations/${made.body.destinationId}`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    // Whether a secret differs would tell whether it was guessed.
    expect(answers[1].body.differences).toEqual([]);
    expect(answers[2].body.differences).toEqual([]);
    expect(answers[3].body.differences).toContain('    name: "Partner" → "Renamed"');
    const { differences } = (await editor.call('POST', 'import?dryRun=true', other)).body;
    expect(differences).toContain('    signatureKeys: (secret) → (secret)');
    expect(JSON.stringify(answers)).not.toContain('hush-hush-1');
    // Nor could they try secrets against what they see.
    const { destinationId } = made.body;
    const path = `destinations/${destinationId}`;
    const tag = async () => (await viewer.get(path)).headers.get('etag');
    const before = await tag();
    const kept = other.destinations.find((one: { name: string }) => one.name === 'Partner');
    await editor.call('POST', 'import', {
      ...body,
      destinations: [...body.destinations.slice(0, -1), kept],
    });
    expect(await tag()).toBe(before);
  });
});

describe('whatever somebody writes who may only look', () => {
  const signed = {
    name: 'Signed',
    destinationType: 'S2S',
    endpointUrl: 'https://partner.example/',
    signatureHeader: 'X-Signature',
    signatureKeys: ['hush-key-1', 'hush-key-2'],
    oauth: {
      tokenUrl: 'https://hush.example/',
      clientId: 'hush-client',
      clientSecret: 'hush-secret',
    },
  };
  const filed = {
    name: 'Filed',
    destinationType: 'S2S',
    transfer: 'file',
    target: 's3://bucket/in',
    credentials: { accessKeyId: 'hush-id', secretAccessKey: 'hush-access' },
    // Nobody looks at it while files are written.
    oauth: { tokenUrl: 'hush', clientId: 'hush-client', clientSecret: 'hush-secret' },
  };
  const names = ['kept', 'tokenUrl', 'clientId', 'clientSecret', 'password', 'accessKeyId', '0'];
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(null, '', 'x', 0, 1, true),
    fc.nat(2).map((kept) => ({ kept })),
  );
  const part = fc.oneof(leaf, fc.dictionary(fc.constantFrom(...names), leaf, { maxKeys: 3 }));
  const value = fc.oneof(part, fc.array(part, { maxLength: 4 }));
  const secrets = fc.record(
    { signatureKeys: value, oauth: value, credentials: value },
    { requiredKeys: [] },
  );
  const destinationType = fc.constantFrom('S2S', 'PUSH', 'ADS');
  const transfer = fc.constantFrom('realtime', 'file');

  it('no answer holds a secret that is kept', async () => {
    const editor = await pageOf('editor');
    const viewer = await pageOf('viewer');
    const ids: number[] = [];
    for (const one of [signed, filed]) {
      const { status, body } = await editor.call('POST', 'destinations', one);
      expect(status).toBe(201);
      ids.push(body.destinationId);
    }
    const check = async (own: object) => {
      for (const [i, whole] of [signed, filed].entries()) {
        const open = Object.entries(whole).filter(([field]) => !SECRETS.includes(field));
        const entry = { ...Object.fromEntries(open), ...own, destinationId: ids[i] };
        const answers = [
          await viewer.call('POST', 'preview', { destination: entry }),
          await viewer.call('PUT', `destinations/${ids[i]}?dryRun=true`, entry),
          await viewer.call('POST', 'trials', { list: 'destinations', entry }),
        ];
        expect(JSON.stringify(answers)).not.toContain('hush');
      }
    };
    await check({ signatureKeys: {} });
    await check({ signatureKeys: [{ kept: 0 }, { kept: 0 }, { kept: 0 }] });
    await check({ transfer: 'realtime' });
    const body = fc
      .tuple(secrets, fc.record({ destinationType, transfer }, { requiredKeys: [] }))
      .map(([kept, rest]) => ({ ...kept, ...rest }));
    await fc.assert(fc.asyncProperty(body, check), { numRuns: 100 });
    for (const id of ids) await editor.call('DELETE', `destinations/${id}`);
  });
});

it('what the description says of roles is what holds', () => {
  const { paths } = openApi() as {
    paths: Record<string, Record<string, { 'x-role'?: string; security?: unknown }>>;
  };
  const differing = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      if (!/^(get|post|put|delete)$/.test(method) || operation.security) return [];
      const least = leastFor(method.toUpperCase(), path.slice('/v1/'.length));
      return operation['x-role'] === least
        ? []
        : [`${method} ${path}: ${operation['x-role']}, not ${least}`];
    }),
  );
  expect(differing).toEqual([]);
  const described = Object.keys(paths);
  expect(described).toEqual(
    expect.arrayContaining([
      '/v1/session',
      '/v1/session/password',
      '/v1/people/{name}',
      '/v1/keys/{keyId}',
    ]),
  );
});

it('no path that a browser or a script would straighten leads around the gate', async () => {
  const port = await freePort();
  const server = await startServer({ environment: { ADMIN_PORT: String(port) } });
  const { default: net } = await import('node:net');
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      );
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('end', () => resolve(text.split('\r\n', 1)[0]));
      socket.on('error', reject);
    });
  for (const path of [
    '/v1/people',
    '/v1/./people',
    '/v1/session/../people',
    '/x/../v1/people',
    '//v1/people',
    '/v1//people',
    '/%76%31/people',
    '/v1%2fpeople',
    '/v1/people%3f',
    'http://x/v1/people',
    '/builder/../v1/people',
  ]) {
    expect(await ask(path), path).toMatch(/^HTTP\/1\.1 (401|404|400) /);
  }
  await server.stop();
});
