import { Button } from '@mantine/core';
import { IconMapOff } from '@tabler/icons-react';
import { Link } from 'react-router';
import { Page } from './page.tsx';
import { Empty } from './state.tsx';

/** An address where nothing is, or nothing for this person. */
export function Missing() {
  return (
    <Page title="Not found">
      <Empty
        icon={IconMapOff}
        title="There is nothing here"
        text="The address may be mistyped, what was here may have been deleted, or you may not see it."
        action={
          <Button component={Link} to="/destinations" variant="default">
            Go to the destinations
          </Button>
        }
      />
    </Page>
  );
}
