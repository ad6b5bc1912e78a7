/** What the visitor has stated of consent, in words; never the string that says so. */
import { Text } from '@mantine/core';
import { MAX_VENDOR, type Restriction } from '../../../audience/consent.ts';
import type { TracedConsent } from '../../../collect/trace.ts';
import { count, many } from '../figures.ts';
import { purposeName } from '../purposes.ts';

export function Consent({ consent }: { consent: TracedConsent }) {
  return (
    <div>
      <Text size="sm" c="dimmed" mb={6}>
        Of consent, the visitor has said
      </Text>
      {consentInWords(consent).map((sentence) => (
        <Text key={sentence} size="sm">
          {sentence}
        </Text>
      ))}
    </div>
  );
}

export function consentInWords({ gdpr, objectsToSale }: TracedConsent): string[] {
  const sentences: string[] = [];
  if (gdpr) {
    const when = gdpr.isStatedNow ? 'With this request' : 'Before this request';
    sentences.push(`${when}: ${gdprInWords(gdpr)}`);
    sentences.push(...restrictionsInWords(gdpr.restrictions));
    if (gdpr.isRefused)
      sentences.push('That is less than your account needs: nothing is kept or sent.');
  }
  if (objectsToSale) sentences.push('They object to the sale or sharing of their data.');
  return sentences.length > 0 ? sentences : ['nothing'];
}

function gdprInWords({ applies, purposes, vendors }: NonNullable<TracedConsent['gdpr']>): string {
  if (!applies) return 'GDPR does not apply.';
  if (purposes.length === 0) return 'GDPR applies, and there is consent to nothing.';
  const names = purposes.map(purposeName).join('; ');
  return `GDPR applies, and there is consent for ${many(vendors, 'vendor')} to: ${names}.`;
}

/** Named of each purpose; a publisher may restrict dozens. */
const NAMED = 8;

const restrictionsInWords = (restrictions: readonly Restriction[]): string[] =>
  [...Map.groupBy(restrictions, ({ purpose }) => purpose)].map(
    ([purpose, ranges]) =>
      `The publisher does not let ${vendorsInWords(ranges)} rely on consent to: ${purposeName(purpose)}.`,
  );

function vendorsInWords(ranges: readonly Restriction[]): string {
  if (ranges.some(({ from, to }) => from === 1 && to === MAX_VENDOR)) return 'any vendor';
  const named = ranges
    .slice(0, NAMED)
    .map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`))
    .join(', ');
  const more = ranges.length > NAMED ? `, and ${count(ranges.length - NAMED)} more` : '';
  const isOne = ranges.length === 1 && ranges[0].from === ranges[0].to;
  return `${isOne ? 'vendor' : 'vendors'} ${named}${more}`;
}
