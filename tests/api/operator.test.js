// Every option of the operator: beside float64, from nested arrays and from base64, in
// ragged batches, and with every form and stage of the maps.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { compute } from './support/client.js';
import { assertAnswer, assertClose, build, generator, packed } from './support/numbers.js';
import { attend } from './support/reference.js';
import { start } from './support/service.js';

let service;
before(async () => (service = await start()));
after(() => service.stop());

const r = generator(21);

async function agrees(request, tolerance) {
  const { json } = await compute(service, request);
  assertAnswer(json, attend(request), tolerance);
  return json;
}

// The same numbers from base64, as base64.
async function agreesBothWays(request, tolerance) {
  const json = await agrees(request, tolerance);
  const nested = attend(request);
  const answer = await compute(service, { ...packed(request), tensor_format: 'base64' });
  assertAnswer(answer.json, nested, tolerance);
  return json;
}

const layer = (T, d, more) => ({ sequences: r.tensor(T, d), ...more });
const projected = (T, S, H, G, dk, dv, B) => {
  const of = (n, heads, width) => (B ? r.tensor(B, heads, n, width) : r.tensor(n, heads * width));
  const heads = B ? {} : { heads: H, kv_heads: G };
  return { query: of(T, H, dk), key: of(S, G, dk), value: of(S, G, dv), ...heads };
};
const past = (B, G, P, dk, dv) =>
  B
    ? { key: r.tensor(B, G, P, dk), value: r.tensor(B, G, P, dv) }
    : { key: r.tensor(G, P, dk), value: r.tensor(G, P, dv) };
const weights = (d, H, G, dk, dv) => ({
  wq: r.tensor(d, H * dk),
  wk: r.tensor(d, G * dk),
  wv: r.tensor(d, G * dv),
  wo: r.tensor(H * dv, d),
  bk: r.tensor(G * dk),
});
const table = (positions, pairs) => {
  const angles = r.tensor(positions, pairs);
  const rounded = (f) => angles.map((row) => row.map((x) => Math.fround(f(x))));
  return { cos: rounded(Math.cos), sin: rounded(Math.sin) };
};

const options = {
  'a window to the left': { ...layer(9, 8), heads: 2, window: { left: 2 } },
  'a window to the right': { ...layer(9, 8), heads: 2, window: { right: 1 } },
  'a window of the own token alone': { ...layer(7, 4), window: { left: 0, right: 0 } },
  'a window larger than the sequence': { ...layer(5, 4), window: { left: 1e9, right: 9007199254740991 } },
  'a window without sides': { ...layer(5, 4), window: {} },
  'a causal window': { ...layer(9, 8), heads: 2, causal: true, window: { left: 3 } },
  'a window from the last key': {
    ...projected(4, 11, 2, 1, 3, 5),
    window: { left: 2, right: 1 },
    align: 'bottom_right',
  },
  'a window that leaves the first rows empty': {
    ...projected(9, 4, 2, 2, 3, 3),
    window: { left: 1 },
    causal: true,
    align: 'bottom_right',
  },
  'lengths of keys': { ...projected(4, 7, 2, 2, 3, 4, 3), key_lengths: [7, 3, 0] },
  'the length of a single one': { ...layer(6, 4), key_lengths: 4 },
  'the length of a single one in a list': { ...layer(6, 4), key_lengths: [4] },
  'lengths and causal from the last valid key': {
    ...projected(3, 8, 2, 1, 4, 4, 3),
    key_lengths: [8, 5, 2],
    causal: true,
    align: 'bottom_right',
  },
  'a mask narrower than lengths': { ...layer(6, 4), key_lengths: 5, mask: r.allowed(6, 3) },
  softcap: { ...layer(8, 6), heads: 2, softcap: 0.3 },
  'softcap before the mask': { ...layer(8, 6), softcap: 0.5, mask: r.tensor(8, 8), scale: 3 },
  'standard slopes, a power of two': { ...layer(9, 8), heads: 4, alibi: true },
  'standard slopes for 3 heads': { ...layer(9, 9), heads: 3, alibi: true },
  'standard slopes for 12 heads': { ...layer(9, 24), heads: 12, alibi: true, causal: true },
  'no slopes': { ...layer(5, 4), alibi: false },
  'given slopes from the last key': {
    ...projected(3, 9, 2, 1, 4, 3),
    alibi: [0.5, -0.25],
    align: 'bottom_right',
  },
  sinks: { ...layer(7, 6), heads: 3, sinks: [0, 2.5, -1] },
  'sinks beside empty rows': {
    ...layer(4, 4),
    heads: 2,
    sinks: [1, 2],
    mask: [[true], [false], [true], [true]],
  },
  'sinks far above the scores': { ...layer(4, 4), sinks: [200] },
  rope: { ...layer(9, 12), heads: 2, rope: {} },
  'rope of neighbours': { ...layer(9, 12), heads: 2, rope: { interleaved: true, base: 500 } },
  'rope of some channels': { ...layer(9, 12), heads: 2, rope: { dims: 4 } },
  'rope from an offset': { ...layer(9, 8), rope: { positions: 1000 } },
  'rope at given positions': { ...layer(5, 8), rope: { positions: [3, 0, 7, 7, 100] } },
  'rope at positions that float32 would round': { ...layer(3, 8), rope: { positions: [20000001, 2 ** 25 + 3, 2 ** 31 - 1] } },
  'rope at positions of each sequence': {
    ...projected(3, 3, 2, 2, 4, 4, 2),
    rope: {
      positions: [
        [0, 1, 2],
        [9, 8, 7],
      ],
    },
  },
  'rope by tables': { ...layer(5, 8), heads: 2, rope: table(6, 2) },
  'rope by tables, some channels of neighbours, positions': {
    ...layer(4, 12),
    heads: 2,
    rope: { ...table(20, 1), dims: 2, interleaved: true, positions: [19, 0, 4, 4] },
  },
  'rope with a context': {
    sequences: r.tensor(3, 8),
    context: r.tensor(6, 8),
    heads: 2,
    rope: { positions: 4 },
  },
  'rope with a context of as many tokens': {
    sequences: r.tensor(4, 8),
    context: r.tensor(4, 8),
    rope: { positions: 9 },
  },
  'rope behind a past': {
    ...projected(3, 3, 2, 2, 4, 4),
    rope: { base: 100 },
    past: past(0, 2, 5, 4, 4),
    causal: true,
  },
  'a past': { ...projected(2, 3, 2, 2, 4, 5), past: past(0, 2, 6, 4, 5) },
  'a past of a batch': { ...projected(2, 2, 4, 2, 4, 3, 2), past: past(2, 2, 6, 4, 3), causal: true },
  'a past of rank 4 for one sequence': { ...layer(3, 6), heads: 2, past: past(1, 2, 4, 3, 3), causal: true },
  'a past, window, lengths and slopes': {
    ...projected(3, 4, 2, 1, 4, 4, 2),
    past: past(2, 1, 5, 4, 4),
    window: { left: 4 },
    key_lengths: [9, 6],
    alibi: true,
    align: 'bottom_right',
  },
  'dropout on weights': { ...layer(12, 8), heads: 2, dropout: { rate: 0.4, seed: 5 } },
  'dropout on scores': {
    ...layer(12, 8),
    heads: 2,
    dropout: { rate: 0.4, seed: 5, on: 'scores' },
    causal: true,
  },
  'dropout with a large seed': { ...layer(12, 4), dropout: { rate: 0.25, seed: 9007199254740991 } },
  'dropout of nothing': { ...layer(5, 4), dropout: { rate: 0 } },
  'dropout in a batch': { ...projected(5, 6, 2, 1, 3, 3, 3), dropout: { rate: 0.6, seed: 1 } },
  'values wider than keys': projected(5, 7, 4, 2, 3, 8),
  'a whole layer with everything': {
    ...layer(11, 8),
    heads: 4,
    kv_heads: 2,
    weights: weights(8, 4, 2, 6, 5),
    rope: { dims: 4 },
    past: past(0, 2, 7, 6, 5),
    causal: true,
    window: { left: 9 },
    mask: r.tensor(11, 18),
    key_lengths: 17,
    softcap: 2,
    alibi: true,
    sinks: [0.1, 0.2, 0.3, 0.4],
    dropout: { rate: 0.2, seed: 8 },
  },
};
const everything = ['projections', 'lse', 'present', 'entropy', 'statistics'];

describe('every option, nested and base64, with all that can be returned', () => {
  for (const [name, request] of Object.entries(options))
    test(name, () => agreesBothWays({ ...request, return: everything }));
});

describe('every mask, in both ways', () => {
  const two = projected(3, 5, 2, 1, 4, 4, 2);
  for (const shape of [
    [5],
    [1],
    [3, 5],
    [3, 1],
    [1, 5],
    [2, 3, 5],
    [2, 1, 1],
    [1, 3, 5],
    [2, 1, 3, 5],
    [1, 2, 1, 5],
  ])
    for (const kind of ['allowed', 'tensor'])
      test(`${kind === 'allowed' ? 'booleans' : 'numbers'} [${shape.join('][')}]`, () =>
        agreesBothWays({ ...two, mask: r[kind](...shape), return: ['lse'] }));
  for (const shape of [[3], [3, 2], [2, 3, 4], [2, 2, 3, 4]])
    test(`narrower than the keys, [${shape.join('][')}]`, () =>
      agreesBothWays({ ...two, mask: r.allowed(...shape), return: ['lse'] }));
  test('minus infinity as text and as null', () =>
    agreesBothWays({
      ...two,
      mask: [
        [0, '-Infinity', 0.5, null, -1],
        [null, null, null, null, null],
        [1, 2, 3, 4, 5],
      ],
    }));
});

describe('every option in a ragged batch', () => {
  const sequences = [1, 6, 3].map((T) => r.tensor(T, 8));
  const B = sequences.length;
  const cases = {
    'a causal window': { causal: true, window: { left: 1 } },
    'a window from the last key': { window: { left: 2, right: 0 }, align: 'bottom_right' },
    lengths: { key_lengths: [1, 4, 0] },
    'softcap, slopes and sinks': { softcap: 1, alibi: true, sinks: [0.5, 1] },
    rope: { rope: {} },
    'rope at positions of each': { rope: { positions: build([B, 6], () => r.whole(0, 50)) } },
    'a past': { past: past(B, 2, 4, 4, 4), causal: true },
    'dropout on weights': { dropout: { rate: 0.3, seed: 4 } },
    'dropout on scores': { dropout: { rate: 0.3, seed: 4, on: 'scores' } },
    'a context and a mask': { context: [4, 2, 7].map((S) => r.tensor(S, 8)), mask: r.allowed(6, 7) },
  };
  for (const [name, more] of Object.entries(cases))
    test(name, () => agreesBothWays({ sequences, heads: 2, ...more, return: everything }));
});

describe('every form of maps of every stage', () => {
  const base = {
    ...projected(5, 7, 4, 2, 3, 3),
    mask: build([5, 7], () => (r.next() < 0.3 ? '-Infinity' : Math.fround(r.next()))),
    window: { left: 4, right: 2 },
    softcap: 0.8,
    alibi: true,
    sinks: [0.5, 1, -1, 0],
    dropout: { rate: 0.3, seed: 2 },
  };
  const { query, key, value, kv_heads, ...options } = base;
  const ragged = {
    ...options,
    sequences: [5, 2].map((T) => r.tensor(T, 8)),
    mask: base.mask.map((row) => row.slice(0, 5)),
  };
  const forms = [
    {},
    { maps: 'mean' },
    { maps: 'top_k', top_k: 2 },
    { map_heads: [3, 1] },
    { maps: 'top_k', top_k: 1, map_heads: [2] },
  ];
  for (const map_stage of ['scores', 'capped', 'biased', 'weights'])
    for (const form of forms)
      test(`${map_stage} ${JSON.stringify(form)}`, async () => {
        await agreesBothWays({ ...base, map_stage, ...form });
        await agreesBothWays({ ...ragged, map_stage, ...form });
      });

  test('top_k of all keys is the whole map, sorted', async () => {
    const { attention_maps } = await agrees({ ...base, maps: 'top_k', top_k: 7 });
    for (const row of attention_maps.values.flat())
      assert.deepEqual(
        row,
        [...row].sort((a, b) => b - a)
      );
    for (const row of attention_maps.indices.flat()) assert.deepEqual([...row].sort(), [0, 1, 2, 3, 4, 5, 6]);
  });

  test('the outputs do not depend on the stage', async () => {
    const stages = ['scores', 'capped', 'biased', 'weights'];
    const answers = await Promise.all(stages.map((map_stage) => compute(service, { ...base, map_stage })));
    for (const { json } of answers) assert.deepEqual(json.outputs, answers[0].json.outputs);
  });
});

describe('parts and wholes', () => {
  test('four parts of the keys merge into the whole by their lse', async () => {
    const request = {
      ...projected(6, 41, 4, 2, 5, 3),
      softcap: 3,
      mask: build([6, 41], () => (r.next() < 0.2 ? null : r.next())),
    };
    const cuts = [0, 3, 17, 18, 41];
    const parts = await Promise.all(
      [0, 1, 2, 3].map(async (n) => {
        const cut = (rows) => rows.slice(cuts[n], cuts[n + 1]);
        const part = { key: cut(request.key), value: cut(request.value), mask: request.mask.map(cut) };
        return (await compute(service, { ...request, ...part, maps: 'none', return: ['lse'] })).json;
      })
    );
    const whole = (await compute(service, { ...request, maps: 'none', return: ['lse'] })).json;
    for (let i = 0; i < 6; i++)
      for (let h = 0; h < 4; h++) {
        const lse = parts.map((part) => Number(part.lse[h][i]));
        const share = lse.map((x) => Math.exp(x - Math.max(...lse)));
        const sum = share.reduce((a, x) => a + x);
        const tight = { absolute: 2e-6, relative: 2e-6 };
        assertClose(whole.lse[h][i], Math.max(...lse) + Math.log(sum), 'lse', tight);
        for (let c = 3 * h; c < 3 * h + 3; c++) {
          const merged = parts.reduce((a, part, n) => a + share[n] * part.outputs[i][c], 0) / sum;
          assertClose(whole.outputs[i][c], merged, 'output', tight);
        }
      }
  });

  test('token after token with what is present gives the causal whole', async () => {
    const sequences = r.tensor(6, 8);
    const layer = { heads: 2, weights: weights(8, 2, 2, 4, 4), rope: {}, causal: true };
    const whole = (await compute(service, { ...layer, sequences })).json;
    let past;
    for (let t = 0; t < 6; t++) {
      const step = { ...layer, sequences: [sequences[t]], return: ['present'], ...(past && { past }) };
      const { json } = await compute(service, step);
      assertClose(json.outputs[0], whole.outputs[t], `token ${t}`);
      past = json.present;
    }
    assert.equal(past.key[0].length, 6);
  });

  test('positions beyond the end of a sequence change nothing', async () => {
    const sequences = [r.tensor(2, 4), r.tensor(3, 4)];
    const alone = async (b, positions) =>
      (await compute(service, { sequences: sequences[b], rope: { positions } })).json.outputs;
    for (const padding of [0, 9, 2 ** 53 - 1]) {
      const positions = [[4, 7, padding], [5, 6, 9]];
      const { json } = await compute(service, { sequences, rope: { positions } });
      assert.deepEqual(json.outputs, [await alone(0, [4, 7]), await alone(1, [5, 6, 9])]);
    }
  });

  test('a position in a list is the same as the only one', async () => {
    const sequences = r.tensor(1, 4);
    for (const first of [2 ** 24, 2 ** 24 + 1, 2 ** 53 - 1]) {
      const turned = async (positions) =>
        (await compute(service, { sequences, context: sequences, return: ['projections'], rope: { positions } }))
          .json.projections.query;
      assert.deepEqual(await turned([first]), await turned(first));
    }
  });

  test('the same seed drops the same cells, another one others', async () => {
    const ask = async (seed) =>
      (await compute(service, { sequences: options.rope.sequences, dropout: { rate: 0.5, seed }, id: 'x' }))
        .json.outputs;
    assert.deepEqual(await ask(1), await ask(1));
    assert.notDeepEqual(await ask(1), await ask(2));
  });
});

describe('what is hidden stays hidden', () => {
  const hidden = {
    'by a window': { window: { left: 0, right: 0 } },
    'by a length': { key_lengths: 1 },
    'by a narrow mask': { mask: [[true, false]] },
    'by minus infinity': { mask: [[0, '-Infinity', null]] },
  };
  for (const [name, more] of Object.entries(hidden))
    test(name, async () => {
      const keys = (x) => ({
        key: [
          [1, 0],
          [x, x],
          [x, x],
        ],
        value: [
          [1, 2],
          [x, x],
          [x, x],
        ],
      });
      const request = (x) => ({ query: [[1, 0]], ...keys(x), ...more, return: ['lse'] });
      const [quiet, loud] = await Promise.all([0, 3e38].map((x) => compute(service, request(x))));
      assert.deepEqual(loud.json.outputs, [[1, 2]]);
      assert.deepEqual(loud.json.lse, quiet.json.lse);
    });

  test('rows that nothing is left of are zeros, with sinks and dropout, too', async () => {
    const { json } = await compute(service, {
      sequences: [
        [1, 2],
        [3, 4],
      ],
      causal: true,
      key_lengths: 0,
      sinks: [1],
      dropout: { rate: 0.5 },
      return: ['lse', 'entropy', 'statistics'],
    });
    assert.deepEqual(json.outputs, [
      [0, 0],
      [0, 0],
    ]);
    assert.deepEqual(json.attention_maps, [
      [
        [0, 0],
        [0, 0],
      ],
    ]);
    assert.deepEqual(json.lse, [['-Infinity', '-Infinity']]);
    assert.deepEqual(json.entropy, { nats: [[0, 0]], normalised: [[0, 0]] });
    assert.equal(json.statistics[0].maximum, 0);
  });

  test('an infinite score is as large as the cap', async () => {
    const { json } = await compute(service, {
      sequences: [[1e30], [1]],
      scale: 1e20,
      softcap: 5,
      map_stage: 'capped',
    });
    assertClose(json.attention_maps[0][0], [5, 5], 'capped');
  });
});

describe('mixtures of options, at random', () => {
  function randomRequest(seed) {
    const m = generator(seed);
    const chance = (p) => m.next() < p;
    const H = m.whole(1, 6);
    const G = m.pick([...Array(H).keys()].map((i) => i + 1).filter((g) => H % g === 0));
    const [T, S, dk, dv] = [m.whole(1, 34), m.whole(1, 34), 2 * m.whole(1, 6), m.whole(1, 9)];
    const B = m.whole(1, 2);
    const request = {
      query: m.tensor(B, H, T, dk),
      key: m.tensor(B, G, S, dk),
      value: m.tensor(B, G, S, dv),
    };
    const P = chance(0.4) ? m.whole(1, 20) : 0;
    if (P) request.past = { key: m.tensor(B, G, P, dk), value: m.tensor(B, G, P, dv) };
    const all = P + S;
    if (chance(0.4)) request.causal = true;
    if (chance(0.5)) request.align = 'bottom_right';
    if (chance(0.4))
      request.window = {
        ...(chance(0.7) && { left: m.whole(0, 9) }),
        ...(chance(0.7) && { right: m.whole(0, 9) }),
      };
    if (chance(0.4))
      request.mask = chance(0.5)
        ? m.allowed(T, m.whole(1, all))
        : m.tensor(m.pick([1, B]), m.pick([1, H]), T, all);
    if (chance(0.3)) request.key_lengths = Array.from({ length: B }, () => m.whole(0, all));
    if (chance(0.3)) request.softcap = Math.fround(m.next() + 0.1);
    if (chance(0.3)) request.alibi = chance(0.5) || m.tensor(H);
    if (chance(0.3)) request.sinks = m.tensor(H);
    if (chance(0.3))
      request.rope = {
        dims: 2 * m.whole(1, dk / 2),
        interleaved: chance(0.5),
        ...(chance(0.3) && { positions: m.whole(0, 99) }),
      };
    if (chance(0.3))
      request.dropout = { rate: m.next() * 0.9, seed: m.whole(0, 1e6), on: m.pick(['weights', 'scores']) };
    if (chance(0.2)) request.method = { name: 'top_k', k: m.whole(1, all), compare: chance(0.5) };
    request.map_stage = m.pick(['scores', 'capped', 'biased', 'weights']);
    request.maps = m.pick(['heads', 'mean', 'top_k']);
    if (request.maps === 'top_k') request.top_k = m.whole(1, all);
    request.return = everything.filter(() => chance(0.5));
    return request;
  }

  for (let seed = 500; seed < 560; seed++) test(`seed ${seed}`, () => agreesBothWays(randomRequest(seed)));
});
