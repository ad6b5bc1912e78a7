/** How a process listens for calls. */
import { type ServerType, serve } from '@hono/node-server';
import { ConfigError } from './config.ts';

type Fetch = Parameters<typeof serve>[0]['fetch'];

/** @throws ConfigError where nobody can listen there */
export function listen(
  fetch: Fetch,
  hostname: string,
  port: number,
  setting: 'PORT' | 'ADMIN_PORT' | 'DEMO_PORT',
): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve(
      {
        fetch,
        hostname,
        port,
        serverOptions: {
          // A call without Host gets its answer, too; so does one that is far too long.
          requireHostHeader: false,
          maxHeaderSize: 128 * 1024,
          headersTimeout: 10_000,
          requestTimeout: 10_000,
          connectionsCheckingInterval: 1_000,
        },
      },
      () => resolve(server),
    );
    server.once('error', (error: NodeJS.ErrnoException) => {
      const instead =
        error.code === 'EADDRINUSE'
          ? `stop what listens there, or set ${setting}`
          : `set HOST to an address of this machine, and ${setting} to a port that may be used`;
      reject(new ConfigError(`Port ${port} of ${hostname}: ${error.message}\n  ${instead}`));
    });
  });
}
