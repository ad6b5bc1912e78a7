/**
 * Everybody of a kind in one record: so what must hold of all of them, that one is an admin or that
 * no name is there twice, holds at every moment, whoever changes what on whichever server.
 */
import { type Registry, revise } from '../store/registry.ts';

/** What the list of activities holds of such a change. */
export interface RollActivity {
  /** Who made it. */
  readonly by: string;
  readonly what: 'people' | 'keys';
  /** What it changed, a line each. */
  readonly changes: readonly string[];
}

export interface Edit<Entry> {
  readonly entries: readonly Entry[];
  /** Whom it is about. */
  readonly about: string;
  /** For the list of activities; none: nothing that anybody needs to know. */
  readonly changes: readonly string[];
}

const KINDS = { people: 'person', keys: 'key' } as const;
const ALL = 'all';
/** So many of the changes of people and keys are remembered. */
export const KEPT_ACTIVITIES = 1_000;

export class Roll<Entry> {
  readonly #registry: Registry;
  readonly #what: keyof typeof KINDS;

  constructor(registry: Registry, what: keyof typeof KINDS) {
    this.#registry = registry;
    this.#what = what;
  }

  async all(): Promise<readonly Entry[]> {
    return (await this.#registry.get<Entry[]>(KINDS[this.#what], ALL))?.value ?? [];
  }

  /**
   * @param make is called again where somebody else was faster; what it throws is passed on, and
   *   where it returns undefined all stays as it is
   * @returns what was done
   */
  async edit(
    by: string,
    make: (entries: readonly Entry[]) => Edit<Entry> | undefined,
  ): Promise<Edit<Entry> | undefined> {
    let edit: Edit<Entry> | undefined;
    await revise<readonly Entry[]>(this.#registry, KINDS[this.#what], ALL, (entries = []) => {
      edit = make(entries);
      return edit?.entries;
    });
    if (!edit || edit.changes.length === 0) return edit;
    const value: RollActivity = { by, what: this.#what, changes: edit.changes };
    const activity = { at: Date.now(), owner: edit.about, value };
    await this.#registry.append('activity', [activity], KEPT_ACTIVITIES);
    return edit;
  }
}
