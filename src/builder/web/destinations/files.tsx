/** Files for a partner: where they go, when, and what is in them. */
import {
  NumberInput,
  Paper,
  PasswordInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { useState } from 'react';
import type { Destination } from './destination.ts';
import type { StepProps } from './editor.tsx';
import { flag, isKept, number, secret, text } from './field.ts';
import { scheduleInWords } from './schedule.ts';

type Place = 'folder' | 'sftp' | 's3';

const placeOf = ({ target }: Destination): Place => {
  const scheme = /^(sftp|s3):/i.exec(target ?? '')?.[1].toLowerCase();
  return (scheme as 'sftp' | 's3' | undefined) ?? 'folder';
};

const STARTS: Readonly<Record<Place, string>> = { folder: '', sftp: 'sftp://', s3: 's3://' };

export function Files(props: StepProps) {
  return (
    <>
      <Target {...props} />
      <Contents {...props} />
    </>
  );
}

function Target(props: StepProps) {
  const { destination, set } = props;
  const [place, setPlace] = useState(() => placeOf(destination));
  const go = (value: string) => {
    setPlace(value as Place);
    const kept = (destination.notShown ?? []).flatMap(
      (path) => /^credentials\.(\w+)$/.exec(path)?.[1] ?? [],
    );
    set({
      target: STARTS[value as Place],
      endpoint: null,
      region: null,
      // What opened the other place is forgotten.
      credentials:
        kept.length > 0 ? Object.fromEntries(kept.map((part) => [part, null])) : undefined,
    });
  };
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>Where the files go</Title>
        <div>
          <SegmentedControl
            aria-label="Where the files go"
            value={place}
            onChange={go}
            data={[
              { value: 'folder', label: 'Folder' },
              { value: 'sftp', label: 'SFTP' },
              { value: 's3', label: 'S3' },
            ]}
          />
        </div>
        {place === 'folder' && (
          <TextInput
            label="Folder"
            description="Below the folder that the operator allows. Example: partner/in"
            spellCheck={false}
            {...text(props, 'target')}
          />
        )}
        {place === 'sftp' && <Sftp {...props} />}
        {place === 's3' && <S3 {...props} />}
      </Stack>
    </Paper>
  );
}

function Sftp(props: StepProps) {
  const { destination, set } = props;
  const { credentials } = destination;
  const [login, setLogin] = useState(() =>
    isKept(destination, 'credentials', 'privateKey') || credentials?.privateKey
      ? 'privateKey'
      : 'password',
  );
  const logIn = (value: string) => {
    setLogin(value);
    const { password: _, privateKey: __, passphrase: ___, ...rest } = credentials ?? {};
    set({
      credentials:
        value === 'password'
          ? { ...rest, privateKey: null, passphrase: null }
          : { ...rest, password: null },
    });
  };
  return (
    <>
      <TextInput
        label="Address"
        description="Example: sftp://user@partner.example/in, with :port after the host if it is not 22."
        spellCheck={false}
        {...text(props, 'target')}
      />
      <Textarea
        label="Key of the server"
        description="Its fingerprint (SHA256:…), which the partner tells you, or its line of known_hosts. Nothing is sent to another server."
        autosize
        minRows={1}
        maxRows={4}
        {...secret(props, 'credentials', 'hostKey')}
      />
      <div>
        <SegmentedControl
          aria-label="How you log in"
          value={login}
          onChange={logIn}
          data={[
            { value: 'password', label: 'Password' },
            { value: 'privateKey', label: 'Private key' },
          ]}
        />
      </div>
      {login === 'password' ? (
        <PasswordInput
          label="Password"
          description="Drafts do not keep it."
          {...secret(props, 'credentials', 'password')}
        />
      ) : (
        <>
          <Textarea
            label="Private key"
            description="The whole file. Drafts do not keep it."
            autosize
            minRows={2}
            maxRows={8}
            {...secret(props, 'credentials', 'privateKey')}
          />
          <PasswordInput
            label="Passphrase of the private key (optional)"
            {...secret(props, 'credentials', 'passphrase')}
          />
        </>
      )}
    </>
  );
}

function S3(props: StepProps) {
  return (
    <>
      <TextInput
        label="Bucket and folder"
        description="Example: s3://bucket/folder"
        spellCheck={false}
        {...text(props, 'target')}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput
          label="Address of the storage (optional)"
          description="Empty: Amazon S3. Example: https://storage.example"
          spellCheck={false}
          {...text(props, 'endpoint')}
        />
        <TextInput
          label="Region (optional)"
          description="Empty: us-east-1."
          spellCheck={false}
          {...text(props, 'region')}
        />
        <TextInput label="Access key id" {...secret(props, 'credentials', 'accessKeyId')} />
        <PasswordInput
          label="Secret access key"
          {...secret(props, 'credentials', 'secretAccessKey')}
        />
      </SimpleGrid>
    </>
  );
}

function Contents(props: StepProps) {
  const { destination, set } = props;
  const words = scheduleInWords(destination.schedule ?? '');
  return (
    <Paper withBorder p="lg">
      <Stack>
        <Title order={2}>The files</Title>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput
            label="Schedule (optional)"
            description={
              words
                ? `That is ${words}.`
                : 'Five cron fields, UTC. Example: 0 4 * * * is every day at 04:00. Empty: when somebody runs it.'
            }
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
            value={destination.syncMode ?? 'iter'}
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
