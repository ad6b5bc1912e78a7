import { IconTools } from '@tabler/icons-react';
import { Page } from '../page.tsx';
import { Empty } from '../state.tsx';

export default function Destinations() {
  return (
    <Page title="Destinations">
      <Empty icon={IconTools} title="This page is being built" />
    </Page>
  );
}
