/** Configuration of a server-to-server destination. */
import { Paper, Radio, Select, SimpleGrid, Stack, TextInput, Title } from '@mantine/core';
import { useAnswer } from '../api.ts';
import type { StepProps } from './editor.tsx';
import { text } from './field.ts';
import { Files } from './files.tsx';
import { Partner } from './partner.tsx';

interface DataSource {
  readonly dataSourceId: number;
  readonly name: string;
}

export function ServerConfiguration(props: StepProps) {
  const { destination, set, problems } = props;
  const isFile = destination.transfer === 'file';
  const sources = useAnswer<readonly DataSource[]>('/datasources');
  return (
    <>
      <Paper withBorder p="lg">
        <Stack>
          <Title order={2}>How it is sent</Title>
          <Radio.Group
            aria-label="How it is sent"
            value={destination.transfer ?? 'realtime'}
            onChange={(value) => set({ transfer: value as 'realtime' | 'file' })}
          >
            <Stack gap="xs">
              <Radio
                value="realtime"
                label="In real time"
                description="Messages as visitors enter and leave segments, within seconds."
              />
              <Radio
                value="file"
                label="As files"
                description="On a schedule, to a folder, SFTP or S3."
              />
            </Stack>
          </Radio.Group>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Select
              label="Which id the partner knows visitors by (optional)"
              description="Visitors without one are sent with Switchyard’s device id."
              data={sources.data?.map(({ dataSourceId, name }) => ({
                value: String(dataSourceId),
                label: `${name} (${dataSourceId})`,
              }))}
              value={destination.userDataSourceId ? String(destination.userDataSourceId) : null}
              onChange={(value) => set({ userDataSourceId: value ? Number(value) : null })}
              error={problems.at('userDataSourceId')}
              clearable
              searchable
            />
            <TextInput
              label={isFile ? 'Alias in the file name (optional)' : 'Client id (optional)'}
              description={isFile ? 'How the partner calls you.' : 'Your account at the partner.'}
              {...text(props, isFile ? 'alias' : 'clientId')}
            />
          </SimpleGrid>
        </Stack>
      </Paper>
      {isFile ? <Files {...props} /> : <Partner {...props} />}
    </>
  );
}
