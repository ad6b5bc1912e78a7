import { IconTools } from '@tabler/icons-react';
import { Page } from '../page.tsx';
import { Empty } from '../state.tsx';

export default function Reports() {
  return (
    <Page title="Reports">
      <Empty icon={IconTools} title="This page is being built" />
    </Page>
  );
}
