/** The people who may use the builder, and how they prove who they are. */
import { randomBytes } from 'node:crypto';
import type { Registry } from '../store/registry.ts';
import type { Role } from './caller.ts';
import { hashOf, isPassword, isWeak, oneTimePassword } from './password.ts';
import { RestError, unknown } from './request.ts';
import { type Edit, Roll } from './roll.ts';

export interface Person {
  /** In lower case. */
  readonly name: string;
  readonly role: Role;
  /** Unix milliseconds. */
  readonly createTime: number;
  /** A hash. */
  readonly password: string;
  /** Where the password was made by others: it lets in once, to write one of one's own. */
  readonly oneTime?: {
    /** Unix milliseconds. */
    readonly until: number;
    readonly isUsed: boolean;
  };
  /** Changes with password and role: sessions that were begun in another one are over. */
  readonly era: string;
}

const ONE_TIME_MS = 7 * 86_400_000;
/** Every call of a session reads the whole roll. */
const MAX_PEOPLE = 500;
/** Longer than anybody asks when somebody was seen last. */
const SEEN_MS = 400 * 86_400_000;

/**
 * An e-mail address or a short name, in lower case. No space, so that nobody is called as a key is;
 * nor as anything else that makes changes.
 */
export const NAME = /^(?!(?:admin_token|account_file)$)[a-z0-9][a-z0-9._@+-]{0,99}$/;

export const nameOf = (text: string): string => text.trim().toLowerCase();

export class People {
  readonly #registry: Registry;
  readonly #roll: Roll<Person>;
  #first: { person: Person; password: string } | undefined;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#roll = new Roll(registry, 'people');
  }

  all(): Promise<readonly Person[]> {
    return this.#roll.all();
  }

  async find(name: string): Promise<Person | undefined> {
    return (await this.all()).find((person) => person.name === name);
  }

  /**
   * Makes the first admin where there is nobody at all. Where the registry cannot be written now, it
   * is called again: what it said it could not write may be written all the same.
   *
   * @returns their one-time password, to the one of all servers that made them
   */
  async first(): Promise<string | undefined> {
    if (!this.#first && (await this.all()).length > 0) return undefined;
    this.#first ??= await newcomer('admin', 'admin');
    const { person, password } = this.#first;
    await this.#roll.edit('the first start', (people) =>
      people.length > 0
        ? undefined
        : { entries: [person], about: person.name, changes: ['+ people admin (admin)'] },
    );
    const admin = await this.find(person.name);
    return admin?.password === person.password ? password : undefined;
  }

  /** Returns a one-time password. */
  async add(by: string, name: string, role: Role): Promise<{ person: Person; password: string }> {
    const taken = () => {
      const instead = 'write another name, or change that person';
      return new RestError(409, { path: 'name', wrong: `${name} is there already`, instead });
    };
    if (await this.find(name)) throw taken();
    const made = await newcomer(name, role);
    await this.#edit(by, (people) => {
      if (people.some((person) => person.name === name)) throw taken();
      if (people.length >= MAX_PEOPLE) {
        const wrong = `there are ${MAX_PEOPLE} people already`;
        throw new RestError(409, { path: '(people)', wrong, instead: 'remove somebody first' });
      }
      const entries = [...people, made.person].sort((a, b) => (a.name < b.name ? -1 : 1));
      return { entries, about: name, changes: [`+ people ${name} (${role})`] };
    });
    return made;
  }

  /** Ends their sessions: what they may do is told when they log in. */
  async setRole(by: string, name: string, role: Role): Promise<Person> {
    return this.#change(by, name, (person) => {
      if (person.role === role) return { person, changes: [] };
      const changes = [`~ people ${name}`, `    role: ${person.role} → ${role}`];
      return { person: { ...person, role, era: newEra() }, changes };
    });
  }

  async remove(by: string, name: string): Promise<void> {
    await this.#edit(by, (people) => {
      const entries = people.filter((person) => person.name !== name);
      if (entries.length === people.length) throw unknown('person', name);
      return { entries, about: name, changes: [`- people ${name}`] };
    });
    await this.#registry.remove('person', seenId(name));
  }

  /** Takes somebody's password away. Returns a one-time password for them. */
  async renewPassword(by: string, name: string): Promise<string> {
    if (!(await this.find(name))) throw unknown('person', name);
    const { password, ...rest } = await freshOneTime();
    await this.#change(by, name, (person) => ({
      person: { ...person, ...rest.kept },
      changes: [`~ people ${name}`, '    password: a new one-time password'],
    }));
    return password;
  }

  /** Gives somebody a password of their own, in place of the one that they were checked by. */
  async setPassword({ name, password }: Person, next: string): Promise<Person> {
    const hash = await hashOf(next);
    return this.#change(name, name, ({ oneTime: _, ...person }) => {
      if (person.password !== password) {
        const instead = 'log in again';
        const wrong = 'it was changed meanwhile';
        throw new RestError(409, { path: 'password', wrong, instead });
      }
      return {
        person: { ...person, password: hash, era: newEra() },
        changes: [`~ people ${name}`, '    password: a new one of their own'],
      };
    });
  }

  /** Whoever has this name and this password. It takes as long where there is nobody of that name. */
  async check(name: string, password: string): Promise<Person | undefined> {
    const person = await this.find(name);
    const isRight = await isPassword(password, person?.password);
    return isRight ? person : undefined;
  }

  /** As `check`; a one-time password lets in once. */
  async admit(name: string, password: string): Promise<Person | undefined> {
    const person = await this.check(name, password);
    if (!person) return undefined;
    if (!person.oneTime) {
      if (!isWeak(person.password)) return person;
      const hash = await hashOf(password);
      return this.#replace(person, (now) => ({ ...now, password: hash }));
    }
    return this.#replace(person, ({ oneTime, ...now }) => {
      if (!oneTime || oneTime.isUsed || oneTime.until <= Date.now()) return undefined;
      return { ...now, oneTime: { ...oneTime, isUsed: true } };
    });
  }

  /** Notes that somebody is there now. */
  async see(name: string): Promise<void> {
    await this.#registry.put('person', seenId(name), Date.now(), { ttl: SEEN_MS });
  }

  /** When everybody was there last, by name, in Unix milliseconds. */
  async seen(): Promise<ReadonlyMap<string, number>> {
    const kept = await this.#registry.list<unknown>('person');
    return new Map(
      kept.flatMap(({ id, value }) =>
        typeof value === 'number' ? [[id.slice(SEEN.length), value] as const] : [],
      ),
    );
  }

  /** Without a word, if the password that was checked is still in force. */
  async #replace(
    { name, password }: Person,
    make: (person: Person) => Person | undefined,
  ): Promise<Person | undefined> {
    let made: Person | undefined;
    await this.#roll.edit(name, (people) => {
      const at = people.findIndex((one) => one.name === name && one.password === password);
      made = at === -1 ? undefined : make(people[at]);
      return made && { entries: people.with(at, made), about: name, changes: [] };
    });
    return made;
  }

  async #change(
    by: string,
    name: string,
    make: (person: Person) => { person: Person; changes: readonly string[] },
  ): Promise<Person> {
    let made: Person | undefined;
    await this.#edit(by, (people) => {
      const at = people.findIndex((person) => person.name === name);
      if (at === -1) throw unknown('person', name);
      const { person, changes } = make(people[at]);
      made = person;
      return { entries: people.with(at, person), about: name, changes };
    });
    return made as Person;
  }

  /** Refuses whatever would leave nobody who can let others in. */
  async #edit(by: string, make: (people: readonly Person[]) => Edit<Person>): Promise<void> {
    await this.#roll.edit(by, (people) => {
      const edit = make(people);
      if (edit.entries.some(isAdmin) || !people.some(isAdmin)) return edit;
      const wrong = `${edit.about} is the only admin`;
      const instead = 'make somebody else an admin first';
      throw new RestError(409, { path: '(address)', wrong, instead });
    });
  }
}

const isAdmin = ({ role }: Person) => role === 'admin';

const SEEN = 'seen ';
const seenId = (name: string) => `${SEEN}${name}`;

const newEra = () => randomBytes(12).toString('base64url');

async function freshOneTime() {
  const password = oneTimePassword();
  const oneTime = { until: Date.now() + ONE_TIME_MS, isUsed: false };
  return { password, kept: { password: await hashOf(password), oneTime, era: newEra() } };
}

async function newcomer(name: string, role: Role): Promise<{ person: Person; password: string }> {
  const { password, kept } = await freshOneTime();
  return { person: { name, role, createTime: Date.now(), ...kept }, password };
}
