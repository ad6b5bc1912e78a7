/** What visitors are asked to consent to: the purposes of IAB Europe's TCF, as it names them. */

const NAMES: Readonly<Record<number, string>> = {
  1: 'Store and/or access information on a device',
  2: 'Use limited data to select advertising',
  3: 'Create profiles for personalised advertising',
  4: 'Use profiles to select personalised advertising',
  5: 'Create profiles to personalise content',
  6: 'Use profiles to select personalised content',
  7: 'Measure advertising performance',
  8: 'Measure content performance',
  9: 'Understand audiences through statistics or combinations of data from different sources',
  10: 'Develop and improve services',
  11: 'Use limited data to select content',
};

export const purposeName = (purpose: number): string => {
  const name = NAMES[purpose];
  return name ? `${purpose}. ${name}` : `Purpose ${purpose}`;
};

/** For a choice among them; with those that have no name here, if they are chosen already. */
export const purposeChoices = (chosen: readonly number[]) =>
  [...new Set([...Object.keys(NAMES).map(Number), ...chosen])].map((purpose) => ({
    value: String(purpose),
    label: purposeName(purpose),
  }));
