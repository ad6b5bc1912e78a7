/** What export controls say against the traits of a segment, where it is mapped. */
import { Alert, Anchor, List, Text } from '@mantine/core';
import { IconShieldLock } from '@tabler/icons-react';
import { Link } from 'react-router';
import { useAnswer, withQuery } from '../api.ts';
import { type ExportLabel, titleOf } from '../export-labels.ts';
import type { KnownTrait, KnownTraits } from './language.ts';

interface DataSource {
  readonly dataSourceId: number;
  readonly name: string;
  readonly dataExportRestrictions?: readonly ExportLabel[] | null;
}

interface Destination {
  readonly destinationId: number;
  readonly name: string;
  readonly dataExportLabels?: readonly ExportLabel[] | null;
}

interface Blocked {
  readonly trait: KnownTrait;
  readonly source: DataSource;
  readonly destination: Destination;
  readonly label: ExportLabel;
}

const ASKED = 200;

interface ExportControlsProps {
  /** The segment, once it exists: what is new is mapped nowhere. */
  readonly segment: number | undefined;
  /** Ids of the traits that its rule names. */
  readonly named: readonly number[];
  readonly traits: KnownTraits;
  readonly sources: readonly DataSource[];
}

export function ExportControls({ segment, named, traits, sources }: ExportControlsProps) {
  const path = withQuery('/destinations', { containsSegment: segment, page: 0, pageSize: ASKED });
  const { data } = useAnswer<{ list: readonly Destination[] }>(path, {
    enabled: segment !== undefined,
  });
  const blocked = blockedBy(
    named.map((sid) => traits.get(sid) ?? null),
    sources,
    data?.list ?? [],
  );
  if (blocked.length === 0) return null;
  return (
    <Alert
      color="amber"
      icon={<IconShieldLock aria-hidden />}
      title="Export controls forbid this, so it cannot be saved"
    >
      <List size="sm" spacing={4}>
        {blocked.map(({ trait, source, destination, label }) => (
          <List.Item key={`${trait.sid} ${destination.destinationId} ${label}`}>
            “{trait.name}” comes from the data source “{source.name}”, whose data must not be used
            for <b>{titleOf(label)}</b>, and the segment is mapped to{' '}
            <Anchor component={Link} to={`/destinations/${destination.destinationId}`} size="sm">
              {destination.name}
            </Anchor>
            , which uses it for that.
          </List.Item>
        ))}
      </List>
      <Text size="sm" mt={6}>
        Leave the trait out, or take the segment out of that destination first.
      </Text>
    </Alert>
  );
}

/** Folder traits are judged by the server, which knows what they sum up. */
function blockedBy(
  traits: readonly (KnownTrait | null)[],
  sources: readonly DataSource[],
  destinations: readonly Destination[],
): Blocked[] {
  const labelled = destinations.filter(({ dataExportLabels }) => dataExportLabels?.length);
  if (labelled.length === 0) return [];
  const byId = new Map(sources.map((source) => [source.dataSourceId, source]));
  return traits.flatMap((trait) => {
    const source = trait && byId.get(trait.dataSourceId ?? 0);
    if (!trait || !source) return [];
    return labelled.flatMap((destination) =>
      (source.dataExportRestrictions ?? [])
        .filter((label) => destination.dataExportLabels?.includes(label))
        .map((label) => ({ trait, source, destination, label })),
    );
  });
}
