/**
 * Addresses that messages may go to: the public internet, nothing inside.
 *
 * Whoever may edit a destination could have the server talk to what only the server reaches: its own
 * ports, the network behind it, a cloud's metadata. So where a connection goes is looked at when the
 * connection is made, not only when the destination is saved: a name may mean another address by then.
 */
import dns from 'node:dns';
import net from 'node:net';

/** Source: IANA IPv4 special-purpose address registry; multicast and class E. */
const RESERVED_V4 = blockList('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]);

/**
 * All of IPv6 that is public: loopback, unique local, link-local, multicast, IPv4-mapped addresses and
 * NAT64 are outside.
 */
const GLOBAL_V6 = blockList('ipv6', [['2000::', 3]]);

/** Source: IANA IPv6 special-purpose address registry. 6to4 and Teredo carry an IPv4 address. */
const RESERVED_V6 = blockList('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]);

function blockList(family: 'ipv4' | 'ipv6', subnets: readonly (readonly [string, number])[]) {
  const list = new net.BlockList();
  for (const [address, prefix] of subnets) list.addSubnet(address, prefix, family);
  return list;
}

/** @param address an IPv4 or IPv6 address without brackets */
export function isPublic(address: string): boolean {
  if (net.isIPv4(address)) return !RESERVED_V4.check(address, 'ipv4');
  return (
    net.isIPv6(address) && GLOBAL_V6.check(address, 'ipv6') && !RESERVED_V6.check(address, 'ipv6')
  );
}

/** Names that mean this machine or its own network, wherever they are looked up. */
const INSIDE_NAME = /^[^.]+$|(^|\.)(localhost|local|localdomain|internal|home\.arpa)$/;

/**
 * What is wrong with an address, as far as it can be told without looking its name up.
 *
 * @param allowPrivate `OUTBOUND_ALLOW_PRIVATE`: private addresses and plain http are fine, too
 * @returns undefined where nothing is
 */
export function refusedAddress(
  url: string,
  allowPrivate: boolean,
): { wrong: string; instead: string } | undefined {
  const { protocol, hostname } = URL.parse(url) ?? {};
  const shown = JSON.stringify(url.slice(0, 80));
  if (protocol !== 'https:' && !(allowPrivate && protocol === 'http:')) {
    return {
      wrong: `${shown} is not a secure address`,
      instead: 'write an address that starts with https://, such as https://partner.example/in',
    };
  }
  const host = (hostname ?? '').replace(/^\[|\]$|\.$/g, '').toLowerCase();
  if (allowPrivate || (net.isIP(host) ? isPublic(host) : !INSIDE_NAME.test(host))) return undefined;
  return inside(shown);
}

/** Likewise once it is known which addresses its name leads to. */
export const insideOnly = (url: string, addresses: readonly dns.LookupAddress[]) =>
  addresses.some(({ address }) => isPublic(address))
    ? undefined
    : inside(JSON.stringify(url.slice(0, 80)));

const inside = (shown: string) => ({
  wrong: `${shown} is an address inside a network, not of the internet`,
  instead: `write the partner's public address; the operator can allow others (${SETTING})`,
});

const SETTING = 'OUTBOUND_ALLOW_PRIVATE=1';

/** As `dns.lookup`. */
export type Resolve = (
  hostname: string,
  options: dns.LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void,
) => void;

/**
 * Looks names up, each once at a time, whoever asks: a look-up that hangs holds one of the process's threads
 * (`LOOKUP_THREADS`), and a name that hangs is to hold no more than one.
 */
export class Names {
  readonly #resolve: Resolve;
  readonly #underWay = new Map<string, Promise<dns.LookupAddress[]>>();

  /** @param resolve the name service; the system's */
  constructor(resolve: Resolve = dns.lookup) {
    this.#resolve = resolve;
  }

  lookUp(hostname: string, options: dns.LookupOptions): Promise<dns.LookupAddress[]> {
    const key = `${hostname} ${options.family ?? 0} ${options.hints ?? 0}`;
    let looking = this.#underWay.get(key);
    if (!looking) {
      looking = new Promise((answer, refuse) => {
        this.#resolve(hostname, { ...options, all: true }, (error, addresses) => {
          this.#underWay.delete(key);
          if (error) refuse(error);
          else answer(addresses);
        });
      });
      this.#underWay.set(key, looking);
    }
    return looking;
  }
}

const OF_THE_SYSTEM = new Names();

/**
 * Threads of a process that delivers. Node looks names up in at most half of them, four if nobody says
 * otherwise: then two names that hang would hold up all others.
 */
export const LOOKUP_THREADS = 64;

/**
 * Looks names up for connections, at each of them, and leaves out what is not public; where nothing else is
 * left, the connection is not made.
 */
export function guardedLookup(allowPrivate: boolean, names = OF_THE_SYSTEM): net.LookupFunction {
  return (hostname, options, callback) => {
    names.lookUp(hostname, options).then(
      (addresses) => {
        const allowed = addresses.filter(({ address }) => allowPrivate || isPublic(address));
        if (allowed.length === 0) {
          callback(insideError(hostname, addresses), options.all ? [] : '');
        } else if (options.all) callback(null, allowed);
        else callback(null, allowed[0].address, allowed[0].family);
      },
      (error) => callback(error, options.all ? [] : ''),
    );
  };
}

const insideError = (hostname: string, addresses: readonly dns.LookupAddress[]) =>
  new Error(
    `${hostname} leads to ${addresses.map(({ address }) => address).join(', ') || 'no address'}, ` +
      `which is inside a network, not of the internet (the operator can allow it: ${SETTING})`,
  );
