import { Paper } from '@mantine/core';
import { useNavigate } from 'react-router';
import { PasswordForm } from './login.tsx';
import { notice } from './notice.tsx';
import { Page } from './page.tsx';

export function Password() {
  const navigate = useNavigate();
  return (
    <Page
      title="Change password"
      lead="Where else you are logged in, you will have to log in again."
      isNarrow
    >
      <Paper withBorder p="lg" maw={420}>
        <PasswordForm
          oldLabel="Current password"
          action="Change password"
          onDone={() => {
            notice.done('Your password is changed');
            navigate('/destinations');
          }}
        />
      </Paper>
    </Page>
  );
}
