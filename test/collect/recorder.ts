/** A collector that records its calls, over a registry of its own. */
import { afterAll, expect, vi } from 'vitest';
import { type RecordedCall, recordedCalls } from '../../src/collect/recorded-call.ts';
import { Recording } from '../../src/collect/recording.ts';
import { RegistryFile } from '../../src/store/embedded/registry-file.ts';
import type { Recent } from '../../src/store/registry.ts';
import { temporaryFolder } from '../server.ts';
import { Collector, type CollectorOptions, embeddedStore } from './collector.ts';

/** Short: that a second passes between one write and the next is not what tests are about. */
export const REST_MS = 50;

export class RecordingCollector extends Collector {
  readonly folder: string;
  readonly registry: RegistryFile;
  readonly recording: Recording;

  /** @param folder of the registry; another one's, to share it */
  constructor(options: CollectorOptions = {}, folder = temporaryFolder()) {
    const { store = embeddedStore() } = options;
    const registry = new RegistryFile(folder);
    const recording = new Recording(registry, store, REST_MS);
    super({ ...options, store, registry, recording });
    this.folder = folder;
    this.registry = registry;
    this.recording = recording;
    afterAll(async () => {
      await recording.close();
      await registry.close();
    });
  }

  /** The newest first. */
  recorded(): Promise<Recent<RecordedCall>[]> {
    return recordedCalls(this.registry);
  }

  /** What is recorded when so many calls are, the newest first. */
  async written(count: number): Promise<Recent<RecordedCall>[]> {
    return vi.waitFor(
      async () => {
        const calls = await this.recorded();
        expect(calls).toHaveLength(count);
        return calls;
      },
      { timeout: 25_000 },
    );
  }
}
