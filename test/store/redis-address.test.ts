import { describe, expect, it } from 'vitest';
import { inWords, readRedisAddress } from '../../src/store/redis/address.ts';

const single = { kind: 'single', tls: false, db: 0 };

describe('REDIS_URL', () => {
  it.each([
    ['redis://localhost', { ...single, hosts: [{ host: 'localhost', port: 6379 }] }],
    ['redis://10.0.0.1:7000/3', { ...single, hosts: [{ host: '10.0.0.1', port: 7000 }], db: 3 }],
    ['redis://[::1]:7000', { ...single, hosts: [{ host: '::1', port: 7000 }] }],
    [
      'rediss://sw:p%3Aw%2F%40@db.example:6380',
      {
        ...single,
        tls: true,
        username: 'sw',
        password: 'p:w/@',
        hosts: [{ host: 'db.example', port: 6380 }],
      },
    ],
    [
      'redis://:only-a-password@db.example',
      { ...single, password: 'only-a-password', hosts: [{ host: 'db.example', port: 6379 }] },
    ],
    [
      'redis+sentinel://a:1,b/main/2',
      {
        kind: 'sentinel',
        tls: false,
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        primary: 'main',
        db: 2,
      },
    ],
    [
      'rediss+cluster://u:p@a:1,b:2',
      {
        kind: 'cluster',
        tls: true,
        username: 'u',
        password: 'p',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        db: 0,
      },
    ],
  ])('%s is understood', (text, address) => {
    expect(readRedisAddress(text)).toEqual(address);
  });

  it.each([
    ['no scheme', 'localhost:6379'],
    ['another scheme', 'http://localhost:6379'],
    ['no host', 'redis://'],
    ['port 0', 'redis://a:0'],
    ['a port that is too high', 'redis://a:65536'],
    ['a port that is no number', 'redis://a:b'],
    ['two hosts that are no Cluster', 'redis://a,b'],
    ['Sentinels without the name of the primary', 'redis+sentinel://a:1,b:2'],
    ['a Cluster with a database', 'redis+cluster://a:1/1'],
    ['a database that is no number', 'redis://a/x'],
    ['a password that is not properly encoded', 'redis://u:100%@a'],
    ['a query', 'redis://a?db=1'],
  ])('with %s is not', (_, text) => {
    expect(readRedisAddress(text)).toBeUndefined();
  });

  it('is told without user and password', () => {
    const address = readRedisAddress('redis+sentinel://u:secret@a:1,b:2/main');
    expect(address && inWords(address)).toBe('Redis sentinel main at a:1, b:2');
  });
});
