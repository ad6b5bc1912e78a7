/** Whether what is not saved yet may go. */
import { useCallback, useEffect, useEffectEvent, useRef } from 'react';
import { useLocation } from 'react-router';
import { useConfirmation } from './confirmation.tsx';
import { guardSteps } from './steps.ts';

const QUESTION = {
  title: 'Leave without saving?',
  text: 'What you changed here is not saved yet, and would be lost.',
  action: 'Leave without saving',
  isDestructive: true,
};

/**
 * Asks before the browser's Back button, or the window's end, takes unsaved changes along. Links and
 * buttons are the form's own matter.
 *
 * @param isDirty whether there is something to lose now
 * @returns asks, if there is something to lose; resolves to whether to go on
 */
export function useLeaving(isDirty: () => boolean): () => Promise<boolean> {
  const confirm = useConfirmation();
  const ask = useCallback(() => confirm(QUESTION), [confirm]);
  const { pathname, key } = useLocation();
  /** Where in the history this is, as the router numbers it. */
  const place = useRef<number>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each location has a place of its own
  useEffect(() => {
    place.current = history.state?.idx;
  }, [pathname, key]);
  /** A step that was asked about, and is taken back or taken now. */
  const own = useRef<'undone' | 'allowed'>(undefined);

  const step = useEffectEvent((event: PopStateEvent) => {
    const kind = own.current;
    own.current = undefined;
    if (kind === 'undone') event.stopImmediatePropagation();
    if (kind || !isDirty() || location.pathname.endsWith(pathname)) return;
    const steps = history.state?.idx - (place.current ?? Number.NaN);
    // An address that was typed: the window's end has asked already.
    if (!steps) return;
    // Before the router hears of it. The browser is there already: it comes back until this is answered.
    event.stopImmediatePropagation();
    own.current = 'undone';
    history.go(-steps);
    ask().then((yes) => {
      if (!yes) return;
      own.current = 'allowed';
      history.go(steps);
    });
  });
  const unload = useEffectEvent((event: BeforeUnloadEvent) => {
    if (isDirty()) event.preventDefault();
  });
  useEffect(() => {
    const stepped = (event: PopStateEvent) => step(event);
    const end = (event: BeforeUnloadEvent) => unload(event);
    const unguard = guardSteps(stepped);
    window.addEventListener('beforeunload', end);
    return () => {
      unguard();
      window.removeEventListener('beforeunload', end);
    };
  }, []);

  return async () => !isDirty() || ask();
}
