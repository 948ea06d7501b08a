// What the caller may ask for besides the numbers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attention, compute, request } from './support/client.js';
import { assertAnswer, assertClose, build, fromBase64, generator, heavyRequest, toBase64 } from './support/numbers.js';
import { attend } from './support/reference.js';
import { start } from './support/service.js';

let service;
before(async () => (service = await start(['--timeout', '20s'])));
after(() => service.stop());

const r = generator(7);
const tokens = r.tensor(4, 6);
const ragged = [r.tensor(2, 6), r.tensor(5, 6)];

describe('maps', () => {
  for (const maps of ['heads', 'mean', 'none'])
    for (const sequences of [tokens, ragged])
      test(`${maps} of ${sequences === tokens ? 'one sequence' : 'a batch'}`, async () => {
        const body = { sequences, heads: 3, maps };
        assertAnswer((await compute(service, body)).json, attend(body));
      });

  test('the default is a map for each head', async () => {
    const { json } = await compute(service, { sequences: tokens, heads: 3 });
    assert.equal(json.attention_maps.length, 3);
  });

  test('the mean is the mean of the heads', async () => {
    const body = { sequences: tokens, heads: 3 };
    const heads = (await compute(service, body)).json.attention_maps;
    const mean = (await compute(service, { ...body, maps: 'mean' })).json.attention_maps;
    const expected = mean.map((row, i) =>
      row.map((_, j) => (heads[0][i][j] + heads[1][i][j] + heads[2][i][j]) / 3)
    );
    assertClose(mean, expected, 'mean');
  });

  test('map_heads chooses heads, in its own order', async () => {
    const body = { sequences: ragged, heads: 6 };
    const all = (await compute(service, body)).json.attention_maps;
    const some = (await compute(service, { ...body, map_heads: [5, 0, 3] })).json.attention_maps;
    assert.deepEqual(
      some,
      all.map((maps) => [maps[5], maps[0], maps[3]])
    );
  });

  test('the outputs do not depend on which maps are asked for', async () => {
    const body = { sequences: r.tensor(33, 12), heads: 4 };
    const [all, mean, none, one] = await Promise.all(
      [{}, { maps: 'mean' }, { maps: 'none' }, { map_heads: [2] }].map(
        async (more) => (await compute(service, { ...body, ...more })).json.outputs
      )
    );
    assert.deepEqual([mean, none, one], [all, all, all]);
  });
});

describe('precision', () => {
  const digits = (x) => x.toExponential().replace(/e.*/, '').replace(/[-.]/g, '').replace(/0+$/, '').length;

  for (let precision = 1; precision <= 9; precision++)
    test(`${precision} significant digits`, async () => {
      const body = { sequences: tokens, heads: 2 };
      const exact = fromBase64((await compute(service, { ...body, tensor_format: 'base64' })).json.outputs);
      const { json } = await compute(service, { ...body, precision });
      const numbers = [json.outputs, json.attention_maps].flat(Infinity);
      assert.ok(
        numbers.every((x) => digits(x) <= precision),
        `${numbers}`
      );
      if (precision > 1) assert.ok(numbers.some((x) => digits(x) === precision));
      const relative = 0.5001 * 10 ** (1 - precision);
      assertClose(json.outputs, exact, 'outputs', { absolute: 1e-12, relative });
    });

  test('by default every number reads back as the float32 that base64 holds', async () => {
    const body = { sequences: r.tensor(20, 6), heads: 2, id: 'x' };
    const text = (await compute(service, body)).json;
    const bits = (await compute(service, { ...body, tensor_format: 'base64' })).json;
    const rounded = (x) => (Array.isArray(x) ? x.map(rounded) : Math.fround(x));
    assert.deepEqual(rounded(text.outputs), fromBase64(bits.outputs));
    assert.deepEqual(rounded(text.attention_maps), fromBase64(bits.attention_maps));
  });

  test('by default no digit is wasted', async () => {
    const answer = await compute(service, { sequences: [[0.1, 0.2], [0.1, 0.2]] });
    assert.match(answer.text, /"outputs":\[\[0\.1,0\.2\],\[0\.1,0\.2\]\]/);
  });
});

describe('base64', () => {
  const halves = build([3, 4], () => r.whole(-8, 8) / 4); // exact in every format
  const wholes = build([3, 4], () => r.whole(-5, 5));

  for (const dtype of ['f32', 'f64', 'f16', 'bf16', 'i32', 'i64', 'bool'])
    test(`sequences as ${dtype}`, async () => {
      const values =
        { bool: wholes.map((row) => row.map((x) => Number(x > 0))), i32: wholes, i64: wholes }[dtype] ??
        halves;
      const nested = await compute(service, { sequences: values, id: 'x' });
      const base64 = await compute(service, { sequences: toBase64(values, dtype), id: 'x' });
      assert.deepEqual(base64.json.outputs, nested.json.outputs);
      assert.deepEqual(base64.json.attention_maps, nested.json.attention_maps);
    });

  const weights = {
    wq: r.tensor(6, 4),
    wk: r.tensor(6, 4),
    wv: r.tensor(6, 4),
    wo: r.tensor(4, 3),
    bq: r.tensor(4),
    bk: r.tensor(4),
    bv: r.tensor(4),
    bo: r.tensor(3),
  };
  const inBase64 = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, toBase64(v)]));
  const twice = {
    'every tensor of a layer': [
      { sequences: tokens, context: tokens, weights, heads: 2, mask: r.tensor(4, 4) },
      (b) => ({
        ...b,
        sequences: toBase64(b.sequences),
        context: toBase64(b.context),
        weights: inBase64(weights),
        mask: toBase64(b.mask),
      }),
    ],
    'only some tensors': [
      { sequences: tokens, weights, heads: 2 },
      (b) => ({ ...b, weights: { ...weights, wk: toBase64(weights.wk), bo: toBase64(weights.bo) } }),
    ],
    'a batch as one tensor': [
      { sequences: r.tensor(2, 3, 4) },
      (b) => ({ sequences: toBase64(b.sequences) }),
    ],
    'a ragged batch as a list': [
      { sequences: ragged },
      (b) => ({ sequences: b.sequences.map((s) => toBase64(s)) }),
    ],
    'a mask of dtype bool': [
      { sequences: tokens, mask: r.allowed(4, 4) },
      (b) => ({ ...b, mask: toBase64(b.mask, 'bool') }),
    ],
    'query, key and value of rank 4': [
      { query: r.tensor(2, 2, 3, 4), key: r.tensor(2, 1, 5, 4), value: r.tensor(2, 1, 5, 3) },
      (b) => inBase64(b),
    ],
  };
  for (const [name, [body, convert]] of Object.entries(twice))
    test(`${name}: the same answer as from nested arrays, both ways`, async () => {
      const nested = (await compute(service, body)).json;
      const sent = (await compute(service, convert(body))).json;
      const both = (await compute(service, { ...convert(body), tensor_format: 'base64' })).json;
      assert.deepEqual(sent.outputs, nested.outputs);
      assert.deepEqual(sent.attention_maps, nested.attention_maps);
      const rounded = (x) => (Array.isArray(x) ? x.map(rounded) : Math.fround(x));
      assert.deepEqual(fromBase64(both.outputs), rounded(nested.outputs));
      assert.deepEqual(fromBase64(both.attention_maps), rounded(nested.attention_maps));
    });

  test('minus infinity in a base64 mask masks', async () => {
    const mask = [
      [0, -Infinity],
      [-Infinity, -Infinity],
    ];
    const { json } = await compute(service, { sequences: [[1], [2]], mask: toBase64(mask), return: ['lse'] });
    assert.deepEqual(json.attention_maps, [[[1, 0], [0, 0]]]);
    assert.equal(json.lse[0][1], '-Infinity');
  });

  test('projections and lse come as base64, too', async () => {
    const body = {
      sequences: ragged,
      heads: 2,
      mask: [[true], [false], [true], [true], [true]],
      return: ['projections', 'lse'],
    };
    const { json } = await compute(service, { ...body, tensor_format: 'base64' });
    const plain = {
      outputs: fromBase64(json.outputs),
      attention_maps: fromBase64(json.attention_maps),
      lse: fromBase64(json.lse),
    };
    const projections = Object.fromEntries(
      Object.entries(json.projections).map(([k, v]) => [k, fromBase64(v)])
    );
    assertAnswer({ ...plain, projections }, attend(body));
  });

  test('the shape of a batch of equal lengths has the batch in front', async () => {
    const { json } = await compute(service, {
      sequences: r.tensor(2, 3, 4),
      heads: 2,
      tensor_format: 'base64',
    });
    assert.deepEqual(json.outputs.shape, [2, 3, 4]);
    assert.deepEqual(json.attention_maps.shape, [2, 2, 3, 3]);
  });
});

describe('return', () => {
  test('nothing more by default', async () => {
    const { json } = await compute(service, { sequences: tokens });
    assert.deepEqual(Object.keys(json), ['id', 'outputs', 'attention_maps', 'timing']);
  });

  test('projections are what the heads see', async () => {
    const wq = [[1, 2, 3, 4], [5, 6, 7, 8]];
    const { json } = await compute(service, {
      sequences: [[1, 0], [0, 1]],
      heads: 2,
      weights: { wq, wk: wq, wv: wq, bq: [10, 10, 10, 10] },
      return: ['projections'],
    });
    assert.deepEqual(json.projections.query, [[[11, 12], [15, 16]], [[13, 14], [17, 18]]]);
    assert.deepEqual(json.projections.key, [[[1, 2], [5, 6]], [[3, 4], [7, 8]]]);
  });

  test('lse merges two halves of the keys into the whole', async () => {
    const [query, key, value] = [r.tensor(3, 4), r.tensor(10, 4), r.tensor(10, 5)];
    const part = (from, to) =>
      compute(service, { query, key: key.slice(from, to), value: value.slice(from, to), return: ['lse'] });
    const [whole, a, b] = await Promise.all([part(0, 10), part(0, 4), part(4, 10)]);
    const merged = a.json.outputs.map((row, i) => {
      const [la, lb] = [a.json.lse[0][i], b.json.lse[0][i]];
      const share = 1 / (1 + Math.exp(lb - la));
      return row.map((x, c) => share * x + (1 - share) * b.json.outputs[i][c]);
    });
    assertClose(whole.json.outputs, merged, 'outputs');
  });

  test('labels are echoed', async () => {
    const labels = ['the', 'Käse', '"quoted"', '\u0001'];
    const { json } = await compute(service, { sequences: tokens, labels });
    assert.deepEqual(json.labels, labels);
  });
});

describe('id', () => {
  test('the body names the request', async () => {
    const answer = await compute(service, { sequences: [[1]], id: 'from-the-body:1' });
    assert.equal(answer.json.id, 'from-the-body:1');
  });

  test('the header beats the body', async () => {
    const answer = await compute(service, { sequences: [[1]], id: 'body' }, { 'X-Request-Id': 'header' });
    assert.equal(answer.json.id, 'header');
  });

  test('a refusal carries it, too', async () => {
    const answer = await attention(service, { id: 'mine', sequences: 'x' });
    assert.equal(answer.json.instance, 'mine');
  });

  for (const bad of ['with blank', '"quoted"', 'a/b', 'ü', 'x'.repeat(129)])
    test(`a header that is no id is replaced: ${bad.slice(0, 20)}`, async () => {
      const answer = await compute(service, { sequences: [[1]] }, { 'X-Request-Id': bad });
      assert.notEqual(answer.json.id, bad);
    });

  test('128 characters are an id', async () => {
    const id = 'Az09._:-'.repeat(16);
    assert.equal((await compute(service, { sequences: [[1]] }, { 'X-Request-Id': id })).json.id, id);
  });

  test('two requests without one get different ones', async () => {
    const [a, b] = await Promise.all([
      compute(service, { sequences: [[1]] }),
      compute(service, { sequences: [[1]] }),
    ]);
    assert.notEqual(a.json.id, b.json.id);
  });
});

describe('time', () => {
  test('the stages are in the body and in Server-Timing, and agree', async () => {
    const answer = await compute(service, { sequences: r.tensor(200, 16), heads: 4 });
    const header = Object.fromEntries(
      answer.headers['server-timing']
        .split(', ')
        .map((part) => part.split(';dur='))
        .map(([k, v]) => [k, Number(v)])
    );
    const { timing } = answer.json;
    for (const stage of ['parse', 'queue', 'compute'])
      assert.ok(
        Math.abs(header[stage] - timing[`${stage}_ms`]) < 0.01 + 0.01 * header[stage],
        `${stage}: ${JSON.stringify([header, timing])}`
      );
    assert.ok(
      timing.parse_ms + timing.queue_ms + timing.compute_ms <= timing.total_ms + 0.01,
      JSON.stringify(timing)
    );
    assert.ok(timing.compute_ms > 0);
  });

  test('a deadline that cannot be kept is 504', async () => {
    const heavy = { ...JSON.parse(heavyRequest()), timeout_ms: 20 };
    const answer = await attention(service, heavy);
    assert.equal(answer.status, 504, answer.text);
    assert.equal(answer.json.type, 'urn:attentiond:problem:deadline-exceeded');
  });

  test('a deadline that can be kept changes nothing', async () => {
    const body = { sequences: tokens };
    const [plain, timed] = await Promise.all([
      compute(service, body),
      compute(service, { ...body, timeout_ms: 10000 }),
    ]);
    assert.deepEqual(timed.json.outputs, plain.json.outputs);
  });
});

describe('a drawing for the terminal', () => {
  const draw = (body, accept = 'text/plain') => compute(service, body, { Accept: accept });

  test('is text, as wide as a terminal at most', async () => {
    for (const T of [1, 3, 50, 300]) {
      const answer = await draw({ sequences: build([T, 2], () => 1) });
      assert.match(answer.headers['content-type'], /^text\/plain; *charset=utf-8$/i);
      assert.ok(answer.text.endsWith('\n'));
      const widest = Math.max(...answer.text.split('\n').map((line) => [...line].length));
      assert.ok(widest <= 120, `${T} tokens: ${widest} columns`);
    }
  });

  test('has a picture for each head that was asked for', async () => {
    const lines = async (more) =>
      (await draw({ sequences: tokens, heads: 3, ...more })).text.split('\n').length;
    const one = await lines({ map_heads: [1] });
    assert.ok((await lines({})) > 2 * one);
    assert.ok((await lines({ maps: 'mean' })) <= one + 1);
  });

  test('says that there is nothing to draw without maps', async () => {
    const answer = await draw({ sequences: tokens, maps: 'none' });
    assert.match(answer.text, /^[^\n]*none[^\n]*\n/);
    assert.doesNotMatch(answer.text, /[░▒▓█]/);
  });

  test('writes the labels beside it', async () => {
    const answer = await draw({ sequences: [[1, 0], [0, 1]], labels: ['Katze', 'Hund'] });
    assert.match(answer.text, /Katze/);
    assert.match(answer.text, /Hund/);
  });

  test('lets no label move the cursor', async () => {
    const answer = await draw({ sequences: [[1]], labels: ['\u001b[2J\u202e\r\n'] });
    assert.doesNotMatch(answer.text, /[\u001b\u202e\r]/);
  });

  test('comes when it is preferred, and only then', async () => {
    const type = async (accept) =>
      (await draw({ sequences: [[1]] }, accept)).headers['content-type'].split(';')[0];
    assert.equal(await type('text/plain, application/json;q=0.5'), 'text/plain');
    assert.equal(await type('text/*'), 'text/plain');
    assert.equal(await type('*/*'), 'application/json');
    assert.equal(await type('application/json, text/plain;q=0.9'), 'application/json');
  });

  test('a refusal is a problem document there, too', async () => {
    const answer = await attention(service, { sequences: [] }, { Accept: 'text/plain' });
    assert.equal(answer.status, 422);
  });
});

test('curl --json is all one needs', async () => {
  const args = ['--json', '{"sequences": [[1]]}'];
  const answer = await request(service, 'POST', '/v1/attention', {
    args,
    sentByArgs: '{"sequences": [[1]]}',
  });
  assert.equal(answer.status, 200);
});
