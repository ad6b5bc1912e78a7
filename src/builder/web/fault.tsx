import { Button, Group } from '@mantine/core';
import { IconMoodSad } from '@tabler/icons-react';
import { Component, type ReactNode } from 'react';
import { Page } from './page.tsx';
import { Empty } from './state.tsx';

/** Catches what goes wrong while a page is drawn, so that the navigation stays. */
export class Fault extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Page title="This page has a fault">
        <Empty
          icon={IconMoodSad}
          title="The page could not be shown"
          text={`What went wrong: ${error.message}. Nothing that was saved is lost.`}
          action={
            <Group>
              <Button onClick={() => location.reload()}>Load it again</Button>
            </Group>
          }
        />
      </Page>
    );
  }
}
