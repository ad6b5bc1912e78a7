/** The account that a process starts with: the one that was saved last, else the demo's. */
import { compileAccount, type Snapshot } from './account/snapshot.ts';
import type { Config } from './config.ts';
import type { AccountStore } from './store/store.ts';

export async function openAccount(
  accounts: AccountStore,
  config: Config,
): Promise<{ snapshot: Snapshot; revision: number; isDemo: boolean }> {
  const saved = await accounts.load();
  if (saved) {
    const { revision, document, origin } = saved;
    return { snapshot: compileAccount(document), revision, isDemo: origin.isDemo === true };
  }
  const { demoAccount } = await import('./demo/account.ts');
  const document = demoAccount({ inbox: inboxOf(config) });
  return { snapshot: compileAccount(document), revision: 0, isDemo: true };
}

/** Where the demo's partner is. */
export const inboxOf = ({ HOST, PORT, DEMO_PORT }: Config): string =>
  `http://${urlHost(HOST)}:${DEMO_PORT || nextPort(PORT)}`;

const nextPort = (port: number) => (port === 65_535 ? port - 1 : port + 1);

/** What a browser on this machine writes for the address that the server listens on. */
export const urlHost = (host: string) =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
