import type { ReactNode } from 'react';
import { Page } from '../page.tsx';
import { Sections } from '../sections.tsx';

const SECTIONS = [
  { title: 'Changes', to: '/activity' },
  { title: 'Nodes', to: '/activity/nodes' },
];

interface FrameProps {
  readonly title: string;
  readonly lead: ReactNode;
  readonly beside?: ReactNode;
  readonly children: ReactNode;
}

export function Frame(props: FrameProps) {
  return <Page {...props} above={<Sections label="Activity" sections={SECTIONS} />} />;
}
