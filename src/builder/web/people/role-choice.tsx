import { Radio, Stack, Text } from '@mantine/core';
import type { Role } from '../../caller.ts';
import classes from './role-choice.module.css';

const ROLES: readonly { role: Role; title: string; meaning: string }[] = [
  { role: 'viewer', title: 'Viewer', meaning: 'Sees everything, changes nothing' },
  {
    role: 'editor',
    title: 'Editor',
    meaning: 'Changes destinations, segments, traits and settings',
  },
  { role: 'admin', title: 'Admin', meaning: 'Looks after people and keys, too' },
];

interface RoleChoiceProps {
  readonly label?: string;
  readonly value: Role;
  readonly onChange: (role: Role) => void;
  readonly error?: string;
}

export function RoleChoice({ label = 'Role', value, onChange, error }: RoleChoiceProps) {
  return (
    <Radio.Group
      label={label}
      value={value}
      onChange={(role) => onChange(role as Role)}
      error={error}
    >
      <Stack gap="xs" mt={6}>
        {ROLES.map(({ role, title, meaning }) => (
          <Radio.Card key={role} value={role} className={classes.card} aria-label={title}>
            <Radio.Indicator />
            <div>
              <Text size="sm" fw={550}>
                {title}
              </Text>
              <Text size="xs" c="dimmed">
                {meaning}
              </Text>
            </div>
          </Radio.Card>
        ))}
      </Stack>
    </Radio.Group>
  );
}
