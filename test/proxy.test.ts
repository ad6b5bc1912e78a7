/** That the proxy which other tests rely on does what it says, before a real Redis. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startProxy } from './proxy.ts';
import { startRedis } from './redis.ts';
import { service } from './services.ts';

const missing = service('redis-server', 'apt-get install redis-server') === undefined;

/** A connection whose answers are waited for; `undefined` if none came in time. */
async function connectTo(port: number) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  return {
    socket,
    closed,
    async send(bytes: string | Buffer): Promise<string | undefined> {
      const answer = once(socket, 'data').then(([data]) => String(data));
      socket.write(bytes);
      return await Promise.race([answer, sleep(200, undefined)]);
    },
  };
}

const ping = '*1\r\n$4\r\nPING\r\n';
const pong = '+PONG\r\n';

describe.skipIf(missing)('Proxy', () => {
  it('counts commands and breaks the network', async () => {
    const redis = await startRedis();
    const proxy = await startProxy(redis.port);
    const first = await connectTo(proxy.port);

    // Byte by byte, with a value that looks like a command.
    const value = Buffer.from([...Buffer.from('\r\n*1\r\n$4\r\nPING\r\n'), 0, 255]);
    const head = `*3\r\n$3\r\nSeT\r\n$1\r\na\r\n$${value.length}\r\n`;
    const command = Buffer.concat([Buffer.from(head), value, Buffer.from('\r\n')]);
    for (const byte of command.subarray(0, -1)) {
      first.socket.write(Buffer.of(byte));
      await sleep(0);
    }
    expect(await first.send(command.subarray(-1))).toBe('+OK\r\n');
    expect(await first.send(ping + ping)).toContain(pong);
    expect(proxy.commands()).toEqual(['set', 'ping', 'ping']);
    proxy.reset();

    proxy.delay(100);
    const start = Date.now();
    expect(await first.send(ping)).toBe(pong);
    expect(Date.now() - start).toBeGreaterThanOrEqual(95);
    proxy.heal();

    proxy.deaf();
    expect(await first.send('*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n')).toBeUndefined();
    expect(await redis.cli('GET', 'n')).toBe('1');
    expect(proxy.commands()).toEqual(['ping', 'incr']);
    const unharmed = await connectTo(proxy.port);
    expect(proxy.connections).toBe(2);
    proxy.heal();
    await first.closed;
    expect(await unharmed.send(ping)).toBe(pong);
    expect(proxy.connections).toBe(1);

    proxy.blackHole();
    proxy.reset();
    const swallowed = await connectTo(proxy.port);
    expect(await swallowed.send(ping)).toBeUndefined();
    expect(proxy.commands()).toEqual([]);
    proxy.heal();
    await swallowed.closed;
    expect(await unharmed.send(ping)).toBe(pong);

    proxy.refuse();
    await (await connectTo(proxy.port)).closed;
    expect(await unharmed.send(ping)).toBe(pong);
    proxy.cut();
    await unharmed.closed;
    proxy.heal();
    const last = await connectTo(proxy.port);
    expect(await last.send(ping)).toBe(pong);
    await proxy.stop();
    await last.closed;
    expect(proxy.connections).toBe(0);
    await redis.stop();
  });
});
