/** Every setting, read once from the environment, with its default and meaning. */

import { availableParallelism } from 'node:os';
import { readRedisAddress } from './store/redis/address.ts';

interface Setting<Value> {
  readonly meaning: string;
  /** What stands in `--help` as the default. */
  readonly preset: string;
  readonly read: (text: string) => Value | undefined;
  /** What can be written. */
  readonly form: string;
}

/** What is wrong with the environment; in words for the person who started the server. */
export class ConfigError extends Error {}

function text(preset: string, meaning: string): Setting<string> {
  return { meaning, preset, form: 'a text', read: (value) => value };
}

function integer(preset: number, min: number, max: number, meaning: string): Setting<number> {
  return {
    meaning,
    preset: String(preset),
    form: `a whole number from ${min} to ${max}`,
    read: (value) => {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? number : undefined;
    },
  };
}

function choice<const Value extends string>(
  values: readonly [Value, ...Value[]],
  meaning: string,
): Setting<Value> {
  return {
    meaning,
    preset: values[0],
    form: values.join(', '),
    read: (value) => values.find((v) => v === value),
  };
}

export const SETTINGS = {
  ROLE: choice(
    ['all', 'collect', 'deliver'],
    'What this server does: collect answers pages, deliver sends to server-to-server destinations, all does both.',
  ),
  PORT: integer(8080, 1, 65_535, 'Port of the collection endpoint.'),
  HOST: text('127.0.0.1', 'Address to listen on; 0.0.0.0 for every interface.'),
  ADMIN_PORT: integer(
    0,
    0,
    65_535,
    'Port of its own for /builder and /v1, so that PORT has only the collection endpoint. 0: they share PORT.',
  ),
  ADMIN_HOST: text('', 'Address that ADMIN_PORT listens on. Empty: as HOST.'),
  PROXIES: integer(
    0,
    0,
    10,
    "Proxies in front of the server: the client's address is the one that the first of them added to X-Forwarded-For. 0: the connection's.",
  ),
  DATA_DIR: text('./data', 'Folder of the embedded store. Processes of one machine may share it.'),
  REDIS_URL: {
    meaning:
      'Keeps visitors and account in Redis (7.0 or later) instead. redis://[USER:PASSWORD@]HOST:PORT[/DB], redis+sentinel://[…@]HOST:PORT,HOST:PORT/PRIMARY[/DB], redis+cluster://[…@]HOST:PORT,HOST:PORT; rediss… for TLS.',
    preset: '',
    form: 'redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY or redis+cluster://HOST:PORT,HOST:PORT, with USER:PASSWORD@ (percent-encoded) before the first host where needed',
    read: (value: string) =>
      value === '' || readRedisAddress(value) !== undefined ? value : undefined,
  },
  REDIS_PREFIX: {
    meaning: 'What all keys in Redis start with; accounts with different ones may share a Redis.',
    preset: 'sy:',
    form: 'at most 40 letters, digits, and . _ : -',
    read: (value: string) => (/^[\w.:-]{1,40}$/.test(value) ? value : undefined),
  },
  REDIS_CA_FILE: text('', 'Certificates (PEM) that a rediss:// server may be signed by.'),
  REDIS_WAIT_REPLICAS: integer(
    0,
    0,
    10,
    'Replicas that must have a visit before it is answered for; in a Cluster, and what is queued for a destination before anybody counts as told.',
  ),
  WORKERS: {
    meaning: 'Processes that share the port; auto: one for each processor.',
    preset: '1',
    form: 'a whole number from 1 to 256, or auto',
    read: (value: string) =>
      value === 'auto'
        ? availableParallelism()
        : /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= 256
          ? Number(value)
          : undefined,
  },
  SHUTDOWN_MS: integer(
    10_000,
    100,
    600_000,
    'How long a stop may take: open calls are answered, and what waits is written.',
  ),
  ACCOUNT_FILE: text('', 'Account document (JSON). Empty: the account saved last, else the demo.'),
  ADMIN_TOKEN: text(
    '',
    'Token for /v1. Empty: made at the first start and kept in the data folder.',
  ),
  DEADLINE_MS: integer(
    50,
    1,
    60_000,
    'After so many milliseconds a page is answered without the store.',
  ),
  FSYNC: choice(
    ['everysec', 'always', 'no'],
    'When visits reach the disk. They survive a killed process in any case, a power cut with always.',
  ),
  COOKIE_NAME: {
    meaning: 'Name of the cookie that carries the device id.',
    preset: 'demdex',
    form: 'letters, digits, - and _',
    read: (value: string) => (/^[\w-]{1,100}$/.test(value) ? value : undefined),
  },
  REGION: integer(7, 1, 255, 'Region id in answers (dcs_region) and in the macro %REGION%.'),
  PROFILE_TTL_DAYS: integer(
    120,
    1,
    3_650,
    'Visitors who were not seen for so many days are forgotten; dead letters are kept no longer.',
  ),
  NEWCOMER_TTL_DAYS: integer(7, 1, 3_650, 'Likewise visitors whose id never came back.'),
  MAX_CALLS_PER_ID: integer(
    6_000,
    0,
    1_000_000_000,
    'Calls a minute with one id; more are answered with errors 306 or 303. 0: no limit.',
  ),
  MAX_CALLS_PER_CLIENT: integer(
    0,
    0,
    1_000_000_000,
    'Calls a minute from one network address; more are answered with 429. 0: no limit.',
  ),
  MAX_WAITING: integer(
    100_000,
    1,
    10_000_000,
    'Visits that may wait for a disk or a Redis that does not take them; more are lost.',
  ),
  OUTBOUND_ALLOW_PRIVATE: choice(
    ['0', '1'],
    'Whether server-to-server destinations may be at private and loopback addresses, and without TLS: 1 for tests.',
  ),
  OUTBOUND_RETRY_HOURS: integer(
    24,
    1,
    720,
    'So long it is tried to deliver a message; then it is a dead letter.',
  ),
  OUTBOUND_EXAMINED_PER_SECOND: integer(
    5_000,
    1,
    1_000_000,
    'Stored visitors that are examined a second, by all processes together, after a rule or a mapping has changed, or since time has passed; as many for an exact count, and for files of everybody by each process. Who comes goes first, at no rate.',
  ),
  OUTBOUND_FOLDER: text(
    '',
    'Folder below which destinations may have files written. Empty: files in DATA_DIR.',
  ),
  DEMO_PORT: integer(0, 0, 65_535, "Port of the demo partner's inbox. 0: the port after PORT."),
  LOG_LEVEL: choice(
    ['warn', 'info', 'error', 'silent'],
    'What is logged, as JSON lines on stderr.',
  ),
} satisfies Record<string, Setting<unknown>>;

export type Config = {
  readonly [Name in keyof typeof SETTINGS]: NonNullable<
    ReturnType<(typeof SETTINGS)[Name]['read']>
  >;
};

/** @throws ConfigError with every setting that is wrong */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const wrong: string[] = [];
  const entries = Object.entries<Setting<unknown>>(SETTINGS).map(([name, setting]) => {
    const given = environment[name];
    const value = setting.read(given === undefined || given === '' ? setting.preset : given);
    if (value === undefined) {
      const shown = name === 'REDIS_URL' ? given?.replace(/\/\/.*@/, '//…@') : given;
      wrong.push(`  ${name}: ${JSON.stringify(shown)} is not possible\n    write ${setting.form}`);
    }
    return [name, value];
  });
  if (wrong.length > 0) throw new ConfigError(`The settings have errors:\n${wrong.join('\n')}`);
  return Object.fromEntries(entries) as Config;
}

export function help(): string {
  const settings = Object.entries<Setting<unknown>>(SETTINGS);
  const width = Math.max(...settings.map(([name]) => name.length)) + 2;
  const lines = settings.map(
    ([name, { preset, meaning }]) =>
      `  ${name.padEnd(width)}${(preset || '-').padEnd(12)}${meaning}`,
  );
  return `Switchyard decides which audience segments a visitor belongs to, and delivers that to destinations.

  npm start              start, with the settings below from the environment
  npm start -- --help    this text

  ${'Setting'.padEnd(width)}${'Default'.padEnd(12)}Meaning
${lines.join('\n')}
`;
}
