import { Badge, Switch } from '@mantine/core';

type Status = 'active' | 'inactive';

export function StatusBadge({ status }: { status: Status }) {
  return status === 'active' ? (
    <Badge color="green">Active</Badge>
  ) : (
    <Badge color="gray">Inactive</Badge>
  );
}

interface StatusSwitchProps {
  readonly status: Status;
  readonly set: (status: Status) => void;
  /** What being inactive means. */
  readonly description: string;
  readonly isReadOnly: boolean;
}

export function StatusSwitch({ status, set, description, isReadOnly }: StatusSwitchProps) {
  return (
    <Switch
      label="Active"
      description={description}
      checked={status === 'active'}
      disabled={isReadOnly}
      onChange={(event) => set(event.currentTarget.checked ? 'active' : 'inactive')}
    />
  );
}
