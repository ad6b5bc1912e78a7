/** A form or details at the side, over the page that they belong to. */
import { Drawer } from '@mantine/core';
import type { ReactNode } from 'react';
import { useIsAsked } from './confirmation.tsx';

interface PanelProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly close: () => void;
  readonly size?: number | string;
  readonly children: ReactNode;
}

export function Panel({ title, isOpen, close, size = 520, children }: PanelProps) {
  const isAsked = useIsAsked();
  return (
    <Drawer
      opened={isOpen}
      onClose={close}
      title={title}
      size={size}
      padding="lg"
      closeOnEscape={!isAsked}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {children}
    </Drawer>
  );
}
