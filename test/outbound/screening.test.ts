import { describe, expect, it } from 'vitest';
import { screening } from '../../src/outbound/screening.ts';
import { changed } from '../account/example.ts';
import { Collector, TOKEN } from '../collect/collector.ts';
import { account, realtime } from './example.ts';

const leading = (endpointUrl: string, more: object = {}) =>
  account({ destinations: [realtime(801, [], { endpointUrl, ...more })] });
const strict = screening(false);

describe('a destination is not saved that leads', () => {
  it.each([
    ['to a page without TLS', 'http://partner.example/in', /not a secure address/],
    ['to this machine', 'https://127.0.0.1/in', /inside a network/],
    ['to this machine, by name', 'https://localhost:8080/v1/export', /inside a network/],
    ['to this machine, by IPv6', 'https://[::1]/in', /inside a network/],
    ['to this machine, written otherwise', 'https://2130706433/in', /inside a network/],
    ['to an IPv4 address in an IPv6 one', 'https://[::ffff:10.0.0.1]/in', /inside a network/],
    ['to a private network', 'https://10.1.2.3/in', /inside a network/],
    ["to a cloud's metadata", 'https://169.254.169.254/latest/meta-data', /inside a network/],
    ['to a name without a dot', 'https://redis:6379/', /inside a network/],
  ])('%s', async (_, url, wrong) => {
    expect(await strict(leading(url), undefined)).toEqual([
      {
        path: 'destinations[0].endpointUrl',
        wrong: expect.stringMatching(wrong),
        instead: expect.stringMatching(/^write /),
      },
    ]);
    expect(await screening(true)(leading(url), undefined)).toEqual([]);
    // What is in force already stays.
    expect(await strict(leading(url), leading(url))).toEqual([]);
  });

  it('there for its token', async () => {
    const oauth = { tokenUrl: 'https://10.0.0.1/token', clientId: 'a', clientSecret: 'b' };
    const problems = await strict(leading('https://203.0.114.1/in', { oauth }), undefined);
    expect(problems.map(({ path }) => path)).toEqual(['destinations[0].oauth.tokenUrl']);
  });

  it.each([
    ['target', { target: 'sftp://partner@10.0.0.7/in' }],
    ['target', { target: 'sftp://partner@localhost:22/in' }],
    ['endpoint', { target: 's3://bucket/in', endpoint: 'https://127.0.0.1:9000' }],
    ['endpoint', { target: 's3://bucket/in', endpoint: 'http://storage.example' }],
  ])('with its files: %s %o', async (field, more) => {
    const document = leading('https://partner.example/', { transfer: 'file', ...more });
    const problems = await strict(document, undefined);
    expect(problems.map(({ path }) => path)).toEqual([`destinations[0].${field}`]);
    expect(await screening(true)(document, undefined)).toEqual([]);
  });

  it('and by REST that is said at its field', async () => {
    const collector = new Collector({ screen: strict });
    const response = await collector.send('/v1/destinations', {
      method: 'POST',
      headers: { Authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify(realtime(900, [51], { endpointUrl: 'https://127.0.0.1/in' })),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      errors: [
        {
          path: 'endpointUrl',
          wrong: expect.stringMatching(/inside a network/),
          instead: expect.stringMatching(/OUTBOUND_ALLOW_PRIVATE=1/),
        },
      ],
    });
  });
});

it('what is no document at all is looked at without harm', async () => {
  for (const document of [{}, { destinations: 7 }, { destinations: [null, 'x', {}] }]) {
    expect(await strict(document, undefined)).toEqual([]);
  }
  expect(await strict(changed({ 'destinations[4].endpointUrl': null }), undefined)).toEqual([]);
});
