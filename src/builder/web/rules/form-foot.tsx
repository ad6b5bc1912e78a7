/** The end of a form: save, or leave it. */
import { Button, Text } from '@mantine/core';
import { useEffect, useEffectEvent } from 'react';
import { useHref, useNavigate } from 'react-router';
import { useLeaving } from '../leaving.ts';
import classes from './rules.module.css';

interface FormFootProps {
  readonly isNew: boolean;
  readonly isDirty: boolean;
  readonly isSaving: boolean;
  /** Where Cancel leads to. */
  readonly back: string;
}

export function FormFoot({ isNew, isDirty, isSaving, back }: FormFootProps) {
  const leave = useLinks(isDirty);
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

/**
 * Asks before a link, the Back button or the window's end takes unsaved changes along.
 *
 * @returns goes to an address, and asks before if there is something to lose
 */
function useLinks(isDirty: boolean): (to: string) => Promise<void> {
  const navigate = useNavigate();
  const mayLeave = useLeaving(() => isDirty);
  const base = useHref('/').replace(/\/$/, '');
  const leave = async (to: string) => {
    if (await mayLeave()) navigate(to);
  };
  const follow = useEffectEvent((event: MouseEvent) => {
    const link = event.target instanceof Element && event.target.closest('a');
    const isOther = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
    if (!link || isOther || link.origin !== location.origin || link.target === '_blank') return;
    if (link.pathname === location.pathname) return;
    // Before the router hears of it.
    event.preventDefault();
    event.stopPropagation();
    leave(link.pathname.slice(base.length) + link.search);
  });
  useEffect(() => {
    if (!isDirty) return;
    const clicked = (event: MouseEvent) => follow(event);
    document.addEventListener('click', clicked, true);
    return () => document.removeEventListener('click', clicked, true);
  }, [isDirty]);
  return leave;
}
