/** A partner for benchmarks: takes messages, and says how many it has. `PORT` is its port. */
import http from 'node:http';

const taken = { messages: 0, users: 0 };

http
  .createServer((request, response) => {
    if (request.method === 'GET') {
      response.end(JSON.stringify(taken));
      return;
    }
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      taken.messages++;
      taken.users += Number(JSON.parse(Buffer.concat(parts).toString()).User_count);
      response.end();
    });
  })
  .listen(Number(process.env.PORT), '127.0.0.1');
