// Clients of every kind at once, for ATTENTIOND_LOAD_SECONDS (3), and a stop among them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connections, fetchAnswer, get, pipeline, postAndLeave, postAndReset } from './support/client.js';
import { generator, heavyRequest } from './support/numbers.js';
import { sanitized, sleep, start } from './support/service.js';

const seconds = Number(process.env.ATTENTIOND_LOAD_SECONDS ?? 3);
const r = generator(32);
const small = JSON.stringify({ sequences: r.tensor(3, 4) });
const large = JSON.stringify({ sequences: r.tensor(120, 32), heads: 4, maps: 'none' });
const heavy = heavyRequest(sanitized ? 1 / 100 : 1 / 10);

// Errors that a stop may make: a connection that rested is closed, a new one refused.
const isGone = (error) => ['ECONNRESET', 'EPIPE', 'ECONNREFUSED'].includes(error.code);

// Each does one thing once; `counts` is told what came of it.
const kinds = {
  async good(service, agent, counts) {
    const { status } = await fetchAnswer(service, agent, 'POST', '/v1/attention', counts.turn % 2 ? small : large);
    assert.ok([200, 503].includes(status), `${status}`);
    counts.answered++;
  },
  async bad(service, agent, counts) {
    const { status } = await fetchAnswer(service, agent, 'POST', '/v1/attention', '{"sequences": [[1, 2]');
    assert.ok([400, 503].includes(status), `${status}`);
    counts.refused++;
  },
  async leaving(service, agent, counts) {
    const leave = (counts.turn % 2 ? postAndLeave : postAndReset)(service, counts.turn % 3 ? heavy : large);
    await sleep(counts.turn % 30);
    leave();
    counts.left++;
  },
  async pipelining(service, agent, counts) {
    const asked = [
      ['POST', '/v1/attention', small],
      ['GET', '/readyz'],
      ['POST', '/v1/attention', large],
      ['GET', '/nowhere'],
      ['POST', '/v1/attention', small],
    ];
    const wanted = [200, 200, 200, 404, 200];
    const answers = await pipeline(service, asked);
    answers.forEach(({ status }, i) => assert.ok([wanted[i], 503].includes(status), `${i}: ${status}`));
    assert.ok(answers.length === asked.length || counts.stopping, `${answers.length} answers`);
    counts.pipelined += answers.length;
  },
};
const crowd = ['good', 'good', 'bad', 'leaving', 'leaving', 'pipelining', 'good', 'leaving'];

// threats 25, 95 and 100
test('32 clients that ask, leave, reset and pipeline, and a stop in the middle', async (t) => {
  const service = await start(['--log-format', 'json', '--log-level', 'debug', '--queue-depth', '64']);
  const agent = connections(32);
  const counts = { turn: 0, answered: 0, refused: 0, left: 0, pipelined: 0, stopping: false };
  const end = Date.now() + seconds * 1000;
  const client = async (number) => {
    while (Date.now() < end + 1000 && !(counts.stopping && service.exited)) {
      counts.turn++;
      try {
        await kinds[crowd[number % crowd.length]](service, agent, counts);
      } catch (error) {
        if (!counts.stopping || !isGone(error)) throw error;
        await sleep(20);
      }
    }
  };
  const clients = Promise.all(Array.from({ length: 32 }, (_, i) => client(i)));
  await Promise.race([clients, sleep(seconds * 1000)]);
  counts.stopping = true;
  const stopped = service.stop();
  await clients;
  await stopped;
  agent.destroy();
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.answered && counts.refused && counts.left && counts.pipelined);
  const lines = service.log.trim().split('\n');
  for (const line of lines) assert.equal(typeof JSON.parse(line).event, 'string', line);
  assert.ok(lines.length > counts.answered);
});

// threat 24
test('a thousand requests in one go are answered in order', async () => {
  const service = await start();
  const asked = Array.from({ length: 1000 }, (_, i) => ['GET', i % 3 ? '/livez' : `/no/${i}`]);
  const answers = await pipeline(service, asked);
  assert.deepEqual(
    answers.map(({ status }) => status),
    asked.map(([, path]) => (path === '/livez' ? 200 : 404)),
  );
  assert.match((await get(service, '/metrics')).text, /^attentiond_in_flight_requests 1$/m);
  await service.stop();
});
