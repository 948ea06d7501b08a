// Many clients at once, good and bad ones, for ATTENTIOND_LOAD_SECONDS (5).
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { compute, connections, fetchAnswer, get, postAndLeave } from './support/client.js';
import { build, generator, heavyRequest, toBase64 } from './support/numbers.js';
import { sanitized, sleep, start, until } from './support/service.js';

const seconds = Number(process.env.ATTENTIOND_LOAD_SECONDS ?? 5);
const r = generator(13);
const square = (d) => ({ wq: r.tensor(d, d), wk: r.tensor(d, d), wv: r.tensor(d, d), wo: r.tensor(d, d) });

// What is sent, and the answer it deserves; 503 is always allowed.
const kinds = [
  ['POST', '/v1/attention', { sequences: r.tensor(3, 3) }, 200],
  [
    'POST',
    '/v1/attention',
    { sequences: r.tensor(60, 32), weights: square(32), heads: 4, maps: 'mean' },
    200,
  ],
  [
    'POST',
    '/v1/attention',
    { sequences: [r.tensor(1, 8), r.tensor(30, 8), r.tensor(7, 8)], heads: 2, causal: true },
    200,
  ],
  [
    'POST',
    '/v1/attention',
    { sequences: toBase64(r.tensor(300, 32)), heads: 8, maps: 'none', tensor_format: 'base64' },
    200,
  ],
  [
    'POST',
    '/v1/attention',
    {
      query: r.tensor(5, 8),
      key: r.tensor(9, 8),
      value: r.tensor(9, 8),
      mask: r.allowed(5, 9),
      return: ['lse'],
    },
    200,
  ],
  ['POST', '/v1/attention', { sequences: [[1, 2], [3]] }, 422],
  ['POST', '/v1/attention', '{"sequences": [[1, 2]', 400],
  ['POST', '/v1/attention', { sequences: build([2, 5000], () => 1) }, 413],
  ['GET', '/readyz', undefined, 200],
  ['GET', '/metrics', undefined, 200],
  ['GET', '/metrics/requests?limit=5', undefined, 200],
  ['GET', '/nowhere', undefined, 404],
].map(([method, path, body, status]) => [
  method,
  path,
  body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  status,
]);

async function loaded(service, clients, forSeconds) {
  const agent = connections(clients);
  const end = Date.now() + forSeconds * 1000;
  const counts = {};
  const client = async (number) => {
    for (let i = number; Date.now() < end; i++) {
      const [method, path, body, status] = kinds[i % kinds.length];
      const answer = await fetchAnswer(service, agent, method, path, body);
      assert.ok(
        [status, 503].includes(answer.status),
        `${path} ${status}: ${answer.status} ${answer.text.slice(0, 300)}`,
      );
      counts[answer.status] = (counts[answer.status] ?? 0) + 1;
      if (answer.status === 503) await sleep(20);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  agent.destroy();
  return counts;
}

test('64 clients, good and bad: no error but 503', async (t) => {
  const service = await start(['--log-level', 'info']);
  const open = () => readdirSync(`/proc/${service.pid}/fd`).length;
  await compute(service, { sequences: [[1]] });
  const atRest = open();
  const counts = await loaded(service, 64, seconds);
  t.diagnostic(`${seconds} s: ${JSON.stringify(counts)}`);
  assert.ok(counts[200] > 50 * Math.min(seconds, 1));
  assert.ok(counts[422] && counts[400] && counts[413] && counts[404]);
  await compute(service, { sequences: [[1]] });
  await until('connections given back', () => open() <= atRest + 1, 10000);
  const { text } = await get(service, '/metrics');
  assert.match(text, /^attentiond_queue_depth 0$/m);
  assert.match(text, /^attentiond_workers_busy 0$/m);
  await service.stop();
});

test('a full queue refuses at once and says when to come back', async (t) => {
  const service = await start(['--workers', '1', '--queue-depth', '2']);
  const body = heavyRequest(sanitized ? 1 / 200 : 1 / 10);
  const agent = connections(16);
  const begun = Date.now();
  const answers = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const answer = await fetchAnswer(service, agent, 'POST', '/v1/attention', body);
      return { status: answer.status, type: answer.json.type, ms: Date.now() - begun };
    }),
  );
  const refused = answers.filter((a) => a.status === 503);
  const computed = answers.filter((a) => a.status === 200);
  t.diagnostic(
    `${computed.length} computed within ${Math.max(...computed.map((a) => a.ms))} ms, ${refused.length} refused within ${Math.max(...refused.map((a) => a.ms))} ms`,
  );
  assert.ok(computed.length >= 2 && refused.length > 0, JSON.stringify(answers));
  for (const { type } of refused) assert.equal(type, 'urn:attentiond:problem:overloaded');
  agent.destroy();
  await service.stop();
});

test('clients that leave are noticed, and their work is dropped', async (t) => {
  const service = await start(['--workers', '1', '--queue-wait', '60min']);
  const body = heavyRequest(sanitized ? 1 / 50 : 1);
  const leave = Array.from({ length: 6 }, () => postAndLeave(service, body));
  // Begun or in the queue: the worker goes from one to the other.
  await until('they are there', async () =>
    /^attentiond_in_flight_requests [4-7]$/m.test((await get(service, '/metrics')).text),
  );
  leave.forEach((go) => go());
  let cancelled;
  await until('their work is dropped', async () => {
    const { text } = await get(service, '/metrics');
    const counts = [...text.matchAll(/^attentiond_cancelled_total\{.*\} (\d+)$/gm)].map((m) => Number(m[1]));
    cancelled = counts.reduce((sum, count) => sum + count);
    return cancelled && /^attentiond_queue_depth 0$/m.test(text) && /^attentiond_workers_busy 0$/m.test(text);
  });
  t.diagnostic(`${cancelled} of 6 were dropped, the others were done`);
  assert.ok(cancelled >= (sanitized ? 1 : 3));
  await compute(service, { sequences: [[1]] });
  await service.stop();
});
