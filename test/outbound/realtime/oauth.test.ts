/** Tokens for messages: client credentials of OAuth 2.0, at a real token endpoint. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Endpoint } from '../../../src/outbound/realtime/endpoint.ts';
import { BearerEndpoint } from '../../../src/outbound/realtime/oauth.ts';
import { answers, type Behaviour, Partner } from '../partner.ts';

let partner: Partner;
let plain: Endpoint;
let endpoint: BearerEndpoint;
/** Tokens that the partner takes, and what it gives out. */
let valid: Set<string>;
let given: number;
let tokens: (text: string) => Behaviour;

const json = (body: unknown) => answers(200, {}, JSON.stringify(body));
const asked = () => partner.received.filter(({ url }) => url === '/token');
const messages = () => partner.received.filter(({ url }) => url === '/in');

beforeAll(async () => {
  partner = await new Partner().start();
});
afterAll(() => partner.die());
beforeEach(() => {
  partner.received.length = 0;
  valid = new Set();
  given = 0;
  tokens = (access_token) => json({ access_token, token_type: 'Bearer', expires_in: 3_600 });
  partner.behaviour = (response, received) => {
    if (received.url === '/token') {
      const token = `token-${++given}`;
      valid.add(token);
      tokens(token)(response, received);
    } else {
      const bearer = received.headers.authorization?.replace(/^Bearer /, '') ?? '';
      answers(valid.has(bearer) ? 200 : 401)(response, received);
    }
  };
  plain?.close();
  plain = new Endpoint({ allowPrivate: true, connections: 8, ca: partner.ca });
  endpoint = new BearerEndpoint(plain, {
    tokenUrl: `https://127.0.0.1:${partner.port}/token`,
    clientId: 'our id',
    clientSecret: 's:e/c=r+et',
  });
});

const url = () => `https://127.0.0.1:${partner.port}/in`;
const post = async () => (await endpoint.prepare()) ?? endpoint.post(url(), [['X-A', 'b']], '{}');

it('a token is asked for as RFC 6749 has it', async () => {
  expect(await post()).toMatchObject({ ok: true });
  const [{ headers, body }] = asked();
  expect(body).toBe('grant_type=client_credentials');
  expect(headers['content-type']).toBe('application/x-www-form-urlencoded; charset=UTF-8');
  const [scheme, basic] = headers.authorization?.split(' ') ?? [];
  expect(scheme).toBe('Basic');
  expect(atob(basic)).toBe('our+id:s%3Ae%2Fc%3Dr%2Bet');
  expect(messages()[0]).toMatchObject({ body: '{}', headers: { 'x-a': 'b' } });
});

it('one token serves many messages, also those that go out while it is asked for', async () => {
  await Promise.all([post(), post(), post()]);
  await post();
  expect(asked()).toHaveLength(1);
  expect(messages()).toHaveLength(4);
});

describe('a token is renewed', () => {
  it('once for all, where the partner takes it no more; what was sent is not sent by itself', async () => {
    await post();
    valid.clear();
    const four = () => Promise.all([post(), post(), post(), post()]);
    for (const reply of await four()) {
      expect(reply).toMatchObject({ ok: false, status: 401, isExpired: true });
    }
    expect([asked().length, messages().length]).toEqual([1, 5]);
    for (const reply of await four()) expect(reply).toMatchObject({ ok: true });
    expect([asked().length, messages().length]).toEqual([2, 9]);
  });

  it('though the partner takes none: then it is not the time that is over', async () => {
    tokens = (text) => {
      valid.delete(text);
      return json({ access_token: text, expires_in: 3_600 });
    };
    for (const count of [1, 2]) {
      expect(await post()).toMatchObject({ ok: false, status: 401, isExpired: false });
      expect([asked().length, messages().length]).toEqual([count, count]);
    }
  });

  it('by who prepares, not by who sends', async () => {
    await post();
    valid.clear();
    await Promise.all([endpoint.prepare(), endpoint.prepare()]);
    await post();
    expect(await endpoint.post(url(), [], '{}')).toMatchObject({ ok: false, isExpired: true });
    expect([asked().length, messages().length]).toEqual([1, 2]);
  });

  it.each<[string, unknown, number]>([
    ['before it expires', 0, 3],
    ['where that is written in quotes', '0', 3],
    ['not before, where it lasts', 3_600, 1],
    ['not before it is refused, where nothing is said', undefined, 1],
    ['not before it is refused, where nonsense is said', 'long', 1],
  ])('%s', async (_, expires_in, expected) => {
    tokens = (access_token) => json({ access_token, expires_in });
    for (let i = 0; i < 3; i++) expect(await post()).toMatchObject({ ok: true });
    expect(asked()).toHaveLength(expected);
  });
});

describe('without a token nothing is sent', () => {
  it.each<[string, Behaviour, string]>([
    ['refused', answers(400, {}, '{"error":"invalid_client"}'), 'answered 400'],
    ['away', answers(503, { 'Retry-After': '9' }), 'answered 503'],
    ['no JSON', answers(200, {}, 'token'), 'not with JSON that has access_token'],
    ['no object', json(null), 'not with JSON that has access_token'],
    ['no token', json({ token: 'x' }), 'not with JSON that has access_token'],
    ['no text', json({ access_token: 7 }), 'not with JSON that has access_token'],
    ['no header', json({ access_token: 'a\r\nX-B: c' }), 'not with JSON that has access_token'],
  ])('%s', async (_, behaviour, problem) => {
    tokens = () => behaviour;
    // The status would be taken for one of the message.
    expect(await post()).toMatchObject({
      ok: false,
      status: undefined,
      problem: expect.stringMatching(`^there is no token: 127.0.0.1:\\d+ .*${problem}`),
    });
    expect(messages()).toEqual([]);
  });

  it('the wait that the token endpoint asks for counts', async () => {
    tokens = () => answers(503, { 'Retry-After': '9' });
    expect(await post()).toMatchObject({ retryAfter: 9_000 });
  });

  it('and it is asked again for the next message, once for those at the same time', async () => {
    tokens = () => answers(500);
    await Promise.all([post(), post(), post()]);
    expect(asked()).toHaveLength(1);
    tokens = (access_token) => json({ access_token });
    expect(await post()).toMatchObject({ ok: true });
  });
});

it('secrets stand in no problem', async () => {
  for (const behaviour of [answers(500), answers(200, {}, 'x')]) {
    tokens = () => behaviour;
    expect((await post()).problem).not.toMatch(/our|s:e|s%3Ae/);
  }
});

it('the token endpoint is guarded as any other', async () => {
  const guarded = new Endpoint({ allowPrivate: false, connections: 1, ca: partner.ca });
  const tokenUrl = `https://127.0.0.1:${partner.port}/token`;
  const inside = new BearerEndpoint(guarded, { tokenUrl, clientId: 'a', clientSecret: 'b' });
  expect((await inside.prepare())?.problem).toContain('inside a network');
  expect(asked()).toEqual([]);
});
