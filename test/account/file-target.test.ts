/** Where files go and when, as the account says it. */
import { describe, expect, it } from 'vitest';
import { AccountError, type Problem } from '../../src/account/problem.ts';
import { compileAccount } from '../../src/account/snapshot.ts';
import type { FileTransfer } from '../../src/destinations/destination.ts';
import { changed } from './example.ts';

const FINGERPRINT = `SHA256:${'a'.repeat(43)}`;
const KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIIgPr1jUqXXn0aUZvB0bQ4UO4yJ7vQ4hJjX5sQYp0o3q';
const PEM = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg==\n-----END OPENSSH PRIVATE KEY-----\n';

function compiled(fields: Record<string, unknown>): FileTransfer {
  const own = Object.fromEntries(
    Object.entries({ transfer: 'file', ...fields }).map(([name, value]) => [
      `destinations[4].${name}`,
      value,
    ]),
  );
  const destination = compileAccount(changed(own)).destinations[4];
  if (destination.kind !== 'server' || destination.transfer.kind !== 'file') throw new Error();
  return destination.transfer;
}

function problemsOf(fields: Record<string, unknown>): readonly Problem[] {
  try {
    compiled(fields);
  } catch (error) {
    if (error instanceof AccountError) return error.problems;
    throw error;
  }
  return [];
}

type Refused = [fields: Record<string, unknown>, path: string, wrong: string, instead: string];

const sftp = { hostKey: FINGERPRINT, password: 'hush' };
const s3 = { accessKeyId: 'id', secretAccessKey: 'hush' };

describe('a target', () => {
  it.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{ target: 'out' }, { kind: 'folder', path: 'out' }],
    [{ target: 'partner/in' }, { kind: 'folder', path: 'partner/in' }],
    [{ target: 'a..b/.hidden' }, { kind: 'folder', path: 'a..b/.hidden' }],
    [
      { target: 'sftp://us@partner.example', credentials: sftp },
      {
        ...{ kind: 'sftp', host: 'partner.example', port: 22, user: 'us', path: '/' },
        ...{ hostKeys: [FINGERPRINT], password: 'hush' },
      },
    ],
    [
      { target: 'sftp://us%40them@partner.example:2222/in/box', credentials: sftp },
      { user: 'us@them', port: 2222, path: '/in/box' },
    ],
    [
      { target: 'sftp://us@[2001:db8::1]/~/in', credentials: sftp },
      { host: '2001:db8::1', path: 'in' },
    ],
    [{ target: 'sftp://us@partner.example/~', credentials: sftp }, { path: '.' }],
    [
      {
        target: 'SFTP://us@partner.example/in',
        credentials: {
          hostKey: `partner.example ssh-ed25519 ${KEY} comment\nssh-rsa ${KEY}\n${FINGERPRINT}=\n`,
          privateKey: PEM,
          passphrase: 'hush',
        },
      },
      { hostKeys: [KEY, KEY, FINGERPRINT], privateKey: PEM, passphrase: 'hush' },
    ],
    [
      { target: 's3://bucket', credentials: s3 },
      {
        ...{ kind: 's3', bucket: 'bucket', prefix: '', endpoint: undefined, region: 'us-east-1' },
        ...{ accessKeyId: 'id', secretAccessKey: 'hush' },
      },
    ],
    [
      {
        target: 's3://bucket.eu/a/b/',
        endpoint: 'https://storage.example:9000/',
        region: 'eu-central-1',
        credentials: s3,
      },
      {
        ...{ bucket: 'bucket.eu', prefix: 'a/b/', endpoint: 'https://storage.example:9000' },
        region: 'eu-central-1',
      },
    ],
  ])('%o', (fields, expected) => {
    expect(compiled(fields).target).toMatchObject(expected);
  });

  it.each<Refused>([
    [{}, 'target', 'missing', 'sftp://'],
    ...(['/etc', '\\\\host\\share', '~/in'].map(
      (target): Refused => [{ target }, 'target', 'not below the folder', 'partner/in'],
    ) as []),
    ...(['..', '../x', 'a/../../b', 'a\\..\\b'].map(
      (target): Refused => [{ target }, 'target', 'no path that leads down', 'partner/in'],
    ) as []),
    [
      { target: 'ftp://us@partner.example/in' },
      'target',
      'no way to send files by ftp:',
      'sftp://',
    ],
    [{ target: 'https://partner.example/' }, 'target', 'no way to send files by https:', 's3://'],
    [
      { target: 'sftp://us:hush@partner.example/', credentials: sftp },
      'target',
      'everybody could read the password',
      'credentials.password',
    ],
    ...([
      'sftp://partner.example/in',
      'sftp://us@/in',
      'sftp://us@h/%zz',
      'sftp:in',
      'sftp://us@h/?q',
    ].map(
      (target): Refused => [
        { target, credentials: sftp },
        'target',
        'no address of a folder',
        'sftp://user@host',
      ],
    ) as []),
    [
      { target: 'sftp://us@h/', credentials: { password: 'hush' } },
      'credentials.hostKey',
      'anybody could pose as the server',
      'SHA256:',
    ],
    [
      { target: 'sftp://us@h/', credentials: { ...sftp, hostKey: 'MD5:aa:bb' } },
      'credentials.hostKey',
      'no key of a host',
      'known_hosts',
    ],
    [
      { target: 'sftp://us@h/', credentials: { hostKey: FINGERPRINT } },
      'credentials.password',
      'missing',
      'one of them',
    ],
    [
      { target: 'sftp://us@h/', credentials: { hostKey: FINGERPRINT, privateKey: 'hush' } },
      'credentials.privateKey',
      'no private key',
      'BEGIN',
    ],
    [{ target: 's3://B/x', credentials: s3 }, 'target', 'no name of a bucket', 's3://bucket/path'],
    [{ target: 's3:bucket', credentials: s3 }, 'target', 'no name of a bucket', 's3://bucket/path'],
    [{ target: 's3://bucket' }, 'credentials.accessKeyId', 'missing', 'put objects'],
    [{ target: 's3://bucket' }, 'credentials.secretAccessKey', 'missing', 'put objects'],
    [
      { target: 's3://bucket', endpoint: 'ftp://storage.example', credentials: s3 },
      'endpoint',
      'not a secure address',
      'https://',
    ],
    [{ target: 's3://bucket', region: 'EU West' }, 'region', 'no region', 'eu-central-1'],
    [
      { target: 's3://bucket', credentials: { key: 1 } },
      'credentials.key',
      'no such field',
      'README',
    ],
  ])('%o is refused', (fields, path, wrong, instead) => {
    const problems = problemsOf(fields);
    const problem = problems.find((own) => own.path === `destinations[4].${path}`);
    expect(problem, JSON.stringify(problems)).toBeDefined();
    expect(problem?.wrong).toContain(wrong);
    expect(problem?.instead).toContain(instead);
    expect(JSON.stringify(problems)).not.toContain('hush');
  });
});

describe('a schedule', () => {
  it('is optional', () => {
    expect(compiled({ target: 'out' }).schedule).toBeUndefined();
    expect(compiled({ target: 'out', schedule: '' }).schedule).toBeUndefined();
    expect(compiled({ target: 'out', schedule: '30 2 * * *' }).schedule).toBe('30 2 * * *');
  });

  it.each([
    ['every day', 'no schedule'],
    ['0 25 * * *', 'Invalid value for hour'],
    ['0 0 31 4 *', 'never comes'],
  ])('%o is refused', (schedule, wrong) => {
    const [problem] = problemsOf({ target: 'out', schedule });
    expect(problem.path).toBe('destinations[4].schedule');
    expect(problem.wrong).toContain(wrong);
    expect(problem.instead).toContain('30 2 * * *');
  });
});
