/**
 * What each route below `/v1` needs, by its noun: the first part of the path. This is the one place
 * that says it; what is not here is refused to everybody.
 */
import type { Role } from './caller.ts';

interface Access {
  /** To read. */
  readonly look: Role;
  /** To do anything else. */
  readonly change: Role;
  /** To ask by a POST that changes nothing. */
  readonly ask?: Role;
  /** To see what a POST or PUT with `dryRun=true` would do. */
  readonly trial?: Role;
}

const KEPT: Access = { look: 'viewer', change: 'editor' };
const TRIED: Access = { ...KEPT, trial: 'viewer' };
const ASKED: Access = { ...KEPT, ask: 'viewer' };
const GUARDED: Access = { look: 'admin', change: 'admin' };
/** One's own. */
const OWN: Access = { look: 'viewer', change: 'viewer' };

const ACCESS: ReadonlyMap<string, Access> = new Map([
  ['destinations', TRIED],
  ['traits', TRIED],
  ['segments', TRIED],
  ['datasources', TRIED],
  ['folders', TRIED],
  ['sites', TRIED],
  ['consent', KEPT],
  ['import', TRIED],
  // It has the secrets, too: without them, it could not be put back.
  ['export', { look: 'editor', change: 'editor' }],
  ['openapi.json', KEPT],
  ['trace', ASKED],
  ['preview', ASKED],
  ['trials', ASKED],
  // Whoever may ask may think better of it.
  ['estimates', OWN],
  ['activity', KEPT],
  ['nodes', KEPT],
  ['drafts', KEPT],
  ['reports', KEPT],
  ['deliveries', KEPT],
  ['calls', KEPT],
  ['signals', KEPT],
  ['session', OWN],
  ['people', GUARDED],
  ['keys', GUARDED],
]);

/** Methods that change nothing. */
export const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD';

/** `/v1/people/anna` → `people`. */
export const nounOf = (path: string): string => path.split('/', 3)[2] ?? '';

/**
 * The role that a call needs; undefined where nobody may make it.
 *
 * @param path from `/v1` on, decoded
 * @param isTrial whether it says that nothing is to be saved
 */
export function needed(method: string, path: string, isTrial: boolean): Role | undefined {
  const access = ACCESS.get(nounOf(path));
  if (!access) return undefined;
  if (isSafe(method)) return access.look;
  if (isTrial && access.trial && (method === 'POST' || method === 'PUT')) return access.trial;
  if (access.ask && method === 'POST') return access.ask;
  return access.change;
}
