/** How many of the recorded calls would realize a trait. */
import { z } from 'zod';
import { inTurns, type Turns } from '../account/turns.ts';
import { compileTraitRule, PATTERN_BUDGET, type TraitRule } from '../audience/trait-rule.ts';
import {
  privateKeys,
  type RecordedCall,
  recordedCalls,
  recordedSignals,
} from '../collect/recorded-call.ts';
import type { Recent, Registry } from '../store/registry.ts';

export const callEstimateSchema = z.object({
  state: z.literal('done'),
  progress: z.literal(1),
  calls: z.int().min(0).meta({ description: 'Recorded calls.' }),
  matching: z.int().min(0).meta({ description: 'Those that would realize the trait.' }),
  privateKeys: z.array(z.string()).meta({
    description: 'Keys of the rule whose values are never recorded: it was judged without them.',
  }),
});

export type CallEstimate = z.infer<typeof callEstimateSchema>;

export async function estimateOfCalls(rule: TraitRule, registry: Registry): Promise<CallEstimate> {
  const calls = await recordedCalls(registry);
  const matching = await inTurns(counted(rule, calls));
  return {
    state: 'done',
    progress: 1,
    calls: calls.length,
    matching,
    privateKeys: privateKeys(rule),
  };
}

function* counted(rule: TraitRule, calls: readonly Recent<RecordedCall>[]): Turns<number> {
  const holds = compileTraitRule(rule);
  let matching = 0;
  for (const { value } of calls) {
    yield;
    if (holds({ signals: recordedSignals(value), patternBudget: PATTERN_BUDGET })) matching++;
  }
  return matching;
}
