import { describe, expect, it } from 'vitest';
import { ConfigError, help, readConfig, SETTINGS } from '../src/config.ts';

describe('settings', () => {
  it('have defaults', () => {
    expect(readConfig({})).toMatchObject({
      PORT: 8080,
      HOST: '127.0.0.1',
      DATA_DIR: './data',
      DEADLINE_MS: 50,
      FSYNC: 'everysec',
      COOKIE_NAME: 'demdex',
    });
  });

  it('that are empty are as if not given', () => {
    expect(readConfig({ PORT: '', FSYNC: '' })).toEqual(readConfig({}));
  });

  it.each([
    ['PORT', '0'],
    ['PORT', '65536'],
    ['PORT', '80a'],
    ['DEADLINE_MS', '-1'],
    ['DEADLINE_MS', '1e3'],
    ['FSYNC', 'sometimes'],
    ['COOKIE_NAME', 'a;b c'],
    ['DEMO_PORT', 'abc'],
    ['LOG_LEVEL', 'loud'],
    ['REGION', '256'],
    ['REDIS_URL', 'localhost'],
    ['REDIS_PREFIX', 'a b'],
    ['REDIS_WAIT_REPLICAS', '11'],
    ['WORKERS', '0'],
    ['WORKERS', 'many'],
    ['SHUTDOWN_MS', '10'],
  ])('%s=%s is refused, with what to write', (name, value) => {
    const read = () => readConfig({ [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(new RegExp(`${name}: "${value}" is not possible\\n {4}write `));
  });

  it('show no password, though it is what was wrong', () => {
    const read = () => readConfig({ REDIS_URL: 'redis://user:secret@host:port' });
    expect(read).toThrow(/REDIS_URL: "redis:\/\/…@host:port"/);
    const unencoded = () => readConfig({ REDIS_URL: 'redis://user:sec@ret@host' });
    expect(unencoded).toThrow(/REDIS_URL: "redis:\/\/…@host"/);
  });

  it('of workers may follow the processors', () => {
    expect(readConfig({ WORKERS: 'auto' }).WORKERS).toBeGreaterThanOrEqual(1);
  });

  it('that are wrong are named all at once', () => {
    expect(() => readConfig({ PORT: 'x', FSYNC: 'y' })).toThrow(/PORT.*FSYNC/s);
  });

  it('are all in the help, with default and meaning', () => {
    for (const [name, { meaning }] of Object.entries(SETTINGS)) {
      expect(help()).toMatch(new RegExp(`^ {2}${name} +\\S+ +`, 'm'));
      expect(help()).toContain(meaning);
    }
  });
});
