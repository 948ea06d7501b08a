// Approximations: beside float64, exact in their limit, honest about their error, and
// refusing what they cannot honour.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attention, compute } from './support/client.js';
import { assertAnswer, assertClose, build, generator, packed } from './support/numbers.js';
import { attend } from './support/reference.js';
import { start } from './support/service.js';

let service;
before(async () => (service = await start()));
after(() => service.stop());

const r = generator(31);
const identity = (n) =>
  build([n], () => 0).map((_, i) => build([n], () => 0).map((__, j) => Number(i === j)));
const fullLayout = (rows, columns) => ({
  row_starts: [...Array(rows + 1).keys()].map((i) => i * columns),
  columns: Array.from({ length: rows * columns }, (_, i) => i % columns),
});
const gates = (T, width) => r.tensor(T, width).map((row) => row.map((x) => Math.fround(-Math.abs(x))));

// 13 tokens, 4 heads of width 4 over 2 key heads.
const T = 13;
const one = {
  query: r.tensor(T, 16),
  key: r.tensor(T, 8),
  value: r.tensor(T, 6),
  heads: 4,
  kv_heads: 2,
};
const cross = { ...one, key: r.tensor(20, 8), value: r.tensor(20, 6) };
const ragged = { sequences: [13, 4, 7].map((n) => r.tensor(n, 8)), heads: 2 };
const layout = { row_starts: [0, 2, 3, 3, 5], columns: [0, 3, 1, 0, 2] };

const methods = {
  'linformer by a seed': [one, { name: 'linformer', rank: 3, seed: 7 }],
  'linformer without a seed': [one, { name: 'linformer', rank: 1 }],
  'linformer given': [cross, { name: 'linformer', e: r.tensor(5, 20), f: r.tensor(5, 20) }],
  nystrom: [cross, { name: 'nystrom', landmarks: 5 }],
  performer: [cross, { name: 'performer', features: 24, seed: 3 }],
  'performer with fewer features than channels': [one, { name: 'performer', features: 2 }],
  'performer, causal': [
    { ...one, causal: true },
    { name: 'performer', features: 16, seed: 1 },
  ],
  'linear elu': [cross, { name: 'linear' }],
  'linear elu, causal': [
    { ...one, causal: true },
    { name: 'linear', rule: 'elu' },
  ],
  'linear linear': [one, { name: 'linear', rule: 'linear' }],
  'linear gated, a head': [one, { name: 'linear', rule: 'gated', decay: gates(T, 2) }],
  'linear gated, a channel': [one, { name: 'linear', rule: 'gated', decay: gates(T, 8) }],
  'linear delta': [one, { name: 'linear', rule: 'delta', beta: r.tensor(T, 2) }],
  'linear delta, one rate': [one, { name: 'linear', rule: 'delta', beta: r.tensor(T, 1) }],
  'linear gated delta with a state': [
    one,
    {
      name: 'linear',
      rule: 'gated_delta',
      decay: gates(T, 8),
      beta: r.tensor(T, 2),
      state: r.tensor(2, 4, 3),
    },
  ],
  top_k: [cross, { name: 'top_k', k: 3 }],
  block_sparse: [one, { name: 'block_sparse', block: 4, layout }],
  longformer: [one, { name: 'longformer', window: 2, global: [0, 7] }],
  'longformer without globals': [cross, { name: 'longformer', window: 1 }],
  'longformer, globals alone': [one, { name: 'longformer', global: [3] }],
  bigbird: [one, { name: 'bigbird', block: 2, global: 1, random: 1, seed: 11 }],
  'bigbird, more random than there are': [one, { name: 'bigbird', block: 3, random: 9, seed: 11 }],
};
const isOwnKernel = ({ name }) => ['linformer', 'nystrom', 'performer', 'linear'].includes(name);
const hasState = ({ rule = 'elu' }) => rule !== 'elu';
// Their sums of exponentials run over a wide range in float32.
const tolerance = { absolute: 1e-4, relative: 1e-3 };

describe('beside float64, with its error, nested and base64', () => {
  for (const [name, [input, method]] of Object.entries(methods))
    test(name, async () => {
      const request = { ...input, method: { ...method, compare: !hasState(method) } };
      if (hasState(method)) request.return = ['present'];
      const expected = attend(request);
      assertAnswer((await compute(service, request)).json, expected, tolerance);
      const both = await compute(service, { ...packed(request), tensor_format: 'base64' });
      assertAnswer(both.json, expected, tolerance);
    });
});

describe('in a ragged batch', () => {
  const cases = {
    linformer: { name: 'linformer', rank: 3, seed: 2 },
    nystrom: { name: 'nystrom', landmarks: 2 },
    performer: { name: 'performer', features: 8, seed: 2 },
    linear: { name: 'linear', rule: 'elu' },
    'linear gated': {
      name: 'linear',
      rule: 'gated',
      decay: build([3], () => gates(13, 2)),
      state: r.tensor(3, 2, 4, 4),
    },
    top_k: { name: 'top_k', k: 2 },
    longformer: { name: 'longformer', window: 1, global: [2] },
    bigbird: { name: 'bigbird', block: 2, global: 1, random: 1, seed: 5 },
  };
  for (const [name, method] of Object.entries(cases))
    test(name, async () => {
      const request = { ...ragged, method: { ...method, compare: true } };
      assertAnswer((await compute(service, request)).json, attend(request), tolerance);
    });
});

describe('sparse methods honour every other option', () => {
  const options = {
    mask: r.allowed(T, T),
    causal: true,
    window: { left: 9 },
    key_lengths: 12,
    softcap: 2,
    alibi: true,
    sinks: [0, 1, 2, 3],
    rope: {},
    dropout: { rate: 0.2, seed: 3 },
    map_stage: 'biased',
    return: ['lse', 'present', 'entropy', 'statistics'],
  };
  for (const [name, [input, method]] of Object.entries(methods).filter(([, [, m]]) => !isOwnKernel(m))) {
    const keys = input.key.length;
    const mask = options.mask.map((row) => row.slice(0, keys));
    for (const form of [
      {},
      { maps: 'mean' },
      { maps: 'top_k', top_k: 2 },
      { maps: 'none', map_stage: undefined },
    ])
      test(`${name} ${JSON.stringify(form)}`, async () => {
        const request = { ...input, ...options, mask, ...form, method };
        assertAnswer((await compute(service, request)).json, attend(request));
      });
  }
});

describe('exact in the limit', () => {
  const limits = {
    linformer: [{ name: 'linformer', e: identity(T), f: identity(T) }, 1e-5],
    nystrom: [{ name: 'nystrom', landmarks: T }, 1e-2],
    performer: [{ name: 'performer', features: 16384, seed: 1 }, 5e-2],
    top_k: [{ name: 'top_k', k: T }, 0],
    block_sparse: [{ name: 'block_sparse', block: 5, layout: fullLayout(3, 3) }, 0],
    longformer: [{ name: 'longformer', window: T }, 0],
    bigbird: [{ name: 'bigbird', block: 4, random: 4 }, 0],
  };
  for (const [name, [method, most]] of Object.entries(limits))
    test(name, async () => {
      const exact = (await compute(service, { ...one, maps: 'none' })).json;
      const { json } = await compute(service, { ...one, maps: 'none', method: { ...method, compare: true } });
      assertClose(json.outputs, exact.outputs, 'outputs', { absolute: most, relative: 0 });
      assert.ok(json.method.error.max <= most, JSON.stringify(json.method));
      assert.ok(json.method.error.mean <= json.method.error.max);
    });

  test('token after token, the state gives what all at once gives', async () => {
    const gate = { name: 'linear', rule: 'gated_delta', decay: gates(T, 2), beta: r.tensor(T, 1) };
    const whole = (await compute(service, { ...one, method: gate, return: ['present'] })).json;
    let state;
    for (let t = 0; t < T; t++) {
      const at = (x) => [x[t]];
      const method = { ...gate, decay: at(gate.decay), beta: at(gate.beta), ...(state && { state }) };
      const token = { ...one, query: at(one.query), key: at(one.key), value: at(one.value) };
      const { json } = await compute(service, { ...token, method, return: ['present'] });
      assertClose(json.outputs[0], whole.outputs[t], `token ${t}`);
      state = json.state;
    }
    assertClose(state, whole.state, 'state');
  });

  test('the error of performer falls with more features', async () => {
    const errorOf = async (features) => {
      const method = { name: 'performer', features, seed: 4, compare: true };
      return (await compute(service, { ...one, method })).json.method.error.mean;
    };
    assert.ok((await errorOf(4096)) < 0.3 * (await errorOf(16)));
  });
});

describe('a name alone', () => {
  test('exact is the default, and says nothing', async () => {
    const answers = await Promise.all(
      [{}, { method: 'exact' }, { method: { name: 'exact' } }].map((more) =>
        compute(service, { ...one, ...more })
      )
    );
    for (const { json } of answers) {
      assert.deepEqual(json.outputs, answers[0].json.outputs);
      assert.equal(json.method, undefined);
    }
  });
  for (const method of ['linear', 'longformer'])
    test(method, async () => {
      const request = { ...one, method };
      assertAnswer((await compute(service, request)).json, attend(request), tolerance);
    });
});

describe('what a method cannot honour is refused by name', () => {
  const own = {
    linformer: { name: 'linformer', rank: 2 },
    nystrom: { name: 'nystrom', landmarks: 2 },
    performer: { name: 'performer', features: 4 },
    'rule elu': { name: 'linear' },
    'rule linear': { name: 'linear', rule: 'linear' },
  };
  const past = { key: r.tensor(2, 2, 4), value: r.tensor(2, 2, 3) };
  const refused = [
    [{ mask: r.allowed(T, T) }, '/mask'],
    [{ window: { left: 1 } }, '/window'],
    [{ softcap: 1 }, '/softcap'],
    [{ alibi: true }, '/alibi'],
    [{ sinks: [1, 1, 1, 1] }, '/sinks'],
    [{ dropout: { rate: 0.1 } }, '/dropout'],
    [{ key_lengths: 5 }, '/key_lengths'],
    [{ past }, '/past'],
    [{ maps: 'top_k', top_k: 1 }, '/maps'],
    [{ return: ['entropy'] }, '/return'],
    [{ return: ['statistics'] }, '/return'],
    [{ causal: true }, '/causal', ['linformer', 'nystrom']],
    [{ maps: 'heads' }, '/maps', ['nystrom', 'performer', 'rule elu', 'rule linear']],
    [{ maps: 'mean' }, '/maps', ['nystrom', 'performer', 'rule elu', 'rule linear']],
    [{ return: ['lse'] }, '/return', ['nystrom', 'performer', 'rule elu', 'rule linear']],
    [{ scale: 2 }, '/scale', ['rule elu']],
    [{ map_stage: 'scores' }, '/map_stage', ['linformer']],
  ];
  for (const [more, at, only] of refused)
    for (const name of only ?? Object.keys(own))
      test(`${Object.keys(more)[0]} ${JSON.stringify(more).slice(0, 40)} with ${name}`, async () => {
        const answer = await attention(service, { ...one, method: own[name], ...more });
        assert.equal(answer.status, 422, answer.text);
        assert.equal(answer.json.errors[0].pointer, at, answer.text);
        assert.match(answer.json.detail, new RegExp(own[name].name), 'names the method');
      });
});

test('an error beyond float32 is told as its largest number', async () => {
  const value = [[3e38], [-3e38], [-3e38], [-3e38], [-3e38], [-3e38]];
  const zeros = value.map(() => [0]);
  const { json } = await compute(service, {
    query: [[0]], key: zeros, value, method: { name: 'top_k', k: 1, compare: true },
  });
  assert.deepEqual(json.outputs, [[3e38]]);
  assert.equal(Math.fround(json.method.error.max), Math.fround(3.4028235e38));
});
