/** The steps of an edit: any of them can be gone to at any time. */
import { UnstyledButton } from '@mantine/core';
import { IconCheck, IconExclamationMark } from '@tabler/icons-react';
import { many } from '../figures.ts';
import type { Problem } from '../problem.ts';
import { STEPS, type StepId, stepOf } from './destination.ts';
import classes from './steps.module.css';

interface StepsProps {
  readonly step: StepId;
  readonly go: (step: StepId) => void;
  /** Undefined until they are known. */
  readonly problems: readonly Problem[] | undefined;
  /** Steps that somebody has been at; of others, what is missing is not yet a mistake. */
  readonly visited: ReadonlySet<StepId>;
}

export function Steps({ step, go, problems, visited }: StepsProps) {
  return (
    <nav aria-label="Steps">
      <ol className={classes.steps}>
        {STEPS.map(({ id, title }, i) => {
          const own = problems?.filter((problem) => stepOf(problem) === id) ?? [];
          const isSeen = visited.has(id) && problems !== undefined;
          const isWrong = isSeen && own.length > 0 && id !== step;
          const isDone = isSeen && own.length === 0;
          return (
            <li key={id}>
              <UnstyledButton
                className={classes.step}
                aria-current={id === step ? 'step' : undefined}
                data-state={isWrong ? 'wrong' : isDone ? 'done' : undefined}
                onClick={() => go(id)}
              >
                <span className={classes.sign} aria-hidden>
                  {isWrong ? (
                    <IconExclamationMark size={14} stroke={2.4} />
                  ) : isDone ? (
                    <IconCheck size={14} stroke={2.4} />
                  ) : (
                    i + 1
                  )}
                </span>
                <span>
                  {title}
                  {isWrong && <small>{many(own.length, 'thing')} to mend</small>}
                </span>
              </UnstyledButton>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
