/**
 * The screening of server-to-server destinations before they are saved: where they lead. That a name leads
 * elsewhere later is seen at each connection (`address.ts`); an account that is in force stays so.
 */
import dns from 'node:dns/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Problem } from '../account/problem.ts';
import { insideOnly, refusedAddress } from './address.ts';

/** A name server that does not answer keeps nothing from being saved. */
const PATIENCE_MS = 1_000;
const AT_ONCE = 20;

/** Looks at those that lead elsewhere than before. */
export type Screening = (document: object, before: object | undefined) => Promise<Problem[]>;

interface Lead {
  readonly path: string;
  readonly url: string;
}

/** @param allowPrivate `OUTBOUND_ALLOW_PRIVATE` */
export const screening =
  (allowPrivate: boolean): Screening =>
  async (document, before) => {
    const known = new Set(leadsOf(before ?? {}).map(({ url }) => url));
    const leads = leadsOf(document).filter(({ url }) => !known.has(url));
    const problems: Problem[] = [];
    for (let i = 0; i < leads.length; i += AT_ONCE) {
      const found = await Promise.all(
        leads.slice(i, i + AT_ONCE).map(async ({ path, url }) => {
          const refused =
            refusedAddress(url, allowPrivate) ?? (await leadsInside(url, allowPrivate));
          return refused ? [{ path, ...refused }] : [];
        }),
      );
      problems.push(...found.flat());
    }
    return problems;
  };

async function leadsInside(url: string, allowPrivate: boolean) {
  const hostname = URL.parse(url)?.hostname;
  if (allowPrivate || !hostname) return undefined;
  const looking = dns.lookup(hostname, { all: true }).catch(() => []);
  const addresses = await Promise.race([looking, pause(PATIENCE_MS, [], { ref: false })]);
  return addresses.length > 0 ? insideOnly(url, addresses) : undefined;
}

/** Whatever a document is: what is wrong with its form is said elsewhere. */
function leadsOf(document: object): Lead[] {
  const { destinations } = document as { destinations?: unknown };
  if (!Array.isArray(destinations)) return [];
  return destinations.flatMap((destination, i) => {
    if (destination?.destinationType !== 'S2S') return [];
    const fields: [string, unknown][] =
      destination.transfer === 'file'
        ? [
            ['target', hostOfSftp(destination.target)],
            ['endpoint', destination.endpoint],
          ]
        : [
            ['endpointUrl', destination.endpointUrl],
            ['oauth.tokenUrl', destination.oauth?.tokenUrl],
          ];
    return fields.flatMap(([field, url]) =>
      typeof url === 'string' && url !== '' ? [{ path: `destinations[${i}].${field}`, url }] : [],
    );
  });
}

/** SSH is as secure as https; only where it leads is looked at. */
function hostOfSftp(target: unknown): string | undefined {
  const url = typeof target === 'string' && /^sftp:/i.test(target) ? URL.parse(target) : null;
  return url ? `https://${url.hostname}` : undefined;
}
