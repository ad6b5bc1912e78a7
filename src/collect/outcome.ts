/** What two accounts make of the same recorded calls. */
import type { Snapshot } from '../account/snapshot.ts';
import type { Recent } from '../store/registry.ts';
import type { CallSettings } from './call.ts';
import { decide } from './decision.ts';
import { type RecordedCall, type ReplayOptions, replay } from './recorded-call.ts';

/** What an account makes of some calls. */
export class Outcome {
  /** How often each destination was called, by id: each URL, each cookie, each message to a server. */
  readonly called = new Map<number, number>();
  /** URL calls, of all and of the one that had most. */
  pixels = 0;
  maxPixels = 0;

  /** Decides a call as it would be decided then. */
  add(
    recorded: Recent<RecordedCall>,
    snapshot: Snapshot,
    settings: CallSettings & { readonly region: number },
    options?: ReplayOptions,
  ): void {
    const { call, deviceId, profile } = replay(recorded, snapshot, settings, options);
    if (call.disregarded) return;
    const others = new Set<number>();
    const { urls } = decide(
      snapshot,
      call,
      deviceId,
      profile,
      settings.region,
      (d, _sid, reason) => {
        const isCalled = d.kind === 'server' ? reason === 'later' : reason === 'delivered';
        if (d.kind !== 'url' && isCalled) others.add(d.id);
      },
    );
    for (const id of others) this.#count(id);
    for (const { destination } of urls) this.#count(destination.id);
    this.pixels += urls.length;
    this.maxPixels = Math.max(this.maxPixels, urls.length);
  }

  #count(id: number): void {
    this.called.set(id, (this.called.get(id) ?? 0) + 1);
  }
}
