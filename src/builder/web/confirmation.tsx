/** Asks before something is done that cannot be taken back at once. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { createContext, type ReactNode, use, useCallback, useState } from 'react';

export interface Question {
  /** Such as: Delete “Autumn sale”? */
  readonly title: string;
  /** What will happen. */
  readonly text?: ReactNode;
  /** What the button says, a verb: Delete */
  readonly action: string;
  readonly isDestructive?: boolean;
}

/** What is asked may come out of a panel. */
const ABOVE_PANELS = 350;

type Ask = (question: Question) => Promise<boolean>;

const Asking = createContext<Ask>(() => Promise.resolve(false));

/** `const confirm = useConfirmation(); if (await confirm({ title, text, action })) …` */
export const useConfirmation = (): Ask => use(Asking);

const Asked = createContext(false);

/** Whether something is asked now: keys are meant for that, not for what lies below it. */
export const useIsAsked = (): boolean => use(Asked);

export function Confirmation({ children }: { children: ReactNode }) {
  const [asked, setAsked] = useState<{ question: Question; answer: (yes: boolean) => void }>();
  const [isOpen, setOpen] = useState(false);
  const ask = useCallback<Ask>(
    (question) =>
      new Promise((resolve) => {
        setAsked({ question, answer: resolve });
        setOpen(true);
      }),
    [],
  );
  const answer = (yes: boolean) => {
    asked?.answer(yes);
    setOpen(false);
  };
  return (
    <Asking value={ask}>
      <Asked value={isOpen}>{children}</Asked>
      <Modal
        opened={isOpen}
        onClose={() => answer(false)}
        title={asked?.question.title}
        closeButtonProps={{ 'aria-label': 'Close' }}
        zIndex={ABOVE_PANELS}
        // After a panel below has seen the key, so that only what is asked goes.
        closeOnEscape={false}
        onKeyDown={({ key }) => {
          if (key === 'Escape') answer(false);
        }}
      >
        <Stack>
          {asked?.question.text && <Text component="div">{asked.question.text}</Text>}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => answer(false)} data-autofocus>
              Cancel
            </Button>
            <Button
              color={asked?.question.isDestructive ? 'red' : undefined}
              onClick={() => answer(true)}
            >
              {asked?.question.action}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Asking>
  );
}
