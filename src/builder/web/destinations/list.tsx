/** All destinations: what they are, where and how often they fire. */
import { Badge, Button, Group, Paper, Stack, Tabs, Text } from '@mantine/core';
import { IconArrowsSplit2, IconPlus } from '@tabler/icons-react';
import { Link, useSearchParams } from 'react-router';
import { useAnswer } from '../api.ts';
import { useDeliveries } from '../deliveries/delivery.ts';
import { Sign } from '../deliveries/sign.tsx';
import { count, many } from '../figures.ts';
import { Listing } from '../listing.tsx';
import { Moment } from '../moment.tsx';
import { Page } from '../page.tsx';
import type { Column } from '../rows.tsx';
import { useMay } from '../session.tsx';
import { Empty } from '../state.tsx';
import { KINDS, type ListedDestination } from './destination.ts';
import type { Draft } from './draft.ts';
import classes from './list.module.css';
import { Sparkline } from './sparkline.tsx';
import { Status } from './status.tsx';

/** What happened at a destination in the last day. */
export interface DayReport {
  readonly destinationId: number;
  readonly fired: number;
  readonly loaded: number;
  readonly failed: number;
  readonly timedOut: number;
  /** Calls, hour by hour, oldest first. */
  readonly hours: readonly number[];
}

export interface Site {
  readonly siteId: number;
  readonly name: string;
}

const TABS = [
  { value: 'all', title: 'All', types: undefined },
  { value: 'browser', title: 'URL and cookie', types: 'PUSH,ADS' },
  { value: 'server', title: 'Server-to-server', types: 'S2S' },
] as const;

export function DestinationList() {
  const [params, setParams] = useSearchParams();
  const mayEdit = useMay('editor');
  const tab = TABS.find(({ value }) => value === params.get('kind')) ?? TABS[0];
  const reports = useAnswer<readonly DayReport[]>('/reports/destinations', {
    refetchInterval: 15_000,
  });
  const sites = useAnswer<readonly Site[]>('/sites', { staleTime: 60_000 });
  const deliveries = new Map(
    useDeliveries(15_000).data?.destinations.map((delivery) => [delivery.destinationId, delivery]),
  );
  const byId = new Map(reports.data?.map((report) => [report.destinationId, report]));
  const siteNames = new Map(sites.data?.map(({ siteId, name }) => [siteId, name]));

  const columns: Column<ListedDestination>[] = [
    {
      title: 'Name',
      sortBy: 'name',
      show: ({ name }) => name,
    },
    {
      title: 'Kind',
      sortBy: 'destinationType',
      width: '10.5rem',
      show: ({ destinationType }) => (
        <Badge color="gray" className={classes.kind}>
          {KINDS[destinationType].short}
        </Badge>
      ),
    },
    {
      title: 'Status',
      sortBy: 'status',
      show: (destination) => (
        <span className={classes.status}>
          <Status of={destination} />
          <Sign of={deliveries.get(destination.destinationId)} />
        </span>
      ),
    },
    {
      title: 'Where it fires',
      sortBy: 'domainRestrictions',
      show: (destination) => <Where {...{ destination, siteNames }} />,
    },
    {
      title: 'Mappings',
      sortBy: 'mappingCount',
      align: 'end',
      show: ({ mappingCount }) => count(mappingCount),
    },
    {
      title: 'Fired in 24 hours',
      align: 'end',
      width: '15rem',
      show: ({ destinationId, destinationType, transfer }) =>
        destinationType === 'S2S' && transfer === 'file' ? (
          <Text span size="sm" c="dimmed">
            –
          </Text>
        ) : (
          <Fired
            report={byId.get(destinationId)}
            noun={destinationType === 'S2S' ? 'message' : 'call'}
          />
        ),
    },
  ];

  return (
    <Page
      title="Destinations"
      lead="Partners and scripts that hear which segments a visitor is in. Only what you map here leaves, never the profile."
      actions={
        mayEdit && (
          <Button
            component={Link}
            to="/destinations/new"
            leftSection={<IconPlus size={16} aria-hidden />}
          >
            New destination
          </Button>
        )
      }
    >
      {mayEdit && <Drafts />}
      <Tabs
        value={tab.value}
        onChange={(value) => setParams(value && value !== 'all' ? { kind: value } : {})}
      >
        <Tabs.List mb="md">
          {TABS.map(({ value, title }) => (
            <Tabs.Tab key={value} value={value}>
              {title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab.value}>
          <Listing<ListedDestination>
            key={tab.value}
            label="Destinations"
            path="/destinations"
            query={{ destinationType: tab.types }}
            columns={columns}
            idOf={({ destinationId }) => destinationId}
            linkTo={({ destinationId }) => `/destinations/${destinationId}`}
            search="Name or description"
            initialSort={{ by: 'name', isDescending: false }}
            empty={
              <Empty
                icon={IconArrowsSplit2}
                title="No destinations yet"
                text="A destination is a partner or a script that shall hear of your segments. Nothing leaves before you make one and map a segment to it."
                action={
                  mayEdit && (
                    <Button component={Link} to="/destinations/new" mt="sm">
                      Make the first one
                    </Button>
                  )
                }
              />
            }
          />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

interface FiredProps {
  readonly report: DayReport | undefined;
  readonly noun: string;
}

function Fired({ report, noun }: FiredProps) {
  const { hours = Array.from({ length: 24 }, () => 0), fired = 0 } = report ?? {};
  return (
    <span className={classes.fired} data-above>
      <Sparkline values={hours} noun={noun} />
      <span className={classes.count}>{count(fired)}</span>
    </span>
  );
}

interface WhereProps {
  readonly destination: ListedDestination;
  readonly siteNames: ReadonlyMap<number, string>;
}

function Where({ destination, siteNames }: WhereProps) {
  const { destinationType, domainRestrictions, siteIDs, platform, mappingCount } = destination;
  if (destinationType === 'S2S') {
    return destination.transfer === 'file' ? 'Files, on schedule' : 'From our servers';
  }
  if (mappingCount === 0)
    return (
      <Text span size="sm" c="dimmed">
        Nowhere: nothing is mapped
      </Text>
    );
  const names = (siteIDs ?? []).map((id) => siteNames.get(id) ?? `site ${id}`);
  const shown = names.length > 2 ? many(names.length, 'site') : names.join(', ');
  const where =
    domainRestrictions === 'inclusion'
      ? shown
      : domainRestrictions === 'exclusion'
        ? `All sites but ${shown}`
        : 'All sites';
  const on = { android: 'Android', ios: 'iOS', browser: 'browsers', all: '' }[platform ?? 'all'];
  return on && destinationType === 'PUSH' ? `${where}, ${on} only` : where;
}

/** What has been begun and is not published. */
function Drafts() {
  const drafts = useAnswer<readonly Draft[]>('/drafts');
  if (!drafts.data?.length) return null;
  const newest = [...drafts.data].sort((a, b) => b.updateTime - a.updateTime);
  return (
    <Paper withBorder p="md" component="section" aria-label="Drafts">
      <Stack gap="xs">
        <Text size="sm" fw={550}>
          {many(newest.length, 'draft')}, not published
        </Text>
        <Group gap="xs">
          {newest.map(({ draftId, name, destination, by, updateTime }) => (
            <Button
              key={draftId}
              component={Link}
              to={`/destinations/drafts/${draftId}`}
              variant="default"
              className={classes.draft}
            >
              <span className={classes.draftName}>
                {name || `New ${KINDS[destination.destinationType].name.toLowerCase()}`}
              </span>
              <Text span size="xs" c="dimmed">
                {by}, <Moment at={updateTime} />
              </Text>
            </Button>
          ))}
        </Group>
      </Stack>
    </Paper>
  );
}
