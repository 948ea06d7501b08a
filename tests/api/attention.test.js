// The numbers: against a float64 reference, and against a trained network.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { attention, compute } from './support/client.js';
import { assertAnswer, assertClose, build, fromBase64, generator, toBase64 } from './support/numbers.js';
import { attend } from './support/reference.js';
import { shared, start } from './support/service.js';

let service;
before(async () => (service = await start()));
after(() => service.stop());

async function agrees(request, tolerance) {
  const { json } = await compute(service, request);
  assertAnswer(json, attend(request), tolerance);
  return json;
}

const worked = {
  sequences: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  weights: { wq: [[1, 1], [1, 0], [0, 1]], wk: [[1, 0], [0, 1], [1, 1]], wv: [[1, 1], [0, 1], [1, 0]] },
};

test('the worked example is right to 1e-6', () => agrees(worked, { absolute: 1e-6, relative: 0 }));

test('rows of every map sum to one', async () => {
  const r = generator(1);
  const { attention_maps } = await agrees({ sequences: r.tensor(9, 8), heads: 4 });
  for (const map of attention_maps)
    for (const row of map)
      assertClose(
        row.reduce((a, x) => a + x),
        1,
        'the sum of a row'
      );
});

describe('two layers of a trained text recogniser', () => {
  const folder = `${shared}/data/ocr`;
  const skip = existsSync(folder) ? false : `skipped: no ${folder}`;
  const bytes = skip ? null : readFileSync(`${folder}/encoder.safetensors`);

  function weightsOf(layer, format) {
    const headLength = Number(bytes.readBigUInt64LE(0));
    const head = JSON.parse(bytes.subarray(8, 8 + headLength));
    const names = ['wq', 'wk', 'wv', 'wo', 'bq', 'bk', 'bv', 'bo'];
    return Object.fromEntries(
      names.map((name) => {
        const { shape, data_offsets } = head[`encoder.layers.${layer}.attention.${name}`];
        const [from, to] = data_offsets.map((o) => o + 8 + headLength);
        const tensor = { dtype: 'f32', shape, data: bytes.subarray(from, to).toString('base64') };
        return [name, format === 'base64' ? tensor : fromBase64(tensor)];
      })
    );
  }

  for (const line of [1, 2])
    for (const layer of [0, 1])
      for (const format of ['nested', 'base64'])
        test(`line ${line}, layer ${layer}, ${format}`, { skip }, async () => {
          const data = JSON.parse(readFileSync(`${folder}/line${line}.json`));
          const input = data[`layer${layer}_attention_input`];
          const { json } = await compute(service, {
            sequences: format === 'base64' ? toBase64(input) : input,
            weights: weightsOf(layer, format),
            heads: 8,
            tensor_format: format,
          });
          const plain = format === 'base64' ? fromBase64 : (x) => x;
          assertClose(plain(json.outputs), data[`layer${layer}_attention_output`], 'outputs');
          assertClose(plain(json.attention_maps), data[`layer${layer}_maps`], 'maps');
        });
});

describe('every way to give the input', () => {
  const r = generator(2);
  const weights = (d, dc, H, G, dk, dv) => ({
    wq: r.tensor(d, H * dk),
    wk: r.tensor(dc, G * dk),
    wv: r.tensor(dc, G * dv),
  });
  const cases = {
    'one sequence': { sequences: r.tensor(5, 6), heads: 2 },
    'one token of one number': { sequences: r.tensor(1, 1) },
    'a batch': { sequences: r.tensor(3, 4, 6), heads: 3 },
    'a batch of one': { sequences: r.tensor(1, 4, 6) },
    'a ragged batch': { sequences: [r.tensor(1, 4), r.tensor(7, 4), r.tensor(3, 4)], heads: 2 },
    'cross-attention': { sequences: r.tensor(3, 4), context: r.tensor(8, 4) },
    'cross-attention, ragged on both sides': {
      sequences: [r.tensor(2, 4), r.tensor(5, 4)],
      context: [r.tensor(9, 4), r.tensor(1, 4)],
    },
    'context of another width': {
      sequences: r.tensor(3, 4),
      context: r.tensor(6, 7),
      weights: weights(4, 7, 2, 2, 3, 5),
      heads: 2,
    },
    'weights with every bias and wo': {
      sequences: r.tensor(6, 5),
      heads: 3,
      weights: {
        ...weights(5, 5, 3, 3, 2, 4),
        wo: r.tensor(12, 7),
        bq: r.tensor(6),
        bk: r.tensor(6),
        bv: r.tensor(12),
        bo: r.tensor(7),
      },
    },
    'weights with some biases': {
      sequences: r.tensor(4, 5),
      weights: { ...weights(5, 5, 1, 1, 3, 3), bv: r.tensor(3) },
    },
    'grouped heads': {
      sequences: r.tensor(7, 5),
      heads: 6,
      kv_heads: 2,
      weights: weights(5, 5, 6, 2, 3, 4),
    },
    'one key head for all': {
      sequences: r.tensor(7, 5),
      heads: 4,
      kv_heads: 1,
      weights: weights(5, 5, 4, 1, 3, 2),
    },
    'projected, rank 2': { query: r.tensor(4, 6), key: r.tensor(5, 6), value: r.tensor(5, 8), heads: 2 },
    'projected, rank 3': {
      query: r.tensor(2, 4, 6),
      key: r.tensor(2, 5, 6),
      value: r.tensor(2, 5, 9),
      heads: 3,
    },
    'projected, rank 3, grouped': {
      query: r.tensor(2, 4, 12),
      key: r.tensor(2, 5, 6),
      value: r.tensor(2, 5, 10),
      heads: 4,
      kv_heads: 2,
    },
    'projected, rank 4': {
      query: r.tensor(2, 3, 4, 5),
      key: r.tensor(2, 3, 6, 5),
      value: r.tensor(2, 3, 6, 2),
    },
    'projected, rank 4, grouped': {
      query: r.tensor(1, 6, 4, 5),
      key: r.tensor(1, 2, 6, 5),
      value: r.tensor(1, 2, 6, 3),
      heads: 6,
      kv_heads: 2,
    },
  };
  for (const [name, request] of Object.entries(cases))
    test(name, () => agrees({ ...request, return: ['projections', 'lse'] }));
});

describe('who may look where', () => {
  const r = generator(3);
  const one = { sequences: r.tensor(5, 4), heads: 2 };
  const two = { sequences: r.tensor(2, 5, 4), heads: 2 };
  const cross = { sequences: r.tensor(5, 4), context: r.tensor(3, 4) };
  const bias = (...shape) => r.tensor(...shape);
  const cases = {
    causal: { ...one, causal: true },
    'causal with more keys than queries': {
      sequences: r.tensor(3, 4),
      context: r.tensor(7, 4),
      causal: true,
    },
    'causal, aligned to the last key': {
      sequences: r.tensor(3, 4),
      context: r.tensor(7, 4),
      causal: true,
      align: 'bottom_right',
    },
    'causal, aligned to the last key, first rows empty': { ...cross, causal: true, align: 'bottom_right' },
    'causal ragged batch': { sequences: [r.tensor(4, 3), r.tensor(2, 3)], causal: true },
    'booleans [T][S]': { ...one, mask: r.allowed(5, 5) },
    'booleans [S]': { ...one, mask: [true, false, true, true, false] },
    'booleans [1][S]': { ...one, mask: [[true, false, true, true, false]] },
    'booleans [T][1]': { ...one, mask: [[true], [false], [true], [true], [false]] },
    'booleans [H][T][S]': { ...two, mask: r.allowed(2, 5, 5) },
    'booleans [B][1][1][S]': { ...two, mask: r.allowed(2, 1, 1, 5) },
    'booleans [B][H][T][S]': { ...two, mask: r.allowed(2, 2, 5, 5) },
    'numbers [T][S]': { ...one, mask: bias(5, 5) },
    'numbers [H][1][S]': { ...one, mask: bias(2, 1, 5) },
    'numbers [B][H][T][S]': { ...two, mask: bias(2, 2, 5, 5) },
    'minus infinity as text and as null': { ...one, mask: [[0, '-Infinity', 0.5, null, -1]] },
    'a mask narrower than the keys': { ...one, mask: r.allowed(5, 3) },
    'a mask and causal together': { ...one, mask: r.allowed(5, 5), causal: true },
    'one mask for a ragged batch, of the longest': {
      sequences: [r.tensor(2, 3), r.tensor(6, 3), r.tensor(4, 3)],
      mask: r.allowed(6, 6),
    },
    'a mask for each of a ragged batch': {
      sequences: [r.tensor(2, 3), r.tensor(4, 3)],
      mask: r.allowed(2, 1, 4, 4),
    },
    'a scale of one': { ...one, scale: 1 },
    'a negative scale': { ...one, scale: -0.25 },
  };
  for (const [name, request] of Object.entries(cases))
    test(name, () => agrees({ ...request, return: ['lse'] }));

  test('a fully masked row is zero, not NaN (threat 75)', async () => {
    for (const mask of [[[true, true], [false, false]], [[0, 0], ['-Infinity', null]]]) {
      const { json } = await compute(service, { sequences: [[1, 2], [3, 4]], mask, return: ['lse'] });
      assert.deepEqual(json.attention_maps[0][1], [0, 0]);
      assert.deepEqual(json.outputs[1], [0, 0]);
      assert.equal(json.lse[0][1], '-Infinity');
    }
  });

  test('a fully masked row still gets the output bias', async () => {
    const { json } = await compute(service, {
      sequences: [[1], [2]],
      weights: { wq: [[1]], wk: [[1]], wv: [[1]], wo: [[1, 1]], bo: [7, 8] },
      mask: [[false], [true]],
    });
    assert.deepEqual(json.outputs[0], [7, 8]);
  });

  // What is added this way is beyond float32's digits, so the scores no longer matter.
  test('a row of -1e9 is not empty', async () => {
    const { json } = await compute(service, { ...one, mask: build([5, 5], () => -1e9) });
    for (const row of json.attention_maps.flat())
      assertClose(row, [0.2, 0.2, 0.2, 0.2, 0.2], 'a row', { absolute: 1e-6, relative: 0 });
  });

  test('what stands behind the mask does not reach the output', async () => {
    const request = (hidden) => ({
      query: [[1, 0]],
      key: [[1, 0], [hidden, hidden]],
      value: [[1, 2], [hidden, hidden]],
      mask: [[true, false]],
      id: 'same',
    });
    const [quiet, loud] = await Promise.all([0, 3e38].map((x) => compute(service, request(x))));
    assert.deepEqual(loud.json.outputs, [[1, 2]]);
    assert.deepEqual(loud.json.attention_maps, quiet.json.attention_maps);
  });

  test('a causal token does not see the future change', async () => {
    const sequences = r.tensor(6, 4);
    const changed = sequences.map((row, i) => (i < 3 ? row : row.map((x) => -3 * x)));
    const answers = await Promise.all(
      [sequences, changed].map((s) => compute(service, { sequences: s, causal: true, maps: 'none' }))
    );
    assert.deepEqual(answers[0].json.outputs.slice(0, 3), answers[1].json.outputs.slice(0, 3));
  });

  test('a ragged sequence answers as it would alone, bit for bit', async () => {
    const sequences = [1, 13, 4, 40].map((T) => r.tensor(T, 6));
    const weights = { wq: r.tensor(6, 8), wk: r.tensor(6, 8), wv: r.tensor(6, 8), wo: r.tensor(8, 6) };
    const batch = await compute(service, { sequences, weights, heads: 2 });
    for (const [b, one] of sequences.entries()) {
      const alone = await compute(service, { sequences: one, weights, heads: 2 });
      assert.deepEqual(batch.json.outputs[b], alone.json.outputs);
      assert.deepEqual(batch.json.attention_maps[b], alone.json.attention_maps);
    }
  });
});

describe('random requests', () => {
  const sizes = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64];

  function randomRequest(seed) {
    const r = generator(seed);
    const H = r.whole(1, 12);
    const G = r.pick([...Array(H).keys()].map((i) => i + 1).filter((g) => H % g === 0));
    const [dk, dv, d, dc] = [r.whole(1, 9), r.whole(1, 9), r.whole(1, 20), r.whole(1, 20)];
    const B = r.whole(1, 3);
    const lengths = Array.from({ length: B }, () => [r.pick(sizes), r.pick(sizes)]);
    const [T, S] = lengths[0];
    const request = { heads: H, kv_heads: G };
    const form = r.whole(0, 4);
    let ragged = false;
    if (form === 0)
      Object.assign(request, {
        query: r.tensor(T, H * dk),
        key: r.tensor(S, G * dk),
        value: r.tensor(S, G * dv),
      });
    else if (form === 1)
      Object.assign(request, {
        query: r.tensor(B, T, H * dk),
        key: r.tensor(B, S, G * dk),
        value: r.tensor(B, S, G * dv),
      });
    else if (form === 2)
      Object.assign(request, {
        query: r.tensor(B, H, T, dk),
        key: r.tensor(B, G, S, dk),
        value: r.tensor(B, G, S, dv),
      });
    else {
      ragged = form === 4;
      request.sequences = ragged ? lengths.map(([t]) => r.tensor(t, d)) : r.tensor(T, d);
      request.context = ragged ? lengths.map(([, s]) => r.tensor(s, dc)) : r.tensor(S, dc);
      request.weights = { wq: r.tensor(d, H * dk), wk: r.tensor(dc, G * dk), wv: r.tensor(dc, G * dv) };
      if (r.next() < 0.5) request.weights.wo = r.tensor(H * dv, r.whole(1, 10));
      if (r.next() < 0.5) request.weights.bk = r.tensor(G * dk);
    }
    if (r.next() < 0.3) request.causal = true;
    if (r.next() < 0.3) request.align = 'bottom_right';
    if (!ragged && r.next() < 0.5) request.mask = r.next() < 0.5 ? r.allowed(T, S) : r.tensor(H, 1, S);
    request.maps = r.pick(['heads', 'heads', 'mean', 'none']);
    if (request.maps === 'heads' && r.next() < 0.3) request.map_heads = [H - 1];
    request.return = r.pick([[], ['lse'], ['projections'], ['lse', 'projections']]);
    return request;
  }

  for (let seed = 100; seed < 160; seed++) test(`seed ${seed}`, () => agrees(randomRequest(seed)));

  test('512 tokens, 12 heads, every map', async () => {
    const r = generator(4);
    const request = { sequences: r.tensor(512, 96), heads: 12, causal: true };
    const { json } = await compute(service, {
      ...request,
      sequences: toBase64(request.sequences),
      tensor_format: 'base64',
    });
    const expected = attend(request);
    assertClose(fromBase64(json.outputs), expected.outputs, 'outputs');
    assertClose(fromBase64(json.attention_maps), expected.attention_maps, 'maps');
  });
});

describe('large numbers', () => {
  test('equal huge scores share the weight', async () => {
    const { json } = await compute(service, { sequences: [[1e18], [1e18]], scale: 1 });
    assert.deepEqual(json.attention_maps, [[[0.5, 0.5], [0.5, 0.5]]]);
  });

  test('numbers that leave float32 are refused, never NaN', async () => {
    for (const body of [
      { sequences: [[3e38, 3e38]] },
      { sequences: [[3e38]], weights: { wq: [[10]], wk: [[1]], wv: [[1]] } },
      { sequences: [[1]], weights: { wq: [[1]], wk: [[1]], wv: [[3e38]], wo: [[10]] } },
      { sequences: [[1e30]], scale: 1e30 },
    ]) {
      const answer = await attention(service, body);
      assert.equal(answer.status, 422, JSON.stringify(body));
    }
  });

  test('denormals and minus zero are numbers', () =>
    agrees({
      sequences: [
        [1e-45, -0],
        [-1e-40, 1e-400],
      ],
      scale: 1,
    }));
});
