/** The frame of every page: title, what can be done here, content. */
import { Anchor, Group, Text, Title } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import { Link } from 'react-router';
import classes from './page.module.css';

interface PageProps {
  /** Also the window's title. */
  readonly title: string;
  /** A sentence on what this is for. */
  readonly lead?: ReactNode;
  /** Where this page belongs to: a way back. */
  readonly parent?: { readonly title: string; readonly to: string };
  /** The parts that this page is one of. */
  readonly above?: ReactNode;
  /** Beside the title: a status, for instance. */
  readonly beside?: ReactNode;
  /** Buttons. */
  readonly actions?: ReactNode;
  /** Reading width instead of the whole window. */
  readonly isNarrow?: boolean;
  readonly children: ReactNode;
}

export function Page(props: PageProps) {
  const { title, lead, parent, above, beside, actions, isNarrow, children } = props;
  useEffect(() => {
    document.title = `${title} · Destination Builder`;
  }, [title]);
  return (
    <div className={classes.page} data-narrow={isNarrow || undefined}>
      {above}
      <header className={classes.header}>
        <div className={classes.titles}>
          {parent && (
            <nav aria-label="Way back">
              <Anchor component={Link} to={parent.to} size="sm" underline="hover">
                <span aria-hidden>‹ </span>
                {parent.title}
              </Anchor>
            </nav>
          )}
          <Group gap="sm">
            <Title order={1}>{title}</Title>
            {beside}
          </Group>
          {lead && (
            <Text c="dimmed" size="sm" maw={720} component="div">
              {lead}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </header>
      {children}
    </div>
  );
}
