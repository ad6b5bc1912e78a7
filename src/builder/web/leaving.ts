/** Whether what is not saved yet may go. */
import { useCallback, useEffect, useEffectEvent } from 'react';
import { useBlocker } from 'react-router';
import { useConfirmation } from './confirmation.tsx';

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
  const blocker = useBlocker(
    ({ historyAction, currentLocation, nextLocation }) =>
      historyAction === 'POP' && currentLocation.pathname !== nextLocation.pathname && isDirty(),
  );
  useEffect(() => {
    if (blocker.state !== 'blocked') return;
    ask().then((yes) => (yes ? blocker.proceed() : blocker.reset()));
  }, [blocker, ask]);

  const unload = useEffectEvent((event: BeforeUnloadEvent) => {
    if (isDirty()) event.preventDefault();
  });
  useEffect(() => {
    const end = (event: BeforeUnloadEvent) => unload(event);
    window.addEventListener('beforeunload', end);
    return () => window.removeEventListener('beforeunload', end);
  }, []);

  return async () => !isDirty() || ask();
}
