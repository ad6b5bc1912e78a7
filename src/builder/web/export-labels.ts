/** What data may not be used for: words for the labels of data sources and destinations. */
import type { EXPORT_LABELS } from '../../account/document.ts';

export type ExportLabel = (typeof EXPORT_LABELS)[number];

/** In the order in which they are offered. */
export const LABELS: readonly {
  readonly label: ExportLabel;
  readonly title: string;
  readonly meaning: string;
}[] = [
  {
    label: 'PII',
    title: 'Personal data',
    meaning: 'Joined with data that identifies a person: name, email address, phone number',
  },
  {
    label: 'ON_SITE_AD_TARGETING',
    title: 'Ads on our sites',
    meaning: 'Choosing the ads that our own sites show',
  },
  {
    label: 'OFF_SITE_AD_TARGETING',
    title: 'Ads elsewhere',
    meaning: 'Choosing the ads that other sites show',
  },
  {
    label: 'ON_SITE_PERSONALIZATION',
    title: 'Personalised content',
    meaning: 'Choosing what our own sites show',
  },
];

export const titleOf = (label: ExportLabel): string =>
  LABELS.find((one) => one.label === label)?.title ?? label;
