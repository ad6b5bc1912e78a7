/** A line to a server of this machine, which breaks in the middle of what goes over it. */
import { once } from 'node:events';
import net from 'node:net';

export interface Line {
  readonly port: number;
  /** So many connections have been broken. */
  readonly broken: number;
  /** From now on each connection passes on so many bytes; then it is cut, or silent. */
  breakAfter(bytes: number, how: 'cut' | 'silent'): void;
  heal(): void;
  stop(): Promise<void>;
}

export async function startLine(to: number): Promise<Line> {
  let fault: { bytes: number; how: 'cut' | 'silent' } | undefined;
  const open = new Set<net.Socket>();
  let breaks = 0;
  const server = net.createServer((client) => {
    const partner = net.connect({ port: to, host: '127.0.0.1' });
    const broken = fault;
    let passed = 0;
    open.add(client);
    client.on('data', (bytes) => {
      if (broken && passed < broken.bytes && passed + bytes.length >= broken.bytes) breaks++;
      passed += bytes.length;
      if (!broken || passed < broken.bytes) partner.write(bytes);
      else if (broken.how === 'cut') client.destroy();
    });
    partner.on('data', (bytes) => {
      if (!broken || passed < broken.bytes) client.write(bytes);
    });
    client.on('close', () => {
      open.delete(client);
      partner.destroy();
    });
    partner.on('close', () => client.destroy());
    client.on('error', () => {});
    partner.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    get broken() {
      return breaks;
    },
    breakAfter(bytes, how) {
      fault = { bytes, how };
    },
    heal() {
      fault = undefined;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const client of open) client.destroy();
      await closed;
    },
  };
}
