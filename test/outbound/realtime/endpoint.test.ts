/** One POST to a partner, whatever the partner does; the partners are real HTTPS servers. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Endpoint, readRetryAfter } from '../../../src/outbound/realtime/endpoint.ts';
import {
  answers,
  type Behaviour,
  breakOff,
  drip,
  flood,
  garbage,
  hang,
  hangUp,
  ok,
  Partner,
} from '../partner.ts';

let partner: Partner;
beforeAll(async () => {
  partner = await new Partner().start();
});
afterAll(() => partner.die());

const open: Endpoint[] = [];
afterEach(async () => {
  for (const endpoint of open.splice(0)) endpoint.close();
  partner.received.length = 0;
  partner.behaviour = ok;
});

function endpoint(options: Partial<ConstructorParameters<typeof Endpoint>[0]> = {}): Endpoint {
  const { ca } = partner;
  const made = new Endpoint({ allowPrivate: true, connections: 8, ca, limit: 500, ...options });
  open.push(made);
  return made;
}

const post = (given = endpoint()) =>
  given.post(
    partner.url,
    [
      ['X-Signature', 'old'],
      ['X-Signature', 'new'],
    ],
    '{"é":1}',
  );

describe('a message', () => {
  it('arrives as it was given, with a header twice where it is there twice', async () => {
    expect(await post()).toEqual({
      ...{ ok: true, status: 200, retryAfter: undefined, problem: '', body: '' },
    });
    const [received] = partner.received;
    expect(received).toMatchObject({ url: '/in?a=1', body: '{"é":1}' });
    expect(received.headers['content-length']).toBe('8');
    expect(received.lines('X-Signature')).toEqual(['old', 'new']);
  });

  it.each<[string, Behaviour]>([
    ['and nothing else', ok],
    ['and anything', garbage],
    ['and no end', flood(200)],
  ])('has arrived where the partner says 200, %s', async (_, behaviour) => {
    partner.behaviour = behaviour;
    const { ok: hasArrived, body } = await post();
    expect(hasArrived).toBe(true);
    expect(body.length).toBeLessThanOrEqual(4_096);
  });

  it.each<[string, Behaviour, object]>([
    ['201', answers(201), { status: 201, problem: 'HOST answered 201' }],
    ['204', answers(204), { status: 204, problem: 'HOST answered 204' }],
    ['400', answers(400, {}, 'why'), { status: 400, problem: 'HOST answered 400' }],
    ['500 without end', flood(500), { status: 500 }],
    ['429, seconds', answers(429, { 'Retry-After': '7' }), { status: 429, retryAfter: 7_000 }],
    ['503, nonsense', answers(503, { 'Retry-After': 'soon' }), { retryAfter: undefined }],
    ['silence', hang, { status: undefined, problem: 'HOST did not answer within 500 ms' }],
    ['an answer without end', drip, { problem: 'HOST did not finish its answer within 500 ms' }],
    ['a closed connection', hangUp, { problem: expect.stringContaining('without an answer') }],
    ['half an answer', breakOff, { problem: expect.stringContaining('in the middle') }],
    [
      'a redirect',
      answers(302, { Location: 'https://127.0.0.1:1/secret' }),
      { status: 302, problem: expect.stringContaining('redirects are not followed') },
    ],
    ['no HTTP', (response) => response.socket?.end('hello\r\n\r\n'), { status: undefined }],
    ['101', (response) => response.socket?.end('HTTP/1.1 101 OK\r\nUpgrade: x\r\n\r\n'), {}],
  ])('has not arrived where the partner gives %s', async (_, behaviour, expected) => {
    partner.behaviour = behaviour;
    const reply = await post();
    expect({ ...reply, problem: reply.problem.replace(/^127.0.0.1:\d+/, 'HOST') }).toMatchObject({
      ok: false,
      ...expected,
    });
    expect(reply.problem).toMatch(/^127.0.0.1:\d+ \w/);
    expect(partner.received).toHaveLength(1);
  });

  it('has not arrived at a partner that is not there', async () => {
    const away = await new Partner().start();
    await away.die();
    expect(await endpoint().post(away.url, [], '')).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/^127.0.0.1:\d+ does not listen/),
    });
  });

  it('is not given to a partner whose certificate nobody known has signed', async () => {
    const { ok: hasArrived, problem } = await post(endpoint({ ca: undefined }));
    expect(hasArrived).toBe(false);
    expect(problem).toContain('certificate');
    expect(partner.received).toEqual([]);
  });

  it('with a header that cannot be is not sent, and says so', async () => {
    expect(await endpoint().post(partner.url, [['X-A', 'a\r\nb']], '')).toMatchObject({
      ok: false,
      problem: expect.stringContaining('X-A'),
    });
  });
});

describe('connections', () => {
  it('are used again', async () => {
    const one = endpoint();
    for (let i = 0; i < 3; i++) await post(one);
    expect(new Set(partner.received.map(({ from }) => from)).size).toBe(1);
  });

  it('that the partner has closed meanwhile are replaced at once', async () => {
    const one = endpoint();
    await post(one);
    const [first] = partner.received;
    partner.behaviour = (response, { from }) => {
      if (from === first.from) response.destroy();
      else response.end();
    };
    expect((await post(one)).ok).toBe(true);
    expect(partner.received).toHaveLength(3);
  });

  it('are no more than allowed', async () => {
    partner.crowd = 0;
    partner.behaviour = (response) => setTimeout(() => response.end(), 20);
    const one = endpoint({ connections: 2, limit: 5_000 });
    await Promise.all(Array.from({ length: 6 }, () => post(one)));
    expect(partner.crowd).toBe(2);
  });
});

describe('what is inside a network is not connected to', () => {
  it.each([
    ['an address', (port: number) => `https://127.0.0.1:${port}/`],
    ['an address in disguise', (port: number) => `https://0x7f000001:${port}/`],
    ['a mapped address', (port: number) => `https://[::ffff:127.0.0.1]:${port}/`],
    ['a name of this machine', (port: number) => `https://localhost:${port}/`],
    ['a name that leads inside', (port: number) => `https://partner.example:${port}/`],
    ['plain http', (port: number) => `http://partner.example:${port}/`],
  ])('%s', async (_, urlOf) => {
    const { connections } = partner;
    const inside = endpoint({
      allowPrivate: false,
      resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    });
    expect(await inside.post(urlOf(partner.port), [], '')).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/inside a network|not a secure address/),
    });
    expect(partner.connections).toBe(connections);
  });

  it('unless that is allowed', async () => {
    const inside = endpoint({
      resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    });
    expect(await inside.post(`https://partner.example:${partner.port}/`, [], '')).toMatchObject({
      ok: true,
    });
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1);
  it.each([
    ['0', 0],
    ['120', 120_000],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['', undefined],
    ['-1', undefined],
    ['soon', undefined],
  ])('%j', (text, expected) => {
    expect(readRetryAfter(text, now)).toBe(expected);
  });
});
