/** Compiles where files go: a folder, an SFTP server, or S3-compatible storage. */
import type { FileTarget, S3Target, SftpTarget } from '../destinations/destination.ts';
import type { DestinationDocument } from './document.ts';
import type { Problem } from './problem.ts';

type S2sDocument = Extract<DestinationDocument, { destinationType: 'S2S' }>;

/** Problems never show what is in `credentials`, nor a password that stands in the target. */
export function compileTarget(
  document: S2sDocument,
  path: string,
  problems: Problem[],
): FileTarget {
  const target = document.target ?? '';
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(target)?.[1].toLowerCase();
  if (scheme === 'sftp') return compileSftp(target, document, path, problems);
  if (scheme === 's3') return compileS3(target, document, path, problems);
  const wrong = !target
    ? 'missing, though transfer is "file"'
    : scheme !== undefined
      ? `there is no way to send files by ${scheme}:`
      : /^[/\\~]/.test(target)
        ? 'not below the folder that the operator allows'
        : target.split('/').includes('..') || /[\\\0]/.test(target)
          ? 'no path that leads down from the folder that the operator allows'
          : undefined;
  if (wrong) {
    problems.push({
      path: `${path}.target`,
      wrong,
      instead:
        'write where the files go: a folder such as partner/in, sftp://user@host/path or s3://bucket/path',
    });
  }
  return { kind: 'folder', path: target };
}

function compileSftp(
  target: string,
  { credentials }: S2sDocument,
  path: string,
  problems: Problem[],
): SftpTarget {
  const url = URL.parse(target);
  const field = (name: string) => `${path}.${name}`;
  const say = (name: string, wrong: string, instead: string) =>
    problems.push({ path: field(name), wrong, instead });
  const pathname = url && decoded(url.pathname);
  const user = url && decoded(url.username);
  const isPlain = url?.hostname && user && pathname != null && !url.search && !url.hash;
  if (url?.password) {
    say('target', 'everybody could read the password in it', 'write it as credentials.password');
  } else if (!isPlain) {
    say(
      'target',
      'no address of a folder',
      'write sftp://user@host/path or sftp://user@host:port/path',
    );
  }
  const lines = (credentials?.hostKey ?? '').split('\n').map((line) => line.trim());
  const hostKeys = lines.filter(Boolean).map(hostKeyOf);
  if (hostKeys.length === 0 || hostKeys.includes(undefined)) {
    say(
      'credentials.hostKey',
      hostKeys.length === 0 ? 'missing, so anybody could pose as the server' : 'no key of a host',
      'write its fingerprint (SHA256:…), which the partner tells you, or its line of known_hosts',
    );
  }
  if (!credentials?.password && !credentials?.privateKey) {
    say('credentials.password', 'missing, and there is no privateKey', 'write one of them');
  }
  if (
    credentials?.privateKey &&
    !/^\s*-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s/.test(credentials.privateKey)
  ) {
    say(
      'credentials.privateKey',
      'no private key',
      'write the whole file, from -----BEGIN … PRIVATE KEY----- to its end',
    );
  }
  return {
    kind: 'sftp',
    host: (url?.hostname ?? '').replace(/^\[|\]$/g, ''),
    port: Number(url?.port || 22),
    user: user ?? '',
    path: (pathname ?? '').replace(/^\/~(\/|$)/, '') || (/^\/?$/.test(pathname ?? '') ? '/' : '.'),
    hostKeys: hostKeys.filter((key) => key !== undefined),
    password: credentials?.password || undefined,
    privateKey: credentials?.privateKey || undefined,
    passphrase: credentials?.passphrase || undefined,
  };
}

/** Of a fingerprint, a public key, or a line of known_hosts. */
const hostKeyOf = (line: string): string | undefined =>
  /^(SHA256:[A-Za-z0-9+/]{43})=?$/.exec(line)?.[1] ??
  /^(?:\S+\s+)?(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d+)\s+([A-Za-z0-9+/]{40,}=*)(?:\s|$)/.exec(
    line,
  )?.[1];

function compileS3(
  target: string,
  { endpoint, region, credentials }: S2sDocument,
  path: string,
  problems: Problem[],
): S3Target {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]*)\/?(.*)$/i.exec(target) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || prefix.split('/').includes('..')) {
    problems.push({
      path: `${path}.target`,
      wrong: 'there is no name of a bucket and a path in it',
      instead: 'write s3://bucket/path',
    });
  }
  const url = endpoint ? URL.parse(endpoint) : undefined;
  // That it is https is looked at when it is saved (`outbound/screening.ts`).
  const isAddress =
    url && /^https?:$/.test(url.protocol) && !(url.username || url.search || url.hash);
  if (endpoint && !isAddress) {
    problems.push({
      path: `${path}.endpoint`,
      wrong: 'not a secure address of storage',
      instead: 'write one that starts with https://, or leave it out for Amazon S3',
    });
  }
  for (const name of ['accessKeyId', 'secretAccessKey'] as const) {
    if (credentials?.[name]) continue;
    problems.push({
      path: `${path}.credentials.${name}`,
      wrong: 'missing',
      instead: 'write the key of somebody who may put objects into the bucket',
    });
  }
  return {
    kind: 's3',
    bucket,
    prefix: prefix.replace(/^\/+|\/+$/g, '').replace(/.$/, '$&/'),
    endpoint: url?.href.replace(/\/+$/, ''),
    region: region || 'us-east-1',
    accessKeyId: credentials?.accessKeyId ?? '',
    secretAccessKey: credentials?.secretAccessKey ?? '',
  };
}

/** Undefined where it cannot be decoded. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
