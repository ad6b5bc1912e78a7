/** A peer of `npm run bench:peers`: `node:http`, one GET to Redis for each request, and a fixed answer. */
import http from 'node:http';
import { Redis } from 'ioredis';

const { PORT, REDIS_PORT, PREFIX, BODY = '' } = process.env;
// Requests of one tick share a packet.
const redis = new Redis({ port: Number(REDIS_PORT), enableAutoPipelining: true });
const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(BODY) };

http
  .createServer((request, response) => {
    const id = /demdex=(\d+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
    redis.getBuffer(`${PREFIX}{${id}}`).then(
      () => response.writeHead(200, headers).end(BODY),
      () => response.writeHead(500).end(),
    );
  })
  .listen(Number(PORT), '127.0.0.1');
