/** A document that was edited is compiled faster, and to the same as if nothing had been known of it. */
import { describe, expect, it } from 'vitest';
import { AccountError } from '../../src/account/problem.ts';
import { Readings } from '../../src/account/readings.ts';
import { compileAccountInTurns } from '../../src/account/snapshot.ts';
import { type AccountInput, exampleAccount } from './example.ts';

const [home] = exampleAccount().traits;

const EDITS: [what: string, edit: (account: AccountInput) => AccountInput][] = [
  ['nothing', (account) => account],
  [
    'a rule',
    (account) => ({
      ...account,
      traits: account.traits.with(0, { ...home, traitRule: 'c_page == "start"' }),
    }),
  ],
  [
    'a trait is switched off',
    (account) => ({ ...account, traits: account.traits.with(0, { ...home, status: 'inactive' }) }),
  ],
  ['the order', (account) => ({ ...account, segments: account.segments.toReversed() })],
  [
    'a destination goes',
    (account) => ({ ...account, destinations: account.destinations.slice(1) }),
  ],
  [
    'a rule that is wrong',
    (account) => ({ ...account, traits: account.traits.with(0, { ...home, traitRule: '==' }) }),
  ],
  [
    'a shape that is wrong',
    (account) => ({ ...account, traits: account.traits.with(0, { ...home, ttl: -1 }) }),
  ],
];

const outcomeOf = async (account: AccountInput, readings?: Readings) => {
  try {
    const { traits, segments, destinations, mappings } = await compileAccountInTurns(
      account,
      readings,
    );
    return { traits, segments, destinations, mappings };
  } catch (error) {
    if (error instanceof AccountError) return error.problems;
    throw error;
  }
};

describe('what was read before', () => {
  it.each(EDITS)('makes no difference where the edit is: %s', async (_, edit) => {
    const readings = new Readings();
    const before = exampleAccount();
    await outcomeOf(before, readings);
    const after = edit(before);
    expect(await outcomeOf(after, readings)).toEqual(await outcomeOf(after));
    // What is wrong is said again when the same is tried again.
    expect(await outcomeOf(after, readings)).toEqual(await outcomeOf(after));
  });

  it('is used: the rules of entries that stay are the same objects', async () => {
    const readings = new Readings();
    const before = exampleAccount();
    const first = await compileAccountInTurns(before, readings);
    const after = { ...before, traits: before.traits.with(0, { ...home, name: 'Other' }) };
    const second = await compileAccountInTurns(after, readings);
    expect(second.traits[0].rule).not.toBe(first.traits[0].rule);
    expect(second.traits[1].rule).toBe(first.traits[1].rule);
    expect(second.segments[0].rule).toBe(first.segments[0].rule);
  });
});
