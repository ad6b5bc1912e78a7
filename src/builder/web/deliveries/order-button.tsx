/** A button by which an editor has something done for a destination at once. */
import { Button, type ButtonProps } from '@mantine/core';
import type { Icon } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, changed } from '../api.ts';
import { notice } from '../notice.tsx';
import { useMay } from '../session.tsx';

interface OrderButtonProps extends Pick<ButtonProps, 'disabled' | 'mt'> {
  readonly destinationId: number | undefined;
  readonly order: 'runs' | 'probe';
  readonly icon: Icon;
  readonly text: string;
  /** Said when it has begun. */
  readonly done: string;
}

export function OrderButton(props: OrderButtonProps) {
  const { destinationId, order, icon: Sign, text, done, ...look } = props;
  const mayEdit = useMay('editor');
  const client = useQueryClient();
  const sent = useMutation({
    mutationFn: () => api.post(`/deliveries/${destinationId}/${order}`),
    onSuccess: async () => {
      notice.done(done);
      await changed(client, '/deliveries');
    },
    onError: (error) => notice.failed(error),
  });
  if (!mayEdit) return null;
  return (
    <Button
      {...look}
      size="xs"
      variant="default"
      leftSection={<Sign size={16} aria-hidden />}
      loading={sent.isPending}
      onClick={() => sent.mutate()}
    >
      {text}
    </Button>
  );
}
