import { ActionIcon, CopyButton, Group, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import classes from './copy.module.css';

/** A button that copies a text. */
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  return (
    <CopyButton value={text} timeout={2_000}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : label}>
          <ActionIcon
            variant="subtle"
            color={copied ? 'green' : 'gray'}
            aria-label={copied ? 'Copied' : label}
            onClick={copy}
          >
            {copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

interface CopyableProps {
  readonly text: string;
  readonly label: string;
  /** Whether long lines are broken, so that all of it is seen. */
  readonly isWrapped?: boolean;
}

/** A text to be taken elsewhere as it is: a key, an address, a command. */
export function Copyable({ text, label, isWrapped }: CopyableProps) {
  return (
    <Group gap={4} wrap="nowrap" align="flex-start" className={classes.box}>
      <section
        className={classes.text}
        data-wrapped={isWrapped || undefined}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        tabIndex={0}
        aria-label={label}
      >
        <pre>{text}</pre>
      </section>
      <Copy text={text} label={`Copy: ${label}`} />
    </Group>
  );
}
