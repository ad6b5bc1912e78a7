/** Over which time a report goes; it stands in the address. */
import { SegmentedControl } from '@mantine/core';
import { useSearchParams } from 'react-router';
import { PERIODS } from './report.ts';

export function usePeriod() {
  const [params] = useSearchParams();
  return PERIODS.find(({ value }) => value === params.get('period')) ?? PERIODS[0];
}

export function Period() {
  const [, setParams] = useSearchParams();
  const { value } = usePeriod();
  return (
    <SegmentedControl
      size="xs"
      aria-label="Period"
      value={value}
      onChange={(next) => setParams({ period: next }, { replace: true })}
      data={PERIODS.map((period) => ({ value: period.value, label: period.title }))}
    />
  );
}
