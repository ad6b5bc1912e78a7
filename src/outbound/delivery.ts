/**
 * Delivery: everything that one process does for server-to-server destinations. Any number of processes
 * may do it together: each works on the shards and the queues that it has leased.
 */
import { inTurns } from '../account/turns.ts';
import { dayOf } from '../audience/profile.ts';
import type { Outbox } from '../store/outbox.ts';
import type { Registry } from '../store/registry.ts';
import { Examiner, type InForce } from './examiner.ts';
import { obey } from './order.ts';
import { passes } from './pass.ts';
import { Sender } from './sender.ts';
import { termsOf } from './terms.ts';

export interface DeliveryOptions {
  readonly outbox: Outbox;
  readonly registry: Registry;
  readonly rate: number;
  readonly allowPrivate: boolean;
  readonly retryHours: number;
  readonly region: number;
  readonly report: (message: string, error: unknown) => void;
}
