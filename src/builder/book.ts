/** The account under edit: every change is checked as a whole, and made from what is in force. */
import { differencesInTurns, shortened } from '../account/difference.ts';
import { meaningOf } from '../account/document.ts';
import { AccountError } from '../account/problem.ts';
import { Readings } from '../account/readings.ts';
import { compileAccountInTurns, type Snapshot } from '../account/snapshot.ts';
import { type UsedIds, usedIds } from '../account/used-ids.ts';
import type { Screening } from '../outbound/screening.ts';
import {
  AccountConflict,
  type AccountStore,
  type Past,
  type SavedAccount,
} from '../store/store.ts';

/** An account document, as far as it is edited: lists of entries by name. */
export type Document = Readonly<Record<string, unknown>>;

/** Makes the next document from the one in force, whose revision it is told, and which ids are used up. */
export type Edit = (document: Document, revision: number, used: UsedIds) => Document;

/** What an edit would put in force. */
export interface Checked {
  readonly document: Document;
  readonly snapshot: Snapshot;
  /** Of the document that it was made from. */
  readonly revision: number;
}

/** An edit that is in force. */
export interface Edited extends SavedAccount {
  /** What it changed, a line each; `origin` has the first of them. */
  readonly differences: readonly string[];
}

/** A document that others may save at the same moment is made anew so often. */
const MAX_TRIES = 20;

export class AccountBook {
  readonly #accounts: AccountStore;
  readonly #initial: () => Promise<unknown>;
  readonly #screen: Screening;
  readonly #readings = new Readings();
  #last: SavedAccount | undefined;
  #history: { readonly revision: number; readonly past: readonly Past[] } | undefined;
  #compiled: { readonly revision: number; readonly snapshot: Snapshot } | undefined;
  /** Edits of this process go one after the other; only those of others can be in the way. */
  #edits: Promise<unknown> = Promise.resolve();

  /**
   * @param initial the document where none has ever been saved
   * @param screen looks at what is in no document before it is saved: where destinations lead
   */
  constructor(
    accounts: AccountStore,
    initial: () => Promise<unknown>,
    screen: Screening = async () => [],
  ) {
    this.#accounts = accounts;
    this.#initial = initial;
    this.#screen = screen;
  }

  /** The revision that was saved last. */
  revision(): Promise<number> {
    return this.#accounts.revision();
  }

  /** What is in force, or will be in a moment. */
  async current(): Promise<SavedAccount> {
    const revision = await this.#accounts.revision();
    if (this.#last?.revision === revision) return this.#last;
    const saved = await this.#accounts.load();
    this.#last = saved ?? (await this.#demo());
    return this.#last;
  }

  /** Who saved the account when, and what that changed, newest first. */
  async history(): Promise<readonly Past[]> {
    const revision = await this.revision();
    if (this.#history?.revision !== revision) {
      this.#history = { revision, past: await this.#accounts.history() };
    }
    return this.#history.past;
  }

  /** What was in force right before a revision was saved; undefined where it is not kept (any more). */
  async before(revision: number): Promise<SavedAccount | undefined> {
    const saved = await this.#accounts.load(revision - 1);
    if (saved || revision > 1) return saved;
    const first = (await this.history()).find((past) => past.revision === revision);
    return first?.origin.isDemo ? this.#demo() : undefined;
  }

  /**
   * Takes note of an account that is in force now, so that it is not read and compiled twice.
   *
   * @returns what it was compiled to, where it was saved here
   */
  takeOver(saved: SavedAccount): Snapshot | undefined {
    const compiled = this.#compiled;
    this.#compiled = undefined;
    if (compiled?.revision === saved.revision) return compiled.snapshot;
    // Where nobody edits, nobody needs the document.
    if (this.#last && this.#last.revision < saved.revision) this.#last = saved;
    return undefined;
  }

  /**
   * Saves what an edit makes of the document in force.
   *
   * @param edit is given the document and its revision, and called again where somebody else was
   *   faster; what it throws is passed on
   * @param isNew whether nothing of the one before is left
   * @throws AccountError where the document would be wrong; nothing is saved then
   */
  edit(by: string, edit: Edit, isNew = false): Promise<Edited> {
    const edited = this.#edits.then(() => this.#edit(by, edit, isNew));
    this.#edits = edited.catch(() => undefined);
    return edited;
  }

  /** Checks what an edit makes of the document in force, and saves nothing. */
  async check(edit: Edit): Promise<Checked> {
    const { document: before, revision, origin } = await this.current();
    const document = edit(before as Document, revision, usedIds(origin.usedIds, before));
    const snapshot = await this.#compile(document, before as Document);
    return { document, snapshot, revision };
  }

  async #compile(document: Document, before: Document): Promise<Snapshot> {
    const snapshot = await compileAccountInTurns(document, this.#readings);
    const problems = await this.#screen(document, before);
    if (problems.length > 0) throw new AccountError(problems);
    return snapshot;
  }

  async #demo(): Promise<SavedAccount> {
    const origin = { at: 0, by: 'the demo', isDemo: true };
    return { revision: 0, document: await this.#initial(), origin };
  }

  async #edit(by: string, edit: Edit, isNew: boolean): Promise<Edited> {
    for (let tries = 1; ; tries++) {
      const before = await this.current();
      const used = usedIds(before.origin.usedIds, before.document);
      const document = edit(before.document as Document, before.revision, used);
      const snapshot = await this.#compile(document, before.document as Document);
      const differences = await differencesInTurns(
        before.document as Document,
        document,
        meaningOf,
      );
      const { file, isDemo } = before.origin;
      const changes = shortened(differences);
      const origin = {
        file,
        isDemo: isDemo && !isNew,
        at: Date.now(),
        by,
        changes,
        usedIds: usedIds(used, document),
      };
      try {
        const revision = await this.#accounts.save(document, origin, before.revision);
        this.#last = { revision, document, origin };
        this.#compiled = { revision, snapshot };
        return { ...this.#last, differences };
      } catch (error) {
        if (!(error instanceof AccountConflict) || tries === MAX_TRIES) throw error;
      }
    }
  }
}
