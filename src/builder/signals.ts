/** Keys that a rule may look at, for those who write one: from the account's rules, and as they come. */
import { Hono } from 'hono';
import type { Snapshot } from '../account/snapshot.ts';
import { inTurns, type Turns } from '../account/turns.ts';
import { leavesOf } from '../audience/expression.ts';
import { isKey, isPrivate } from '../audience/signal.ts';
import type { FrontDoor } from '../collect/event.ts';
import { type RecordedCall, recordedCalls, recordedSignals } from '../collect/recorded-call.ts';
import type { Recent, Registry } from '../store/registry.ts';
import type { Behind } from './caller.ts';
import { type SignalsShown, signalsQuery } from './questions.ts';
import { either, queryIn } from './request.ts';

const MAX_SHOWN = 50;
const MAX_VALUES = 5;
/** Longer values are no examples. */
const MAX_VALUE = 100;
/** Who writes a rule asks with every letter. */
const FRESH_MS = 2_000;

type Examples = ReadonlyMap<string, ReadonlySet<string>>;

export function signals(registry: Registry, door: FrontDoor): Hono<Behind> {
  const app = new Hono<Behind>();
  const ofRules = new WeakMap<Snapshot, Promise<Examples>>();
  let ofCalls: { readonly examples: Promise<Examples>; readonly until: number } | undefined;

  app.on('GET', either('/signals'), async (c) => {
    const { search } = queryIn(c, signalsQuery);
    const snapshot = door.snapshot();
    const ruled = ofRules.get(snapshot) ?? inTurns(examplesOfRules(snapshot));
    ofRules.set(snapshot, ruled);
    const now = performance.now();
    if (!ofCalls || ofCalls.until < now) {
      ofCalls = { examples: examplesOfCalls(registry), until: now + FRESH_MS };
    }
    const sources = [await ofCalls.examples, await ruled];
    return c.json(matching(sources, search.toLowerCase()));
  });

  return app;
}

const examplesOfCalls = async (registry: Registry): Promise<Examples> =>
  inTurns(examplesIn(await recordedCalls(registry)));

function* examplesIn(calls: readonly Recent<RecordedCall>[]): Turns<Examples> {
  const examples = new Map<string, Set<string>>();
  for (const { value } of calls) {
    yield;
    for (const [key, values] of recordedSignals(value)) {
      if (isKey(key)) for (const one of values) add(examples, key, one);
    }
  }
  return examples;
}

function* examplesOfRules({ traits }: Snapshot): Turns<Examples> {
  const examples = new Map<string, Set<string>>();
  for (const { rule } of traits) {
    yield;
    if (!rule) continue;
    for (const { key, operator, operand } of leavesOf(rule)) {
      // Parts and patterns of values are none.
      add(examples, key, /[=<>]/.test(operator) ? operand : undefined);
    }
  }
  return examples;
}

function add(examples: Map<string, Set<string>>, key: string, value: string | undefined): void {
  let values = examples.get(key);
  if (!values) {
    values = new Set();
    examples.set(key, values);
  }
  if (value === undefined || values.size === MAX_VALUES || value.length > MAX_VALUE) return;
  // What a rule compares a private value with says what such values are.
  if (value !== '' && !isPrivate(key)) values.add(value);
}

/** Keys that start with what is searched go first; of too many, those that come in calls stay. */
function matching(sources: readonly Examples[], search: string): SignalsShown {
  const starting = new Set<string>();
  const holding = new Set<string>();
  for (const key of sources.flatMap((examples) => [...examples.keys()])) {
    const at = key.toLowerCase().indexOf(search);
    if (at === 0 && starting.size < MAX_SHOWN) starting.add(key);
    else if (at > 0 && holding.size < MAX_SHOWN) holding.add(key);
  }
  return [...[...starting].sort(), ...[...holding].sort()].slice(0, MAX_SHOWN).map((key) => ({
    key,
    values: [...new Set(sources.flatMap((examples) => [...(examples.get(key) ?? [])]))].slice(
      0,
      MAX_VALUES,
    ),
  }));
}
