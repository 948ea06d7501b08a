// Large answers are sent while they are written.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { compute, get, postAndWait, readOn, request } from './support/client.js';
import { generator } from './support/numbers.js';
import { checkEnd, sanitized, sleep, start, until } from './support/service.js';

const r = generator(21);
const sequence = r.tensor(1000, 8); // a map of a million numbers: more than 8 MiB as text
const body = { sequences: sequence, id: 'large' };

let service;
before(async () => (service = await start(['--workers', '2'])));
after(() => service.stop());

const series = async (name) => {
  const { text } = await get(service, '/metrics');
  const escaped = name.replace(/[{}"]/g, '\\$&');
  return Number(new RegExp(`^${escaped} (\\S+)$`, 'm').exec(text)[1]);
};

test('a large answer is chunked, and holds what its base64 form does', async () => {
  const nested = await compute(service, body);
  assert.equal(nested.headers['transfer-encoding'], 'chunked');
  assert.equal(nested.headers['content-length'], undefined);
  const packed = await compute(service, { ...body, tensor_format: 'base64' });
  const bytes = Buffer.from(packed.json.attention_maps.data, 'base64');
  const map = nested.json.attention_maps[0];
  assert.equal(map.length, 1000);
  map.forEach((row, i) =>
    row.forEach((x, j) => assert.equal(Math.fround(x), bytes.readFloatLE(4 * (1000 * i + j)), `${i} ${j}`)),
  );
  assert.ok(nested.json.timing.total_ms > 0);
});

test('a small one has a length', async () => {
  const { headers } = await compute(service, { sequences: sequence.slice(0, 20) });
  assert.equal(headers['transfer-encoding'], undefined);
  assert.ok(Number(headers['content-length']) > 0);
});

test('HTTP/1.0 gets it until the connection closes', async () => {
  const chunked = await compute(service, body);
  const closed = await request(service, 'POST', '/v1/attention', { body, args: ['--http1.0'] });
  assert.equal(closed.headers['transfer-encoding'], undefined);
  assert.deepEqual(closed.json.attention_maps, chunked.json.attention_maps);
});

test('it is counted as it was sent', async () => {
  const before = await series('attentiond_response_body_bytes_sum');
  const { text } = await readOn(await postAndWait(service, body));
  const { json } = await get(service, '/metrics/requests?limit=5');
  const record = json.requests.find((one) => one.route === '/v1/attention');
  assert.equal(record.response_bytes, text.length);
  assert.ok(record.serialize_ms > 0);
  assert.ok((await series('attentiond_response_body_bytes_sum')) - before >= text.length);
});

test('a slow reader keeps no worker, and gets all of it', async () => {
  const slow = await postAndWait(service, body);
  slow.pause();
  await sleep(200);
  for (let i = 0; i < 20; i++) await compute(service, { sequences: r.tensor(20, 4) });
  assert.equal(await series('attentiond_workers_busy'), 0);
  const { json } = await readOn(slow, 5);
  assert.equal(json.attention_maps[0].length, 1000);
});

test('a client that leaves in the middle is counted once, and the service goes on', async () => {
  const before = await series('attentiond_cancelled_total{stage="send"}');
  const leavers = 8;
  for (let i = 0; i < leavers; i++) {
    const response = await postAndWait(service, body);
    response.once('data', () => response.destroy());
    response.on('error', () => {});
    await new Promise((resolve) => response.on('close', resolve));
  }
  await until('the leavers to be counted', async () => {
    return (await series('attentiond_cancelled_total{stage="send"}')) === before + leavers;
  });
  await until('everything to be given back', async () => (await series('attentiond_workers_busy')) === 0);
  await compute(service, body);
});

test('a stop in the middle sends the rest', async () => {
  const stopping = await start(['--workers', '2']);
  const responses = await Promise.all([0, 1, 2].map(() => postAndWait(stopping, body)));
  responses.forEach((response) => response.pause());
  stopping.signal('SIGTERM');
  await sleep(300);
  for (const { json } of await Promise.all(responses.map((response) => readOn(response))))
    assert.equal(json.attention_maps[0].length, 1000);
  await stopping.ended;
  checkEnd(stopping);
});

test('the memory of an answer is bounded', { skip: sanitized && 'skipped under a sanitizer' }, async (t) => {
  const fresh = await start(['--workers', '2']);
  const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${fresh.pid}/status`, 'utf8'))[1]) / 1024;
  const idle = peak();
  const { text } = await compute(fresh, { sequences: r.tensor(2500, 8) });
  const [map, answer, held] = [2500 * 2500 * 4, text.length, (peak() - idle) * (1 << 20)].map((x) => x / (1 << 20));
  t.diagnostic(`map ${map.toFixed(0)} MiB, answer ${answer.toFixed(0)} MiB, held ${held.toFixed(0)} MiB`);
  assert.ok(held < map + 16, `${held} MiB`);
  await fresh.stop();
});
