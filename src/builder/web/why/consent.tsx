/** What the visitor has stated of consent, in words; never the string that says so. */
import { Text } from '@mantine/core';
import { many } from '../figures.ts';
import { purposeName } from '../purposes.ts';
import type { Trace } from './trace.ts';

export function Consent({ consent }: Pick<Trace, 'consent'>) {
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

export function consentInWords({ gdpr, objectsToSale }: Trace['consent']): string[] {
  const sentences: string[] = [];
  if (gdpr) {
    const when = gdpr.isStatedNow ? 'With this request' : 'Before this request';
    sentences.push(`${when}: ${gdprInWords(gdpr)}`);
    if (gdpr.isRefused)
      sentences.push('That is less than your account needs: nothing is kept or sent.');
  }
  if (objectsToSale) sentences.push('They object to the sale or sharing of their data.');
  return sentences.length > 0 ? sentences : ['nothing'];
}

function gdprInWords({
  applies,
  purposes,
  vendors,
}: NonNullable<Trace['consent']['gdpr']>): string {
  if (!applies) return 'GDPR does not apply.';
  if (purposes.length === 0) return 'GDPR applies, and there is consent to nothing.';
  const names = purposes.map(purposeName).join('; ');
  return `GDPR applies, and there is consent for ${many(vendors, 'vendor')} to: ${names}.`;
}
