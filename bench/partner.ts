/**
 * A partner for benchmarks: takes messages, and says how many it has. After `PUT /silent` it answers none,
 * until `PUT /well`. `PORT` is its port.
 */
import http from 'node:http';

const taken = { messages: 0, users: 0 };
let isSilent = false;

http
  .createServer((request, response) => {
    if (request.method === 'GET') {
      response.end(JSON.stringify(taken));
      return;
    }
    if (request.method === 'PUT') {
      isSilent = request.url === '/silent';
      response.end();
      return;
    }
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      if (isSilent) return;
      taken.messages++;
      taken.users += Number(JSON.parse(Buffer.concat(parts).toString()).User_count);
      response.end();
    });
  })
  .listen(Number(process.env.PORT), '127.0.0.1');
