/** The courier: brings one message to the partner, as what may be said of its visitors at that moment. */
import { dayOf } from '../../audience/profile.ts';
import type { RealtimeTransfer, ServerDestination } from '../../destinations/destination.ts';
import type { Entry, Sealed, Subject, Unreadable } from '../../store/outbox.ts';
import { type Disclosure, disclose } from '../disclosure.ts';
import type { Endpoint, Reply } from './endpoint.ts';
import { composeMessage } from './message.ts';
import { BearerEndpoint, type BearerReply } from './oauth.ts';
import type { Sending } from './sender.ts';

/** What was said in a message, and what the partner answered. */
export interface Brought {
  readonly disclosures: readonly Disclosure[];
  /** Undefined where nothing of it may be said any more: it was not sent. */
  readonly reply: Reply | BearerReply | undefined;
}

export class Courier {
  readonly #options: Sending;
  readonly #endpoint: Endpoint;
  #bearer: { readonly for: string; readonly endpoint: BearerEndpoint } | undefined;

  constructor(options: Sending, endpoint: Endpoint) {
    this.#options = options;
    this.#endpoint = endpoint;
  }

  /** Undefined while nothing is to be sent. */
  get target(): { destination: ServerDestination; transfer: RealtimeTransfer } | undefined {
    const destination = this.#options.terms().destinations.get(this.#options.id);
    if (!destination?.active || destination.transfer.kind !== 'realtime') return undefined;
    return { destination, transfer: destination.transfer };
  }

  /** The last before anything is sent: afterwards nothing is waited for. Returns why nothing can be, or whom. */
  async look(deviceIds: readonly string[]): Promise<Reply | readonly (Subject | Unreadable)[]> {
    const endpoint = this.target && this.#endpointOf(this.target.transfer);
    const failure = endpoint instanceof BearerEndpoint ? await endpoint.prepare() : undefined;
    return failure ?? this.#options.outbox.look(deviceIds);
  }

  /**
   * @param subjects the visitors of the message, as of now
   * @returns undefined where nothing is to be sent now
   */
  async bring(
    { message, entries }: Sealed,
    subjects: readonly Subject[],
  ): Promise<Brought | undefined> {
    const { target } = this;
    if (!target) return undefined;
    const { destination, transfer } = target;
    const disclosures = this.#disclose(entries, subjects, transfer);
    if (disclosures.length === 0) return { disclosures, reply: undefined };
    const users = disclosures.map(({ user }) => user);
    const { headers, body } = composeMessage(destination, transfer, users, this.#options.now());
    const reply = await this.#endpointOf(transfer).post(
      transfer.endpointUrl,
      // The same each time that it is sent: the partner can tell that it has it already.
      [...headers, ['Idempotency-Key', message]],
      body,
    );
    return { disclosures, reply };
  }

  #disclose(
    entries: readonly Entry[],
    subjects: readonly Subject[],
    { userDataSource }: RealtimeTransfer,
  ): Disclosure[] {
    const { terms, id, region, now } = this.#options;
    const mappings = terms().mappings.get(id) ?? new Map();
    const given = { destination: id, mappings, userDataSource, region, today: dayOf(now()) };
    return entries.flatMap((entry, i) => disclose(entry, subjects[i], given) ?? []);
  }

  #endpointOf({ oauth }: RealtimeTransfer): Endpoint | BearerEndpoint {
    if (!oauth) return this.#endpoint;
    const key = JSON.stringify(oauth);
    if (this.#bearer?.for !== key) {
      this.#bearer = { for: key, endpoint: new BearerEndpoint(this.#endpoint, oauth) };
    }
    return this.#bearer.endpoint;
  }
}
