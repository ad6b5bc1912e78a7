/**
 * Words of the forms for what the REST interface says of its fields: whoever fills in a form knows no
 * field names, and writes no quotes.
 */
import { LABELS } from './export-labels.ts';

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^write a text in quotes$/, 'write something here'],
  [/^write a whole number$/, 'write a number without decimals'],
  [/^write (a list in \[ \]|an object in \{ \}|null here)$/, 'choose something here'],
  [/ is not (a list in \[ \]|an object in \{ \}|a text in quotes)$/, ' is not possible here'],
  [/, though domainRestrictions is "inclusion"$/, ', though only some sites are meant'],
  [/, though domainRestrictions is "exclusion"$/, ', though some sites are left out'],
  [
    /^write the sites that are meant, or "all_domains"$/,
    'choose the sites, or publish to all of them',
  ],
  [/, though serializationEnabled is true$/, ', though all values go out in one call'],
  [/, though formatType is "single_key"$/, ', though all values have one key'],
  [/^write the key, or the formatType "key_value"$/, 'write the key, or give each mapping its own'],
  [/, though formatType is "key_value"$/, ', though each mapping has a key of its own'],
  [
    /^write the value to send, or set autoFill on the destination$/,
    'write the value to send, or have values filled in for all (Configuration)',
  ],
  [/^write "browser", or leave it out$/, 'choose browsers'],
  [/, though transfer is "file"$/, ', though files are written'],
  [
    /^write the (siteId|dataSourceId|folderId|destinationId) of .* of this document(, or leave it out)?$/,
    'choose one of the list$2',
  ],
  [/^write the sid of a segment of this document$/, 'choose a segment of the list'],
  [/^write traits of this document$/, 'choose traits of the list'],
  [/, or another traitType$/, ', or choose another kind of trait'],
  [/^write the keys?, such as "(.*)"$/, 'write the key, such as $1'],
  [/, such as "([^"]+)"$/, ', such as $1'],
  [/^check its spelling against the README, or leave it out$/, 'leave it out'],
  [/\bsignatureKeys\b/, 'a key'],
  [/\bsignatureHeader\b/, 'a header'],
  ...LABELS.map(({ label, title }) => [new RegExp(`\\b${label}\\b`), `“${title}”`] as const),
];

/** @param text what is wrong, or what to write instead */
export const inWords = (text: string): string =>
  WORDS.reduce((told, [pattern, words]) => told.replace(pattern, words), text);
