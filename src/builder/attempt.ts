/**
 * How often somebody may try a password. Every attempt counts before it is made, on all servers
 * together, so that a hundred at the same moment are no more than the limit lets through. After the
 * free ones each waits twice as long as the one before.
 *
 * What is counted:
 * - of a browser that the person has logged in with before: its own attempts, and nothing else. So
 *   whatever others try elsewhere, it is let in;
 * - of any other: those for the name from this network address; those from this address, so that
 *   nobody tries one password on everybody; and those for the name from everywhere, so that many
 *   addresses are of no use.
 *
 * A new password from an admin starts the count of the name anew. All of it is the same for names
 * that nobody has.
 */
import { createHash, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { type Registry, revise } from '../store/registry.ts';
import { BuilderCookie } from './cookie.ts';

/** Attempts that may fail before the next one has to wait. */
const FREE = { browser: 5, pair: 5, address: 30, name: 50 } as const;
const MAX_WAIT_MS = 15 * 60_000;
/** As long after the last attempt all of them are forgotten. */
const FORGET_MS = 24 * 3_600_000;
/** As long after the last time that it logged in, a browser is known. */
const KNOWN_MS = 90 * 24 * 3_600_000;
/** Attempts of unknown browsers that one process works on at the same time. */
const MAX_OPEN = 50;

/** Whoever tries has to wait. */
export class TooManyAttempts extends Error {
  /** Seconds, for `Retry-After`. */
  readonly seconds: number;

  constructor(milliseconds: number) {
    super('too many attempts');
    this.seconds = Math.ceil(milliseconds / 1_000);
  }
}

/** Who tries. */
export interface Trier {
  readonly name: string;
  /** Network address. */
  readonly address: string;
  /** What the browser was given when somebody last logged in with it. */
  readonly browser: string | undefined;
}

interface Tally {
  readonly failures: number;
  /** When the next attempt may be made, in Unix milliseconds. */
  readonly until: number;
}

const NONE: Tally = { failures: 0, until: 0 };

export class Attempts {
  readonly #registry: Registry;
  #open = 0;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /**
   * @param attempt undefined where it failed; where it throws, it does not count
   * @throws TooManyAttempts, without having tried
   */
  async make<Result>(
    trier: Trier,
    attempt: () => Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    const isKnown = await this.#knows(trier);
    if (!isKnown && this.#open >= MAX_OPEN) throw new TooManyAttempts(1_000);
    this.#open++;
    const taken: Taken[] = [];
    let isFailure = false;
    try {
      const tallies = isKnown ? [browserTally(trier)] : unknownTallies(trier);
      // What has to wait anyway writes nothing.
      await Promise.all(tallies.map(async ({ id }) => wait(await this.#tally(id))));
      for (const tally of tallies) taken.push(await this.#take(tally));
      const result = await attempt();
      isFailure = result === undefined;
      return result;
    } finally {
      this.#open--;
      if (!isFailure) await Promise.all(taken.map((one) => this.#giveBack(one)));
    }
  }

  /**
   * Makes a browser one that is known for a name.
   *
   * @returns what the browser keeps
   */
  async know({ name, address, browser }: Trier): Promise<string> {
    const isKnown = await this.#knows({ name, address, browser });
    const token = isKnown && browser ? browser : randomBytes(32).toString('base64url');
    const { id } = browserTally({ name, address, browser: token });
    await this.#registry.put('attempt', id, NONE, { ttl: KNOWN_MS });
    // Whoever gets in by the name and from the address has not guessed.
    await this.#registry.remove('attempt', pairTally({ name, address }).id);
    return token;
  }

  /** Starts the count of a name anew. */
  async forgive(name: string): Promise<void> {
    await this.#registry.remove('attempt', nameTally({ name }).id);
  }

  async #tally(id: string): Promise<Tally | undefined> {
    return (await this.#registry.get<Tally>('attempt', id))?.value;
  }

  async #knows(trier: Trier): Promise<boolean> {
    return trier.browser !== undefined && (await this.#tally(browserTally(trier).id)) !== undefined;
  }

  async #take(tally: TallyOf): Promise<Taken> {
    const { id, free, ttl } = tally;
    let until = 0;
    const put = await revise<Tally>(
      this.#registry,
      'attempt',
      id,
      (before = NONE) => {
        wait(before);
        const failures = before.failures + 1;
        until = failures < free ? 0 : Date.now() + waitAfter(failures - free);
        return { failures, until };
      },
      ttl,
    );
    return { ...tally, until: put?.until ?? 0 };
  }

  async #giveBack({ id, free, ttl, until }: Taken): Promise<void> {
    await revise<Tally>(
      this.#registry,
      'attempt',
      id,
      (before) => {
        if (!before || before.failures === 0) return undefined;
        const failures = before.failures - 1;
        const isOwn = before.until === until;
        return { failures, until: failures < free || isOwn ? 0 : before.until };
      },
      ttl,
    );
  }
}

/** The cookie by which a browser is known. */
export const browserCookie = new BuilderCookie(
  '__Host-switchyard-browser',
  'switchyard_browser',
  KNOWN_MS / 1_000,
);

interface TallyOf {
  readonly id: string;
  readonly free: number;
  readonly ttl: number;
}

interface Taken extends TallyOf {
  /** What it made the next attempt wait for. */
  readonly until: number;
}

function wait(tally: Tally | undefined): void {
  const left = (tally?.until ?? 0) - Date.now();
  if (left > 0) throw new TooManyAttempts(left);
}

const waitAfter = (failures: number) => Math.min(1_000 * 2 ** failures, MAX_WAIT_MS);

const browserTally = ({ name, browser }: Trier) => tallyOf('browser', [name, browser], KNOWN_MS);
const pairTally = ({ name, address }: Omit<Trier, 'browser'>) =>
  tallyOf('pair', [name, blockOf(address)]);
const addressTally = ({ address }: Trier) => tallyOf('address', [blockOf(address)]);
const nameTally = ({ name }: { name: string }) => tallyOf('name', [name]);

const unknownTallies = (trier: Trier) => [pairTally(trier), addressTally(trier), nameTally(trier)];

/** By a hash: what somebody types for a name may be a password. */
function tallyOf(of: keyof typeof FREE, parts: readonly unknown[], ttl = FORGET_MS): TallyOf {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
  return { id: `${of} ${hash}`, free: FREE[of], ttl };
}

/**
 * What one client has of addresses: of IPv6 a whole /64.
 *
 * @example
 * blockOf('::ffff:192.0.2.1') // 192.0.2.1
 * blockOf('2001:db8::1') // 2001:db8:0:0
 */
export function blockOf(address: string): string {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address);
  if (mapped) return mapped[1];
  const [bare] = address.split('%', 1);
  if (isIP(bare) !== 6) return address;
  // In one form, with all groups of a number each.
  const text = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [head, tail] = text.split('::').map((part) => part.split(':').filter(Boolean));
  const groups = [
    ...head,
    ...Array(8 - head.length - (tail?.length ?? 0)).fill('0'),
    ...(tail ?? []),
  ];
  return groups.slice(0, 4).join(':');
}
