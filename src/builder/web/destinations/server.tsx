/** Configuration of a server-to-server destination. */
import {
  NumberInput,
  Paper,
  PasswordInput,
  Radio,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TextInput,
  Title,
} from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../api.ts';
import type { StepProps } from './editor.tsx';
import { flag, number, text } from './field.ts';

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
      {isFile ? <Files {...props} /> : <RealTime {...props} />}
    </>
  );
}

function RealTime(props: StepProps) {
  const { destination, set, problems } = props;
  const { oauth } = destination;
  const keys = destination.signatureKeys ?? [];
  const [proof, setProof] = useState(
    oauth ? 'oauth' : destination.signatureHeader || keys.length > 0 ? 'signature' : 'none',
  );
  const prove = (value: string) => {
    setProof(value);
    set({
      ...(value !== 'signature' && {
        signatureHeader: null,
        signatureKeys: null,
        signatureAlgorithm: null,
      }),
      ...(value === 'signature' && {
        signatureHeader: destination.signatureHeader || 'X-Signature',
        signatureAlgorithm: destination.signatureAlgorithm ?? 'sha256',
      }),
      oauth: value === 'oauth' ? { tokenUrl: '', clientId: '', clientSecret: '' } : null,
    });
  };
  const setKey = (at: number, key: string) =>
    set({ signatureKeys: [0, 1].map((i) => (i === at ? key : (keys[i] ?? ''))).filter(Boolean) });
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>The partner’s endpoint</Title>
        <TextInput
          label="Address"
          description="It takes a POST with JSON, over https. Example: https://partner.example/audience"
          spellCheck={false}
          {...text(props, 'endpointUrl')}
        />
        <div>
          <SegmentedControl
            aria-label="How the partner knows that it is you"
            value={proof}
            onChange={prove}
            data={[
              { value: 'none', label: 'No proof' },
              { value: 'signature', label: 'Signature' },
              { value: 'oauth', label: 'OAuth 2.0' },
            ]}
          />
        </div>
        {proof === 'signature' && (
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput label="Header" {...text(props, 'signatureHeader')} />
            <Select
              label="Algorithm"
              data={[
                { value: 'sha256', label: 'HMAC-SHA-256' },
                { value: 'sha1', label: 'HMAC-SHA-1' },
              ]}
              allowDeselect={false}
              value={destination.signatureAlgorithm ?? 'sha256'}
              onChange={(value) => set({ signatureAlgorithm: value as 'sha1' | 'sha256' })}
            />
            <PasswordInput
              label="Key"
              description="Empty: the stored one stays. Drafts do not keep it."
              autoComplete="off"
              value={keys[0] ?? ''}
              error={problems.at('signatureKeys')}
              onChange={(event) => setKey(0, event.currentTarget.value)}
            />
            <PasswordInput
              label="Second key (optional)"
              description="During a rotation, both are valid."
              autoComplete="off"
              value={keys[1] ?? ''}
              onChange={(event) => setKey(1, event.currentTarget.value)}
            />
          </SimpleGrid>
        )}
        {proof === 'oauth' && oauth && (
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput
              label="Token address"
              value={oauth.tokenUrl}
              error={problems.at('oauth.tokenUrl')}
              onChange={(event) =>
                set({ oauth: { ...oauth, tokenUrl: event.currentTarget.value } })
              }
            />
            <TextInput
              label="Client id"
              value={oauth.clientId}
              error={problems.at('oauth.clientId')}
              onChange={(event) =>
                set({ oauth: { ...oauth, clientId: event.currentTarget.value } })
              }
            />
            <PasswordInput
              label="Client secret"
              description="Drafts do not keep it."
              autoComplete="off"
              value={oauth.clientSecret}
              error={problems.at('oauth.clientSecret')}
              onChange={(event) =>
                set({ oauth: { ...oauth, clientSecret: event.currentTarget.value } })
              }
            />
          </SimpleGrid>
        )}
      </Stack>
    </Paper>
  );
}

function Files(props: StepProps) {
  const { destination, set } = props;
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>The files</Title>
        <TextInput
          label="Where they go"
          description="A folder on the server, sftp://user@host/folder, or s3://bucket/folder"
          spellCheck={false}
          {...text(props, 'target')}
        />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput
            label="Schedule"
            description="Five cron fields, UTC. Example: 0 4 * * * is every day at 04:00."
            spellCheck={false}
            {...text(props, 'schedule')}
          />
          <Select
            label="What a file holds"
            data={[
              { value: 'full', label: 'Everybody in the mapped segments' },
              { value: 'iter', label: 'What changed since the last file' },
            ]}
            allowDeselect={false}
            value={destination.syncMode ?? 'full'}
            onChange={(value) => set({ syncMode: value as 'full' | 'iter' })}
          />
          <NumberInput
            label="Lines of a file, at most (optional)"
            description="More are split into several files."
            min={1}
            {...number(props, 'splitLines')}
          />
        </SimpleGrid>
        <Switch label="Compress with gzip" {...flag(props, 'compress')} />
      </Stack>
    </Paper>
  );
}
