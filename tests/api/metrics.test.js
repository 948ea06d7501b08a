// What is counted, and how it is shown.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { attention, compute, get, request } from './support/client.js';
import { build } from './support/numbers.js';
import { page } from './support/page.js';
import { sleep, start, until } from './support/service.js';

let service;
let first; // the first scrape, before any other request
before(async () => {
  service = await start(['--workers', '2', '--queue-depth', '7']);
  first = samples((await get(service, '/metrics')).text);
});
after(() => service.stop());

// {'name{label="x"}': value}
function samples(text) {
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, series, value] = /^(\S+?(?:\{.*?\})?) (\S+)/.exec(line.replace(/ # \{.*$/, ''));
      return [series, Number(value)];
    }),
  );
}

// A request is counted when its last byte is sent, which a client may learn a moment
// before the service does: so what follows a request waits for the count.
const counted = (series, least) =>
  until(`${series} of ${least}`, async () => {
    const all = await scrape();
    return all[series] >= least && all;
  });
const recorded = (id) =>
  until(`a record of ${id}`, async () => {
    const { requests } = (await get(service, '/metrics/requests?limit=20')).json;
    return requests.find((one) => one.id === id);
  });

const scrape = async () => samples((await get(service, '/metrics')).text);
const routes = [...Object.keys(page.paths), 'other'];
const stages = ['receive', 'parse', 'queue', 'compute', 'serialize', 'send'];
const seconds = [
  50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

// Buckets of a histogram without other labels, or with this one.
function bounds(all, name, label = '') {
  const pattern = new RegExp(`^${name}_bucket\\{${label}${label && ','}le="([^"]+)"\\}$`);
  return Object.keys(all).flatMap((series) => pattern.exec(series)?.[1] ?? []);
}

describe('from the start', () => {
  const zero = (series) => assert.equal(first[series], 0, `${series} is ${first[series]}`);

  test('every route and code is there at 0', () => {
    for (const route of routes)
      for (const code of [200, 400, 404, 405, 406, 408, 413, 415, 422, 500, 503, 504, 505])
        zero(`attentiond_requests_total{route="${route}",code="${code}"}`);
  });

  test('every refusal, cancelled stage and counter is there at 0', () => {
    for (const { enum: types } of [page.components.schemas.Problem.properties.type])
      for (const type of types) zero(`attentiond_rejected_total{reason="${type.split(':').pop()}"}`);
    for (const stage of stages) zero(`attentiond_cancelled_total{stage="${stage}"}`);
    for (const name of ['sequences', 'tokens', 'compute_flops']) zero(`attentiond_${name}_total`);
    for (const name of ['queue_depth', 'queue_work_flops', 'draining', 'workers_busy']) zero(`attentiond_${name}`);
    assert.ok(first.attentiond_worker_busy_seconds_total >= 0);
  });

  test('histograms have the promised buckets', () => {
    const expected = [...seconds.map(Number), Infinity];
    const asNumbers = (list) => list.map((le) => (le === '+Inf' ? Infinity : Number(le)));
    for (const route of routes)
      assert.deepEqual(
        asNumbers(bounds(first, 'attentiond_request_duration_seconds', `route="${route}"`)),
        expected,
        route,
      );
    for (const stage of stages)
      assert.deepEqual(
        asNumbers(bounds(first, 'attentiond_stage_duration_seconds', `stage="${stage}"`)),
        expected,
        stage,
      );
    for (const name of [
      'sequence_length_tokens',
      'batch_size',
      'request_body_bytes',
      'response_body_bytes',
    ]) {
      const cuts = asNumbers(bounds(first, `attentiond_${name}`));
      assert.equal(cuts.pop(), Infinity);
      assert.ok(cuts.length > 5);
      for (const cut of cuts) assert.equal(Math.log2(cut) % 1, 0, `${name}: ${cut}`);
      assert.equal(first[`attentiond_${name}_count`], 0);
    }
  });

  test('gauges say what was decided', () => {
    assert.equal(first.attentiond_workers, 2);
    assert.equal(first.attentiond_queue_capacity, 7);
    assert.ok(first.attentiond_in_flight_requests >= 0);
    const info = Object.keys(first).find((series) => series.startsWith('attentiond_build_info{'));
    assert.match(info, /version="\d+\.\d+\.\d+".*blas="[^"]+".*simd="[^"]+"/);
    assert.equal(first[info], 1);
  });

  test('the process is described in the standard names', () => {
    for (const name of [
      'cpu_seconds_total',
      'open_fds',
      'max_fds',
      'virtual_memory_bytes',
      'resident_memory_bytes',
      'start_time_seconds',
    ])
      assert.ok(first[`process_${name}`] > 0, name);
    assert.ok(Math.abs(first.process_start_time_seconds - Date.now() / 1000) < 120);
  });
});

test('promtool has nothing to say', async (t) => {
  if (spawnSync('promtool', ['--version']).error) return t.skip('skipped: no promtool');
  await compute(service, { sequences: [[1]] });
  const { text, headers } = await get(service, '/metrics');
  assert.match(headers['content-type'], /^text\/plain; *version=0\.0\.4; *charset=utf-8$/);
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.equal(`${stdout}${stderr}`, '');
});

describe('counting', () => {
  test('a computed request', async () => {
    const before = await scrape();
    const sequences = [build([30, 16], () => 1), build([50, 16], () => 1)];
    const sent = JSON.stringify({ sequences, heads: 2 });
    await compute(service, sent);
    const series = 'attentiond_requests_total{route="/v1/attention",code="200"}';
    const now = await counted(series, before[series] + 1);
    const more = (series) => now[series] - before[series];
    assert.equal(more('attentiond_requests_total{route="/v1/attention",code="200"}'), 1);
    assert.equal(more('attentiond_request_duration_seconds_count{route="/v1/attention"}'), 1);
    assert.equal(more('attentiond_sequences_total'), 2);
    assert.equal(more('attentiond_tokens_total'), 80);
    assert.ok(more('attentiond_compute_flops_total') >= 4 * 16 * (900 + 2500));
    assert.equal(more('attentiond_batch_size_sum'), 2);
    assert.equal(more('attentiond_sequence_length_tokens_sum'), 80);
    assert.equal(more('attentiond_sequence_length_tokens_count'), 2);
    assert.equal(more('attentiond_request_body_bytes_sum'), sent.length);
    assert.ok(more('attentiond_response_body_bytes_sum') > 100);
    assert.ok(more('attentiond_worker_busy_seconds_total') > 0);
    for (const stage of stages) {
      const times = more(`attentiond_stage_duration_seconds_count{stage="${stage}"}`);
      // The scrapes are received and sent, too.
      if (stage === 'receive' || stage === 'send') assert.ok(times >= 1, stage);
      else assert.equal(times, 1, stage);
    }
  });

  test('a refused request', async () => {
    const before = await scrape();
    await attention(service, { sequences: 'x' });
    await attention(service, '{');
    await get(service, '/nowhere');
    const series = 'attentiond_requests_total{route="other",code="404"}';
    const now = await counted(series, before[series] + 1);
    const more = (series) => now[series] - before[series];
    assert.equal(more('attentiond_requests_total{route="/v1/attention",code="422"}'), 1);
    assert.equal(more('attentiond_requests_total{route="/v1/attention",code="400"}'), 1);
    assert.equal(more('attentiond_requests_total{route="other",code="404"}'), 1);
    assert.equal(more('attentiond_rejected_total{reason="invalid-input"}'), 1);
    assert.equal(more('attentiond_rejected_total{reason="invalid-json"}'), 1);
    assert.equal(more('attentiond_rejected_total{reason="not-found"}'), 1);
    assert.equal(more('attentiond_sequences_total'), 0);
  });

  test('nothing that a client sends makes a new series', async () => {
    const before = Object.keys(await scrape()).sort();
    for (const path of ['/a', '/v1/models/x', '/metrics/x', '/v1/attention?x=1', `/${'y'.repeat(300)}`])
      await get(service, path);
    await request(service, 'BREW', '/v1/attention');
    await attention(service, { sequences: [[1]] }, { 'X-Request-Id': 'unheard-of', traceparent: 'x' });
    assert.deepEqual(Object.keys(await scrape()).sort(), before);
  });

  test('a scrape resets nothing', async () => {
    const [a, b] = [await scrape(), await scrape()];
    for (const series of Object.keys(a).filter((s) => /_total|_count|_bucket|_sum/.test(s)))
      assert.ok(b[series] >= a[series], series);
  });
});

describe('OpenMetrics', () => {
  const open = () => get(service, '/metrics', { Accept: 'application/openmetrics-text; version=1.0.0' });

  test('comes when asked for, ends with # EOF', async () => {
    const { headers, text } = await open();
    assert.match(
      headers['content-type'],
      /^application\/openmetrics-text; *version=1\.0\.0; *charset=utf-8$/,
    );
    assert.ok(text.endsWith('\n# EOF\n'));
    assert.match(text, /^# TYPE attentiond_requests counter$/m);
    assert.doesNotMatch((await get(service, '/metrics')).text, /# EOF|trace_id/);
  });

  test('as Prometheus asks for it', async () => {
    const Accept =
      'application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1';
    const { headers } = await get(service, '/metrics', { Accept });
    assert.match(headers['content-type'], /^application\/openmetrics-text/);
  });

  test('has the trace of a request as an exemplar', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c';
    await compute(service, { sequences: [[1]] }, { traceparent: `00-${trace}-b7ad6b7169203331-01` });
    const pattern = new RegExp(
      `^attentiond_request_duration_seconds_bucket\\{route="/v1/attention",le="[^"]+"\\} \\d+ # \\{trace_id="${trace}"\\} [\\d.e-]+ \\d{10}(\\.\\d+)?$`,
      'm',
    );
    await until('the exemplar', async () => pattern.test((await open()).text));
  });

  for (const bad of [
    '00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01',
    'ff-0af7651916cd43dd8448eb211c80310c-b7ad6b7169203331-01',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0AF7651916CD43DD8448EB211C80311C-b7ad6b7169203331-01',
    'x"} 1',
  ])
    test(`a malformed traceparent is ignored: ${bad}`, async () => {
      const answer = await compute(service, { sequences: [[1]] }, { traceparent: bad });
      assert.equal((await recorded(answer.json.id)).trace_id, undefined);
    });
});

describe('/metrics/requests', () => {
  const recent = async (limit) => (await get(service, `/metrics/requests?limit=${limit}`)).json.requests;

  test('has sizes and stages', async () => {
    const body = JSON.stringify({ sequences: [build([2, 6], () => 1), build([9, 6], () => 1)], heads: 3 });
    const headers = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-01',
      'X-Request-Id': 'the-newest',
    };
    const answer = await compute(service, body, headers);
    const newest = await recorded('the-newest');
    const { time, receive_ms, parse_ms, queue_ms, compute_ms, serialize_ms, send_ms, total_ms, ...rest } =
      newest;
    assert.deepEqual(rest, {
      id: 'the-newest',
      trace_id: '0af7651916cd43dd8448eb211c80319d',
      method: 'POST',
      route: '/v1/attention',
      status: 200,
      request_bytes: body.length,
      response_bytes: answer.body.length,
      batch: 2,
      tokens: 9,
      width: 6,
      heads: 3,
    });
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60000);
    const stages = [receive_ms, parse_ms, queue_ms, compute_ms, serialize_ms, send_ms];
    const sum = stages.reduce((a, x) => a + x, 0);
    assert.ok(sum <= total_ms * 1.01 + 0.05, `${JSON.stringify(newest)}`);
  });

  test('has refusals with their reason', async () => {
    const { json } = await attention(service, { sequences: [] });
    const newest = await recorded(json.instance);
    assert.equal(newest.status, 422);
    assert.equal(newest.error, 'invalid-input');
  });

  test('has the newest first', async () => {
    for (const id of ['older', 'newer']) {
      await compute(service, { sequences: [[1]], id });
      await recorded(id);
    }
    const ids = (await recent(20)).map((one) => one.id);
    assert.ok(ids.indexOf('newer') < ids.indexOf('older'), `${ids}`);
  });

  test('gives as many as asked for, up to 1000 of them without limit', async () => {
    for (let i = 0; i < 5; i++) await compute(service, { sequences: [[1]] });
    assert.equal((await recent(3)).length, 3);
    assert.ok((await get(service, '/metrics/requests')).json.requests.length > 10);
    assert.ok((await recent(1000)).length > 10);
  });

  test('remembers only as many as set', async () => {
    const small = await start(['--request-log-size', '3']);
    for (let i = 0; i < 5; i++) await compute(small, { sequences: [[1]], id: `r${i}` });
    await sleep(100);
    const ids = (await get(small, '/metrics/requests')).json.requests.map((one) => one.id);
    assert.deepEqual(ids, ['r4', 'r3', 'r2']);
    await small.stop();
  });
});

test('a listener of its own takes /metrics* away from the main one', async () => {
  const other = await start(['--metrics-bind', '127.0.0.1', '--metrics-port', '0']);
  const port = /\bmetrics_address=\S*:(\d+)/.exec(other.log)?.[1];
  assert.ok(port, other.log);
  const operators = { url: `http://127.0.0.1:${port}` };
  for (const path of ['/metrics', '/metrics/requests']) {
    assert.equal((await get(operators, path)).status, 200);
    assert.equal((await get(other, path)).status, 404);
  }
  assert.equal((await request(operators, 'POST', '/v1/attention', { body: '{}' })).status, 404);
  await other.stop();
});
