/**
 * `npm run bench:peers`: a full visit on Redis beside servers that do far less: nginx with its Lua
 * module and `node:http` with ioredis, which both read the visitor's value by one GET and give a fixed
 * answer. One process each, on one Redis; loaded in turn (A B C C B A, several rounds).
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { SMALL } from './account.ts';
import {
  answerOf,
  bench,
  type Contender,
  cpuSeconds,
  folder,
  inMicroseconds,
  inThousands,
  mean,
  range,
  saturate,
  startNode,
  startProcess,
  startRedis,
  startSwitchyard,
} from './contender.ts';
import { openLoop } from './generator.ts';

const HELP = `npm run bench:peers -- [options]

  --rounds N        rounds of A B C C B A (default 4)
  --duration N      seconds of each measurement (default 4)
  --connections N   connections (default 64)
  --visitors N      returning visitors (default 20000)
  --rate N          requests a second for the latencies (default: half of what the slowest can do)
  --help            this text

Needs redis-server and nginx with its Lua module (Debian: libnginx-mod-http-lua).
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' },
    duration: { type: 'string', default: '4' },
    connections: { type: 'string', default: '64' },
    visitors: { type: 'string', default: '20000' },
    rate: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const PREFIX = 'bench:';

async function run(): Promise<void> {
  const load = {
    connections: Number(values.connections),
    seconds: Number(values.duration),
    visitors: Number(values.visitors),
  };
  const redis = await startRedis();
  const ours = await startSwitchyard('Switchyard', SMALL, 9301, {
    REDIS_URL: redis.url,
    REDIS_PREFIX: PREFIX,
  });
  const body = await answerOf(ours);
  const peer = { REDIS_PORT: new URL(redis.url).port, PREFIX, BODY: body };
  const nginx = await startNginx(9304, peer);
  const node = await startNode('node:http + ioredis', 'bench/peer.ts', 9305, peer);
  const all = [ours, nginx, node];
  const inTurn = [...all, ...[...all].reverse()];
  // Every visitor has been here before, and every path is warm.
  for (const contender of all) await saturate(contender, { ...load, seconds: 3 });

  const figures = new Map(all.map(({ name }) => [name, figuresOf()]));
  const of = (contender: Contender) => figures.get(contender.name) as Figures;
  const ratios = new Map(all.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < Number(values.rounds); round++) {
    const sums = new Map<string, number>();
    for (const contender of inTurn) {
      const before = cpuSeconds(redis);
      const { rate, cpu } = await saturate(contender, load);
      of(contender).rates.push(rate);
      of(contender).cpu.push(cpu);
      of(contender).redisCpu.push((cpuSeconds(redis) - before) / (rate * load.seconds));
      sums.set(contender.name, (sums.get(contender.name) ?? 0) + rate);
    }
    for (const { name } of all) {
      ratios.get(name)?.push((sums.get(ours.name) ?? 0) / (sums.get(name) ?? 0));
    }
    console.log(
      `round ${round + 1}: Switchyard / nginx ${ratios.get(nginx.name)?.[round].toFixed(2)}`,
    );
  }
  const slowest = Math.min(...all.flatMap((contender) => of(contender).rates));
  const rate = Math.round(Number(values.rate ?? slowest / 2));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const contender of inTurn) {
      const { latency, errors, late } = await openLoop({
        ...load,
        rate,
        origin: contender.origin,
      });
      if (errors > 0) throw new Error(`${contender.name}: ${errors} errors at ${rate}/s`);
      if (late > 0) console.log(`${contender.name}: ${late} answers without Redis`);
      of(contender).p50.push(latency.getValueAtPercentile(50) / 1_000);
      of(contender).p99.push(latency.getValueAtPercentile(99) / 1_000);
    }
  }
  for (const contender of all) {
    const { rates, cpu, redisCpu, p50, p99 } = of(contender);
    console.log(
      `${contender.name.padEnd(20)} ${range(rates, inThousands)} requests/s, CPU of each ` +
        `${inMicroseconds(mean(cpu))} µs and of Redis ${inMicroseconds(mean(redisCpu))} µs; at ${rate}/s ` +
        `p50 ${range(p50, inMilliseconds)} ms, p99 ${range(p99, inMilliseconds)} ms (median ${inMilliseconds(median(p99))})`,
    );
  }
  for (const { name } of [nginx, node]) {
    const all = ratios.get(name) ?? [];
    console.log(
      `Switchyard / ${name}: ${mean(all).toFixed(2)} (${range(all, (r) => r.toFixed(2))})`,
    );
  }
}

interface Figures {
  readonly rates: number[];
  readonly cpu: number[];
  readonly redisCpu: number[];
  /** Milliseconds. */
  readonly p50: number[];
  readonly p99: number[];
}

const figuresOf = (): Figures => ({ rates: [], cpu: [], redisCpu: [], p50: [], p99: [] });
const inMilliseconds = (milliseconds: number) => milliseconds.toFixed(2);
const median = (numbers: readonly number[]) =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** nginx with one worker, which takes its connections to Redis from a pool. */
async function startNginx(
  port: number,
  { REDIS_PORT, BODY }: { readonly REDIS_PORT: string; readonly BODY: string },
): Promise<Contender> {
  const module = (name: string) =>
    [`/usr/lib/nginx/modules/${name}`, `/usr/share/nginx/modules/${name}`].find(fs.existsSync);
  const modules = ['ndk_http_module.so', 'ngx_http_lua_module.so'].map(module);
  if (modules.includes(undefined)) {
    throw new Error('nginx with its Lua module is needed: apt-get install libnginx-mod-http-lua');
  }
  const body = path.join(folder, 'body.json');
  fs.writeFileSync(body, BODY);
  const configuration = path.join(folder, 'nginx.conf');
  fs.writeFileSync(
    configuration,
    `${modules.map((file) => `load_module ${file};`).join('\n')}
daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  init_by_lua_block {
    local file = io.open('${body}')
    body = file:read('*a')
    file:close()
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      content_by_lua_block {
        local redis = ngx.socket.tcp()
        redis:settimeout(1000)
        local ok, err = redis:connect('127.0.0.1', ${REDIS_PORT})
        if not ok then ngx.log(ngx.ERR, err) return ngx.exit(500) end
        local key = '${PREFIX}{' .. (ngx.var.cookie_demdex or '') .. '}'
        redis:send('*2\\r\\n$3\\r\\nGET\\r\\n$' .. #key .. '\\r\\n' .. key .. '\\r\\n')
        local size = tonumber(string.sub(redis:receive(), 2))
        if size >= 0 then redis:receive(size + 2) end
        redis:setkeepalive(60000, 256)
        ngx.header['Content-Type'] = 'application/json'
        ngx.header['Content-Length'] = #body
        ngx.print(body)
      }
    }
  }
}
`,
  );
  return startProcess('nginx + Lua', 'nginx', ['-c', configuration, '-p', folder], {}, port);
}

if (values.help) console.log(HELP);
else await bench(run);
