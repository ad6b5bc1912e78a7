/** The account under edit: every change is checked as a whole, and made from what is in force. */
import { differencesInTurns, shortened } from '../account/difference.ts';
import { compileAccountInTurns } from '../account/snapshot.ts';
import { AccountConflict, type AccountStore, type SavedAccount } from '../store/store.ts';

/** An account document, as far as it is edited: lists of entries by name. */
export type Document = Readonly<Record<string, unknown>>;

/** Makes a document of the one in force. */
export type Edit = (document: Document, revision: number) => Document;

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
  #last: SavedAccount | undefined;
  /** Edits of this process go one after the other; only those of others can be in the way. */
  #edits: Promise<unknown> = Promise.resolve();

  /** @param initial the document where none has ever been saved */
  constructor(accounts: AccountStore, initial: () => Promise<unknown>) {
    this.#accounts = accounts;
    this.#initial = initial;
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

  async #edit(by: string, edit: Edit, isNew: boolean): Promise<Edited> {
    for (let tries = 1; ; tries++) {
      const before = await this.current();
      const document = edit(before.document as Document, before.revision);
      await compileAccountInTurns(document);
      const differences = await differencesInTurns(before.document as Document, document);
      const { file, isDemo } = before.origin;
      const changes = shortened(differences);
      const origin = { file, isDemo: isDemo && !isNew, at: Date.now(), by, changes };
      try {
        const revision = await this.#accounts.save(document, origin, before.revision);
        this.#last = { revision, document, origin };
        return { ...this.#last, differences };
      } catch (error) {
        if (!(error instanceof AccountConflict) || tries === MAX_TRIES) throw error;
      }
    }
  }
}
