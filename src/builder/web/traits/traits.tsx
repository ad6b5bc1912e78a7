import { IconTools } from '@tabler/icons-react';
import { Page } from '../page.tsx';
import { Empty } from '../state.tsx';

export default function Traits() {
  return (
    <Page title="Traits">
      <Empty icon={IconTools} title="This page is being built" />
    </Page>
  );
}
