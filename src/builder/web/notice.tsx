/** What is said at the edge of the window, and goes by itself. */
import { notifications } from '@mantine/notifications';
import { IconAlertTriangle, IconCheck } from '@tabler/icons-react';
import { ApiError } from './api.ts';
import { sentence } from './problem.ts';

const CLOSE = { 'aria-label': 'Close the notice' };

export const notice = {
  /** Something was done: "Saved", "Segment deleted". */
  done: (message: string) => {
    notifications.show({
      message,
      color: 'green',
      icon: <IconCheck size={18} aria-hidden />,
      closeButtonProps: CLOSE,
    });
  },
  /** Something was not done; says why. Beside a form, say it there instead. */
  failed: (error: unknown, title = 'That did not work') => {
    notifications.show({
      title,
      message: wordsOf(error),
      color: 'red',
      icon: <IconAlertTriangle size={18} aria-hidden />,
      autoClose: 12_000,
      closeButtonProps: CLOSE,
    });
  },
};

/** An error as people can read it. */
export function wordsOf(error: unknown): string {
  if (error instanceof ApiError) {
    return error.problems.map(sentence).join(' ') || `Status ${error.status}`;
  }
  return error instanceof Error ? error.message : String(error);
}
