/** What Switchyard is measured against: a fixed body through the same Hono and the same adapter. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const body = process.env.BODY ?? '{}';
const app = new Hono();
app.all('/event', (c) => c.body(body, 200, { 'Content-Type': 'application/json' }));
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT) }, () =>
  console.log('the baseline listens on 127.0.0.1'),
);
