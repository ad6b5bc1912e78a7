/** The end of a form: save, or leave it. */
import { Button, Text } from '@mantine/core';
import { useEffect } from 'react';
import { useNavigate } from 'react-router';
import { useConfirmation } from '../confirmation.tsx';
import classes from './rules.module.css';

interface FormFootProps {
  readonly isNew: boolean;
  readonly isDirty: boolean;
  readonly isSaving: boolean;
  /** Where Cancel leads to. */
  readonly back: string;
}

export function FormFoot({ isNew, isDirty, isSaving, back }: FormFootProps) {
  const navigate = useNavigate();
  const confirm = useConfirmation();
  useLeaving(isDirty);
  const leave = async () => {
    const question = {
      title: 'Leave without saving?',
      text: 'What you changed here would be lost.',
      action: 'Leave',
      isDestructive: true,
    };
    if (!isDirty || (await confirm(question))) navigate(back);
  };
  return (
    <div className={classes.foot}>
      <Button type="submit" loading={isSaving} disabled={!isDirty && !isNew}>
        {isNew ? 'Create' : 'Save'}
      </Button>
      <Button variant="default" onClick={leave}>
        {isDirty ? 'Cancel' : 'Back'}
      </Button>
      {isDirty && !isNew && (
        <Text size="sm" c="dimmed">
          Not saved yet
        </Text>
      )}
    </div>
  );
}

/** The browser asks before the window is closed. */
function useLeaving(isDirty: boolean): void {
  useEffect(() => {
    if (!isDirty) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [isDirty]);
}
