import { IconTools } from '@tabler/icons-react';
import { Page } from '../page.tsx';
import { Empty } from '../state.tsx';

export default function Segments() {
  return (
    <Page title="Segments">
      <Empty icon={IconTools} title="This page is being built" />
    </Page>
  );
}
