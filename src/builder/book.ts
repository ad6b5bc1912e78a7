/** The account under edit: every change is checked as a whole, and made from what is in force. */
import { Readings } from '../account/readings.ts';
import { compileAccountInTurns, type Snapshot } from '../account/snapshot.ts';
import { AccountConflict, type AccountStore, type SavedAccount } from '../store/store.ts';

/** An account document, as far as it is edited: lists of entries by name. */
export type Document = Readonly<Record<string, unknown>>;

/** Makes the next document from the one in force, whose revision it is told. */
export type Edit = (document: Document, revision: number) => Document;

/** What an edit would put in force. */
export interface Checked {
  readonly document: Document;
  readonly snapshot: Snapshot;
  /** Of the document that it was made from. */
  readonly revision: number;
}

/** A document that others may save at the same moment is made anew so often. */
const MAX_TRIES = 20;

export class AccountBook {
  readonly #accounts: AccountStore;
  readonly #initial: () => Promise<unknown>;
  readonly #readings = new Readings();
  #last: SavedAccount | undefined;
  #compiled: { readonly revision: number; readonly snapshot: Snapshot } | undefined;
  /** Edits of this process go one after the other; only those of others can be in the way. */
  #edits: Promise<unknown> = Promise.resolve();

  /** @param initial the document where none has ever been saved */
  constructor(accounts: AccountStore, initial: () => Promise<unknown>) {
    this.#accounts = accounts;
    this.#initial = initial;
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
    this.#last = saved ?? {
      revision: 0,
      document: await this.#initial(),
      origin: { at: 0, by: 'the demo', isDemo: true },
    };
    return this.#last;
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
   * @param edit is called again where somebody else was faster; what it throws is passed on
   * @param isNew whether nothing of the one before is left
   * @throws AccountError where the document would be wrong; nothing is saved then
   */
  edit(by: string, edit: Edit, isNew = false): Promise<SavedAccount> {
    const edited = this.#edits.then(() => this.#edit(by, edit, isNew));
    this.#edits = edited.catch(() => undefined);
    return edited;
  }

  /** Checks what an edit makes of the document in force, and saves nothing. */
  async check(edit: Edit): Promise<Checked> {
    const { document: before, revision } = await this.current();
    const document = edit(before as Document, revision);
    const snapshot = await compileAccountInTurns(document, this.#readings);
    return { document, snapshot, revision };
  }

  async #edit(by: string, edit: Edit, isNew: boolean): Promise<SavedAccount> {
    for (let tries = 1; ; tries++) {
      const before = await this.current();
      const document = edit(before.document as Document, before.revision);
      const snapshot = await compileAccountInTurns(document, this.#readings);
      const { file, isDemo } = before.origin;
      const origin = { file, isDemo: isDemo && !isNew, at: Date.now(), by };
      try {
        const revision = await this.#accounts.save(document, origin, before.revision);
        this.#last = { revision, document, origin };
        this.#compiled = { revision, snapshot };
        return this.#last;
      } catch (error) {
        if (!(error instanceof AccountConflict) || tries === MAX_TRIES) throw error;
      }
    }
  }
}
