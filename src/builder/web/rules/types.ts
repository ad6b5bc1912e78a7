/** Kinds of traits, in words. */
import type { KnownTrait } from './language.ts';

type Type = KnownTrait['traitType'];

export const TYPES: Readonly<Record<Type, string>> = {
  RULE_BASED_TRAIT: 'Rule-based',
  ON_BOARDED_TRAIT: 'Onboarded',
  FOLDER_TRAIT: 'Folder',
};

/** How one gets a trait of a kind. */
export const TYPES_IN_WORDS: Readonly<Record<Type, string>> = {
  RULE_BASED_TRAIT: 'Realized by page requests that its rule matches.',
  ON_BOARDED_TRAIT: 'Set from outside, by an import or a call. It has no rule, and counts once.',
  FOLDER_TRAIT: 'The sum of all traits in a folder and the folders below it.',
};
