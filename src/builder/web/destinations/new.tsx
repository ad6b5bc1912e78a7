/** The first question for a new destination: of which kind it is. */
import { SimpleGrid, Text, UnstyledButton } from '@mantine/core';
import { IconCookie, IconServer2, IconWorldShare } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ComponentType } from 'react';
import { useNavigate } from 'react-router';
import { api, changed } from '../api.ts';
import { Missing } from '../missing.tsx';
import { notice } from '../notice.tsx';
import { Page } from '../page.tsx';
import { useMay } from '../session.tsx';
import { KINDS, type Kind, STARTS } from './destination.ts';
import type { Draft } from './draft.ts';
import classes from './new.module.css';

const CHOICES: readonly {
  kind: Kind;
  icon: ComponentType<{ size?: number; stroke?: number }>;
  delivered: string;
  reaches: string;
}[] = [
  {
    kind: 'PUSH',
    icon: IconWorldShare,
    delivered: 'While the visitor is on the page',
    reaches: 'Visitors who are seen again',
  },
  {
    kind: 'ADS',
    icon: IconCookie,
    delivered: 'While the visitor is on the page',
    reaches: 'Browsers on your own sites',
  },
  {
    kind: 'S2S',
    icon: IconServer2,
    delivered: 'Within seconds, or as scheduled files',
    reaches: 'Also previous visitors, without being seen again',
  },
];

export function NewDestination() {
  const navigate = useNavigate();
  const client = useQueryClient();
  const mayEdit = useMay('editor');
  const begin = useMutation({
    mutationFn: (kind: Kind) =>
      api.post<Draft>('/drafts', { name: '', step: 'basics', destination: STARTS[kind] }),
    onSuccess: async ({ draftId }) => {
      await changed(client, '/drafts');
      navigate(`/destinations/drafts/${draftId}`, { replace: true });
    },
    onError: (error) => notice.failed(error),
  });
  if (!mayEdit) return <Missing />;
  return (
    <Page
      title="New destination"
      parent={{ title: 'Destinations', to: '/destinations' }}
      lead="How shall the partner hear of a segment? You can leave at any time: what you enter is kept as a draft."
    >
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        {CHOICES.map(({ kind, icon: Icon, delivered, reaches }) => (
          <UnstyledButton
            key={kind}
            className={classes.choice}
            disabled={begin.isPending}
            onClick={() => begin.mutate(kind)}
          >
            <span className={classes.sign} aria-hidden>
              <Icon size={26} stroke={1.5} />
            </span>
            <Text span fw={600}>
              {KINDS[kind].name}
            </Text>
            <Text span size="sm" c="dimmed">
              {KINDS[kind].what}
            </Text>
            <span className={classes.facts}>
              <span>
                <b>Delivered</b> {delivered}
              </span>
              <span>
                <b>Reaches</b> {reaches}
              </span>
            </span>
          </UnstyledButton>
        ))}
      </SimpleGrid>
    </Page>
  );
}
