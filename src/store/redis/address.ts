/** Where Redis is, as `REDIS_URL` says it. */

export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Name of the primary, as the Sentinels call it. */
  readonly primary?: string;
  readonly db: number;
}

const FORM =
  /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(?:\/([^?#]*))?$/;

/**
 * Reads an address: `redis://[USER:PASSWORD@]HOST:PORT[/DB]`,
 * `redis+sentinel://[…@]HOST:PORT,HOST:PORT/PRIMARY[/DB]`, `redis+cluster://[…@]HOST:PORT,HOST:PORT`;
 * with `rediss` for TLS. Undefined if it is none.
 */
export function readRedisAddress(text: string): RedisAddress | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [, scheme, kind = 'single', user, password, list, path = ''] = match;
  const hosts = list.split(',').map((item) => {
    const [, host, port] = /^(\[[\da-fA-F:]+\]|[\w.-]+)(?::(\d{1,5}))?$/.exec(item) ?? [];
    const preset = kind === 'sentinel' ? 26379 : 6379;
    return { host: host?.replace(/^\[|\]$/g, ''), port: port ? Number(port) : preset };
  });
  if (hosts.some(({ host, port }) => !host || port === 0 || port > 65_535)) return undefined;
  const parts = path === '' ? [] : path.split('/');
  const primary = kind === 'sentinel' ? parts.shift() : undefined;
  const db = parts[0] ?? '0';
  const isWhole = parts.length <= 1 && /^\d{1,4}$/.test(db);
  if (!isWhole || (kind === 'sentinel' && !primary) || (kind === 'cluster' && path !== '')) {
    return undefined;
  }
  if (kind === 'single' && hosts.length > 1) return undefined;
  const [username, given] = [user, password].map((encoded) => encoded && decoded(encoded));
  if (username === false || given === false) return undefined;
  return {
    kind: kind as RedisAddress['kind'],
    tls: scheme === 'rediss',
    username: username || undefined,
    password: given || undefined,
    hosts,
    primary,
    db: Number(db),
  };
}

function decoded(text: string): string | false {
  try {
    return decodeURIComponent(text);
  } catch {
    return false;
  }
}

/** The address in words, without user and password. */
export const inWords = ({ kind, hosts, primary }: RedisAddress): string =>
  `Redis ${kind === 'single' ? '' : `${kind} `}${primary ? `${primary} ` : ''}at ${hosts.map(({ host, port }) => `${host}:${port}`).join(', ')}`;
