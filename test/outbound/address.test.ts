/** Where messages may go: nowhere inside a network, whatever a name means by then. */
import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import {
  guardedLookup,
  isPublic,
  Names,
  type Resolve,
  refusedAddress,
} from '../../src/outbound/address.ts';

describe('an address is inside', () => {
  it.each([
    ['unspecified', '0.0.0.0', '0.1.2.3', '::'],
    ['loopback', '127.0.0.1', '127.255.255.255', '::1'],
    ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1'],
    ['link-local, and a cloud’s metadata', '169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
    ['of a carrier (CGNAT)', '100.64.0.1', '100.127.255.255'],
    ['unique local, site-local', 'fc00::1', 'fd12:3456::1', 'fec0::1'],
    ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1'],
    ['broadcast, reserved', '240.0.0.1', '255.255.255.255'],
    [
      'of protocols, tests and documentation',
      '192.0.0.8',
      '192.0.2.1',
      '198.18.0.1',
      '198.51.100.1',
    ],
    ['of documentation, too', '203.0.113.1', '2001:db8::1', '3fff::1', '100::1'],
    ['IPv4-mapped', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:a00:1', '::127.0.0.1'],
    ['NAT64', '64:ff9b::127.0.0.1', '64:ff9b:1::1'],
    ['6to4, Teredo', '2002:7f00:1::', '2001:0:7f00:1::'],
    ['no address', '', 'localhost', '1.2.3', '1.2.3.4.5', '[::1]'],
  ])('%s', (_, ...addresses) => {
    expect(addresses.filter(isPublic)).toEqual([]);
  });

  it('or public', () => {
    const addresses = [
      '1.1.1.1',
      '8.8.8.8',
      '100.63.0.1',
      '100.128.0.1',
      '172.15.0.1',
      '172.32.0.1',
    ];
    addresses.push(
      '223.255.255.255',
      '2606:4700::1111',
      '2a00:1450:4001::1',
      '2001:4860:4860::8888',
    );
    expect(addresses.filter((address) => !isPublic(address))).toEqual([]);
  });
});

describe('when a destination is saved', () => {
  it.each([
    'https://partner.example/in',
    'https://1.1.1.1:8443/',
    'https://[2606:4700::1111]/',
    'https://localhost.partner.example/',
    'https://intern.al/',
  ])('%s is fine', (url) => {
    expect(refusedAddress(url, false)).toBeUndefined();
  });

  it.each([
    'https://127.0.0.1/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://１２７.0.0.1/',
    'https://127.0.0.1./',
    'https://user:password@10.0.0.1:8443/in',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://a.localhost/',
    'https://redis:6379/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://router.home.arpa/',
  ])('%s is refused, and allowed where private addresses are', (url) => {
    expect(refusedAddress(url, false)).toMatchObject({
      wrong: expect.stringContaining('inside a network'),
      instead: expect.stringContaining('OUTBOUND_ALLOW_PRIVATE=1'),
    });
    expect(refusedAddress(url, true)).toBeUndefined();
  });

  it('http is refused, and allowed where private addresses are', () => {
    const url = 'http://partner.example/in';
    expect(refusedAddress(url, false)?.wrong).toContain('not a secure address');
    expect(refusedAddress(url, true)).toBeUndefined();
  });

  it.each(['', 'partner.example', 'ftp://partner.example/', 'file:///etc/passwd', 'https://'])(
    '%j is refused in any case',
    (url) => {
      for (const allowPrivate of [false, true]) {
        expect(refusedAddress(url, allowPrivate)?.instead).toContain('https://');
      }
    },
  );
});

describe('when a name is looked up', () => {
  const v4 = (address: string) => ({ address, family: 4 });
  const v6 = (address: string) => ({ address, family: 6 });

  /** A name service that answers one after the other. */
  function service(...answers: (LookupAddress[] | Error)[]) {
    const asked: string[] = [];
    const resolve: Resolve = (hostname, _options, callback) => {
      asked.push(hostname);
      const answer = answers[asked.length - 1];
      setImmediate(() =>
        answer instanceof Error ? callback(answer, []) : callback(null, answer as LookupAddress[]),
      );
    };
    return { resolve, asked };
  }

  const looked = (lookup: ReturnType<typeof guardedLookup>, all = true) =>
    new Promise((resolve, reject) => {
      lookup('partner.example', { all }, (error, address, family) => {
        if (error) reject(error);
        else resolve(all ? address : [address, family]);
      });
    });

  it('what is inside is left out', async () => {
    const { resolve } = service([v4('10.0.0.1'), v6('2606:4700::1111'), v4('1.1.1.1')]);
    expect(await looked(guardedLookup(false, new Names(resolve)))).toEqual([
      v6('2606:4700::1111'),
      v4('1.1.1.1'),
    ]);
  });

  it('also where one address is asked for', async () => {
    const { resolve } = service([v4('10.0.0.1'), v4('1.1.1.1')]);
    expect(await looked(guardedLookup(false, new Names(resolve)), false)).toEqual(['1.1.1.1', 4]);
  });

  it('and where nothing is left, it says so', async () => {
    const { resolve } = service([v4('127.0.0.1'), v6('::1')]);
    await expect(looked(guardedLookup(false, new Names(resolve)))).rejects.toThrow(
      'partner.example leads to 127.0.0.1, ::1, which is inside a network',
    );
  });

  it('each time: a name that leads inside the second time is refused then', async () => {
    const { resolve, asked } = service([v4('1.1.1.1')], [v4('127.0.0.1')], [v4('1.1.1.1')]);
    const lookup = guardedLookup(false, new Names(resolve));
    await looked(lookup);
    await expect(looked(lookup)).rejects.toThrow('inside a network');
    await looked(lookup);
    expect(asked).toHaveLength(3);
  });

  it('everything is fine where private addresses are allowed', async () => {
    const { resolve } = service([v4('127.0.0.1')]);
    expect(await looked(guardedLookup(true, new Names(resolve)))).toEqual([v4('127.0.0.1')]);
  });

  it('those who ask at the same time share the answer, a bad one too', async () => {
    const { resolve, asked } = service(new Error('no answer'), [v4('1.1.1.1')]);
    const lookup = guardedLookup(false, new Names(resolve));
    const results = await Promise.allSettled([looked(lookup), looked(lookup), looked(lookup)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await looked(lookup)).toEqual([v4('1.1.1.1')]);
    expect(asked).toHaveLength(2);
  });

  it('so do different destinations, though each is let go only where it may', async () => {
    const { resolve, asked } = service([v4('127.0.0.1')]);
    const names = new Names(resolve);
    const [strict, lenient] = await Promise.allSettled([
      looked(guardedLookup(false, names)),
      looked(guardedLookup(true, names)),
    ]);
    expect([strict.status, lenient]).toEqual([
      'rejected',
      { status: 'fulfilled', value: [v4('127.0.0.1')] },
    ]);
    expect(asked).toHaveLength(1);
  });
});
