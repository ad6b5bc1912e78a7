import { IconTools } from '@tabler/icons-react';
import { Page } from '../page.tsx';
import { Empty } from '../state.tsx';

export default function People() {
  return (
    <Page title="People and keys">
      <Empty icon={IconTools} title="This page is being built" />
    </Page>
  );
}
