import { IconTools } from '@tabler/icons-react';
import { Page } from '../page.tsx';
import { Empty } from '../state.tsx';

export default function Why() {
  return (
    <Page title="Why?">
      <Empty icon={IconTools} title="This page is being built" />
    </Page>
  );
}
