/** The end of a form: save, or leave it. */
import { Button, Text } from '@mantine/core';
import { useEffect } from 'react';
import { useHref, useNavigate } from 'react-router';
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
  const leave = useLeaving(isDirty);
  return (
    <div className={classes.foot}>
      <Button type="submit" loading={isSaving} disabled={!isDirty && !isNew}>
        {isNew ? 'Create' : 'Save'}
      </Button>
      <Button variant="default" onClick={() => leave(back)}>
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

const QUESTION = {
  title: 'Leave without saving?',
  text: 'What you changed here would be lost.',
  action: 'Leave without saving',
  isDestructive: true,
};

/**
 * Asks before a link, or the window's end, takes unsaved changes along.
 *
 * @returns goes to an address, and asks before if there is something to lose
 */
function useLeaving(isDirty: boolean): (to: string) => Promise<void> {
  const navigate = useNavigate();
  const confirm = useConfirmation();
  const base = useHref('/').replace(/\/$/, '');
  const leave = async (to: string) => {
    if (!isDirty || (await confirm(QUESTION))) navigate(to);
  };
  useEffect(() => {
    if (!isDirty) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    const follow = (event: MouseEvent) => {
      const link = event.target instanceof Element && event.target.closest('a');
      const isOther = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
      if (!link || isOther || link.origin !== location.origin || link.target === '_blank') return;
      if (link.pathname === location.pathname) return;
      // Before the router hears of it.
      event.preventDefault();
      event.stopPropagation();
      confirm(QUESTION).then((yes) => {
        if (yes) navigate(link.pathname.slice(base.length) + link.search);
      });
    };
    window.addEventListener('beforeunload', ask);
    document.addEventListener('click', follow, true);
    return () => {
      window.removeEventListener('beforeunload', ask);
      document.removeEventListener('click', follow, true);
    };
  }, [isDirty, confirm, navigate, base]);
  return leave;
}
