import type { ReactNode } from 'react';
import { Page } from '../page.tsx';
import { Sections } from '../sections.tsx';

const SECTIONS = [
  { title: 'Data sources', to: '/settings/data-sources' },
  { title: 'Folders', to: '/settings/folders' },
  { title: 'Sites', to: '/settings/sites' },
  { title: 'Consent', to: '/settings/consent' },
  { title: 'Import and export', to: '/settings/document' },
];

interface FrameProps {
  readonly title: string;
  readonly lead: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** A part of the settings, with the way to the others. */
export function Frame({ title, lead, actions, children }: FrameProps) {
  return (
    <Page
      title={title}
      lead={lead}
      actions={actions}
      above={<Sections label="Settings" sections={SECTIONS} />}
    >
      {children}
    </Page>
  );
}
