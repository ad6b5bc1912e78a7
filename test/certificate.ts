/** Certificates for servers in tests, of an authority of their own. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './server.ts';

/** Names of files. */
export interface Certificate {
  readonly ca: string;
  readonly key: string;
  readonly certificate: string;
}

/** For a server of this machine, which is also called partner.example. */
export function makeCertificate(): Certificate {
  const folder = temporaryFolder();
  const file = (name: string) => path.join(folder, name);
  const openssl = (...line: string[]) => execFileSync('openssl', line, { stdio: 'ignore' });
  const days = ['-days', '2'];
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=Test authority', ...days],
    ...['-keyout', file('ca.key'), '-out', file('ca.crt')],
  );
  openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=127.0.0.1'],
    ...['-keyout', file('server.key'), '-out', file('server.csr')],
  );
  fs.writeFileSync(
    file('names'),
    'subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost,DNS:partner.example',
  );
  openssl(
    ...['x509', '-req', '-in', file('server.csr'), '-CA', file('ca.crt'), '-CAkey', file('ca.key')],
    ...['-CAcreateserial', ...days, '-extfile', file('names'), '-out', file('server.crt')],
  );
  return { ca: file('ca.crt'), key: file('server.key'), certificate: file('server.crt') };
}
