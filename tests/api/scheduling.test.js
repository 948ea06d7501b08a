// Predicted work: who is let in, and who goes first.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { attention, compute, connections, crowd, fetchAnswer, get, pipeline, postAndLeave } from './support/client.js';
import { generator, heavyRequest, toBase64 } from './support/numbers.js';
import { sanitized, start, until } from './support/service.js';

const problem = (name) => `urn:attentiond:problem:${name}`;
const heavy = heavyRequest(sanitized ? 1 / 200 : 1 / 10);
const queueWork = async (service) =>
  Number(/^attentiond_queue_work_flops (\S+)$/m.exec((await get(service, '/metrics')).text)[1]);
const bounded = (limit, more = []) => start(['--workers', '1', '--queue-work', `${limit}`, ...more]);

// What the service predicts for a heavy body once it is read: a refusal says it.
async function predictedWork(body = heavy) {
  const service = await bounded(300000000);
  const { status, json } = await attention(service, body);
  assert.equal(status, 413, json.detail);
  await service.stop();
  return Number(/^the predicted work is (\d+) /.exec(json.detail)[1]);
}

test('work over queue_work alone is too large, before and after it is read', async () => {
  const work = await predictedWork();
  const cases = [
    [work, 200],
    [work - 1, 413, `the predicted work is ${work} floating-point operations, at most ${work - 1} are allowed`],
    // By its bytes: nobody reads it.
    [1000000, 413, `the predicted work is ${40 * heavy.length + 64 * 1024} floating-point operations, at most 1000000 are`],
  ];
  for (const [limit, status, detail] of cases) {
    const service = await bounded(limit);
    assert.equal((await get(service, '/v1/info')).json.limits.queue_work, limit);
    assert.equal(await queueWork(service), 0);
    const answer = await attention(service, heavy);
    assert.equal(answer.status, status, answer.text.slice(0, 500));
    if (detail) {
      assert.equal(answer.json.type, problem('too-large'));
      assert.ok(answer.json.detail.startsWith(detail), answer.json.detail);
      assert.match(answer.json.detail, /\(queue_work\)$/);
    }
    assert.equal(await queueWork(service), 0);
    await compute(service, { sequences: [[1]] });
    await service.stop();
  }
});

test('work that fits alone, but not beside another, is overloaded', async (t) => {
  const work = await predictedWork();
  const service = await bounded(2 * work - 1);
  const agent = connections(4);
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => fetchAnswer(service, agent, 'POST', '/v1/attention', heavy)),
  );
  const refused = answers.filter((a) => a.status !== 200);
  t.diagnostic(`${answers.length - refused.length} computed, ${refused.length} refused`);
  assert.ok(refused.length >= 1 && refused.length < 4);
  for (const { status, headers, json } of refused) {
    assert.equal(status, 503);
    assert.equal(json.type, problem('overloaded'));
    assert.match(
      json.detail,
      new RegExp(
        `^the predicted work of all requests would be \\d+ floating-point operations, at most ${2 * work - 1} are allowed \\(queue_work\\)$`,
      ),
    );
    assert.ok(Number(json.detail.match(/\d+/)[0]) >= 2 * work);
    assert.match(headers['retry-after'], /^([1-9]|[1-5]\d|60)$/);
  }
  agent.destroy();
  assert.equal(await queueWork(service), 0);
  await service.stop();
});

test('what bodies of a size have cost is expected of the next, which is refused unread', async () => {
  // Of another size: what it costs is not expected of the others.
  const long = heavyRequest(sanitized ? 1 / 20 : 1) + ' '.repeat(1 << 20);
  const limit = (await predictedWork(long)) + Math.floor((await predictedWork()) / 2);
  const parsed = async (service) =>
    Number(/^attentiond_stage_duration_seconds_count\{stage="parse"\} (\d+)$/m.exec((await get(service, '/metrics')).text)[1]);
  for (const before of [0, 16]) {
    const service = await bounded(limit, ['--queue-wait', '60min']);
    for (let i = 0; i < before; i++) assert.equal((await attention(service, heavy)).status, 200);
    const leave = postAndLeave(service, long);
    await until('it is read', async () => (await queueWork(service)) > limit / 2);
    const { status, json } = await attention(service, heavy);
    assert.equal(status, 503);
    assert.match(json.detail, /\(queue_(work|wait)\)$/);
    leave();
    await until('both are over', async () => (await queueWork(service)) === 0);
    assert.equal(await parsed(service), before ? before + 1 : 2);
    await service.stop();
  }
});

test('a body that is refused for want of room is read on, and the connection stays', async () => {
  const long = heavyRequest(sanitized ? 1 / 20 : 1);
  const work = await predictedWork(long);
  const service = await bounded(work + 200000);
  const leave = postAndLeave(service, long);
  await until('it is read', async () => (await queueWork(service)) === work);
  const post = (bytes) => ['POST', '/v1/attention', JSON.stringify({ id: 'x'.repeat(bytes), sequences: [[1]] })];
  const asked = [post(9000), post(600000), ['GET', '/livez'], post(9000), ['GET', '/livez']];
  const answers = await pipeline(service, asked);
  assert.deepEqual(
    answers.map((a) => a.status),
    [503, 503, 200, 503, 200],
  );
  for (const { status, headers, json } of answers) {
    assert.equal(headers.connection, undefined);
    if (status === 503) assert.match(json.detail, /\(queue_(work|wait)\)$/);
  }
  leave();
  await service.stop();
});

test('queue_work is 2e12 for each worker, and the gauge shows what is under way', async () => {
  const service = await start(['--workers', '2']);
  assert.equal((await get(service, '/v1/info')).json.limits.queue_work, 4e12);
  const answer = attention(service, heavyRequest(sanitized ? 1 / 100 : 1 / 3));
  await until('its work is known', async () => (await queueWork(service)) > 5e8);
  assert.equal((await answer).status, 200);
  assert.equal(await queueWork(service), 0);
  await service.stop();
});

// Milliseconds of `count` requests, one after another on one connection.
async function latencies(service, body, count) {
  const agent = connections(1);
  const all = [];
  for (let i = 0; i < count; i++) {
    const { status, ms } = await fetchAnswer(service, agent, 'POST', '/v1/attention', body);
    assert.equal(status, 200);
    all.push(ms);
  }
  agent.destroy();
  all.sort((a, b) => a - b);
  return { p50: all[count >> 1], p99: all[Math.floor(count * 0.99)] };
}

// threat 91
test('threat 91: small requests pass large ones that keep every worker busy', async (t) => {
  const r = generator(5);
  const T = sanitized ? 512 : 3072;
  const count = sanitized ? 100 : 500;
  const small = {
    'd = 16': JSON.stringify({ sequences: r.tensor(16, 16) }),
    'd = 64': JSON.stringify({ sequences: r.tensor(16, 64) }),
  };
  const large = {
    'no maps': JSON.stringify({ sequences: r.tensor(T, 64), maps: 'none' }),
    maps: JSON.stringify({ sequences: toBase64(r.tensor(T, 64)), tensor_format: 'base64' }),
  };
  const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
  for (const workers of [1, 2]) {
    const service = await start(['--workers', `${workers}`]);
    for (const [width, body] of Object.entries(small)) {
      await latencies(service, body, count); // warm
      const alone = await latencies(service, body, count);
      for (const [kind, text] of Object.entries(large)) {
        const path = join(folder, kind);
        writeFileSync(path, text);
        const leave = crowd(service, path, 3);
        await until('they are computed', async () => (await queueWork(service)) > 1e8);
        const beside = await latencies(service, body, count);
        await leave();
        const shown = [alone.p50, alone.p99, beside.p50, beside.p99].map((ms) => ms.toFixed(2));
        t.diagnostic(
          `${workers} workers, T = 16, ${width}: p50 ${shown[0]}, p99 ${shown[1]} ms alone; ${shown[2]}, ${shown[3]} ms beside 3 of T = ${T}, ${kind}`,
        );
        // Machines that run tests are busy with other things, too.
        if (!sanitized) assert.ok(beside.p99 < 20 * Math.max(alone.p99, 2));
      }
    }
    await service.stop();
  }
  rmSync(folder, { recursive: true });
});
