// What the options of the operator refuse: wrong types, numbers out of range, shapes that do
// not fit, and combinations that make no sense; each with its place.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attention, compute } from './support/client.js';
import { build, toBase64 } from './support/numbers.js';
import { start } from './support/service.js';

let service;
before(
  async () =>
    (service = await start([
      '--max-tokens',
      '64',
      '--max-batch',
      '4',
      '--max-width',
      '32',
      '--max-heads',
      '8',
    ]))
);
after(() => service.stop());

const X = [
  [1, 2],
  [3, 4],
];
const ones = (...shape) => build(shape, () => 1);
const batch = { query: ones(2, 2, 3, 4), key: ones(2, 1, 5, 4), value: ones(2, 1, 5, 4) };
const past = (...shape) => ({ key: ones(...shape), value: ones(...shape) });

async function refuses(body, at, status = 422) {
  const answer = await attention(service, body);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json.errors?.[0].pointer ?? '', at, answer.text);
  await compute(service, { sequences: [[1]] });
  return answer.json;
}

// What is given stands beside two tokens of two numbers, one head.
const members = {
  window: [
    [5, '/window'],
    ['wide', '/window'],
    [[1, 1], '/window'],
    [null, '/window'],
    [{ left: -1 }, '/window/left'],
    [{ left: 1.5 }, '/window/left'],
    [{ right: '1' }, '/window/right'],
    [{ right: null }, '/window/right'],
    [{ left: 1, both: 2 }, '/window/both'],
  ],
  align: [
    ['middle', '/align'],
    [true, '/align'],
  ],
  key_lengths: [
    [-1, '/key_lengths'],
    [1.5, '/key_lengths'],
    [3, '/key_lengths'],
    ['2', '/key_lengths'],
    [true, '/key_lengths'],
    [[], '/key_lengths'],
    [[1, 2], '/key_lengths'],
    [[0.5], '/key_lengths/0'],
    [[[1]], '/key_lengths/0'],
    [{ length: 1 }, '/key_lengths/length'],
  ],
  softcap: [
    [0, '/softcap'],
    [-1, '/softcap'],
    ['2', '/softcap'],
    [true, '/softcap'],
    [null, '/softcap'],
  ],
  alibi: [
    [1, '/alibi'],
    ['standard', '/alibi'],
    [null, '/alibi'],
    [[], '/alibi'],
    [[1, 2], '/alibi'],
    [['a'], '/alibi/0'],
    [[[1]], '/alibi/0'],
    [['-Infinity'], '/alibi/0'],
  ],
  sinks: [
    [1, '/sinks'],
    [true, '/sinks'],
    [[1, 2], '/sinks'],
    [[null], '/sinks/0'],
    [['-Infinity'], '/sinks/0'],
  ],
  rope: [
    [true, '/rope'],
    [10000, '/rope'],
    [[1], '/rope'],
    [{ theta: 1 }, '/rope/theta'],
    [{ base: 0 }, '/rope/base'],
    [{ base: -1 }, '/rope/base'],
    [{ base: '1' }, '/rope/base'],
    [{ dims: 0 }, '/rope/dims'],
    [{ dims: 1 }, '/rope/dims'],
    [{ dims: 4 }, '/rope/dims'],
    [{ dims: 1.5 }, '/rope/dims'],
    [{ interleaved: 1 }, '/rope/interleaved'],
    [{ positions: -1 }, '/rope/positions'],
    [{ positions: 0.5 }, '/rope/positions'],
    [{ positions: 'first' }, '/rope/positions'],
    [{ positions: [0] }, '/rope/positions'],
    [{ positions: [0, 1, 2] }, '/rope/positions'],
    [{ positions: [0, -1] }, '/rope/positions/1'],
    [{ positions: [0, 1.00000001] }, '/rope/positions/1'],
    [{ positions: [0, 1e-50] }, '/rope/positions/1'],
    [{ positions: [0, 9007199254740992] }, '/rope/positions/1'],
    [
      {
        positions: [
          [0, 1],
          [2, 3],
        ],
      },
      '/rope/positions',
    ],
    [{ positions: 9007199254740992 }, '/rope/positions'],
    [{ cos: [[1], [1]] }, '/rope'],
    [{ sin: [[1], [1]] }, '/rope'],
    [{ cos: [[1], [1]], sin: [[1], [1]], base: 5 }, '/rope/base'],
    [
      {
        cos: [
          [1, 1],
          [1, 1],
        ],
        sin: [[1], [1]],
      },
      '/rope/cos',
    ],
    [{ cos: [[1], [1]], sin: [[1], [1], [1]] }, '/rope/sin'],
    [{ cos: [[1]], sin: [[1]] }, '/rope/cos'],
    [{ cos: [[1], [1]], sin: [[1], [1]], positions: [0, 2] }, '/rope/positions/1'],
    [{ cos: [1, 1], sin: [1, 1] }, '/rope/cos'],
  ],
  past: [
    [[1], '/past'],
    [{ key: ones(1, 1, 2) }, '/past'],
    [{ value: ones(1, 1, 2) }, '/past'],
    [{ ...past(1, 1, 2), keys: 1 }, '/past/keys'],
    [past(1, 2), '/past/key'],
    [past(2, 1, 2), '/past/key'],
    [past(1, 1, 3), '/past/key'],
    [past(2, 1, 1, 2), '/past/key'],
    [{ key: ones(1, 2, 2), value: ones(1, 3, 2) }, '/past/value'],
    [{ key: ones(1, 2, 2), value: ones(1, 2, 3) }, '/past/value'],
    [{ key: ones(1, 2, 2), value: ones(1, 1, 2, 2) }, '/past/value'],
    [{ key: [[[1, 'x']]], value: ones(1, 1, 2) }, '/past/key/0/0/1'],
  ],
  dropout: [
    [0.5, '/dropout'],
    [{}, '/dropout'],
    [{ seed: 1 }, '/dropout'],
    [{ rate: 1 }, '/dropout/rate'],
    [{ rate: -0.1 }, '/dropout/rate'],
    [{ rate: '0.1' }, '/dropout/rate'],
    [{ rate: 0.1, seed: -1 }, '/dropout/seed'],
    [{ rate: 0.1, seed: 0.5 }, '/dropout/seed'],
    [{ rate: 0.1, seed: '1' }, '/dropout/seed'],
    [{ rate: 0.1, on: 'values' }, '/dropout/on'],
    [{ rate: 0.1, on: ['weights'] }, '/dropout/on'],
    [{ rate: 0.1, p: 1 }, '/dropout/p'],
  ],
  map_stage: [
    ['softmax', '/map_stage'],
    [0, '/map_stage'],
    [['scores'], '/map_stage'],
  ],
  top_k: [
    [1, '/top_k'],
    [0, '/top_k'],
    ['1', '/top_k'],
  ],
  return: [
    [['rollout'], '/return/0'],
    [['present', 'present'], '/return/1'],
    [['state'], '/return/0'],
    [{ present: true }, '/return'],
  ],
  method: [
    ['fast', '/method'],
    [1, '/method'],
    [true, '/method'],
    [null, '/method'],
    [['linear'], '/method'],
    [{}, '/method'],
    [{ k: 1 }, '/method'],
    [{ name: 'fast' }, '/method/name'],
    [{ name: 1 }, '/method/name'],
    [{ name: 'exact', compare: true }, '/method/compare'],
    [{ name: 'exact', k: 1 }, '/method/k'],
    [{ name: 'top_k', top: 1 }, '/method/top'],
    [{ name: 'top_k' }, '/method/k'],
    [{ name: 'top_k', k: 0 }, '/method/k'],
    [{ name: 'top_k', k: 3 }, '/method/k'],
    [{ name: 'top_k', k: 1, compare: 1 }, '/method/compare'],
    [{ name: 'top_k', k: 1, block: 1 }, '/method/block'],
    [{ name: 'top_k', k: 1, seed: 0 }, '/method/seed'],
    [{ name: 'linformer' }, '/method/rank'],
    [{ name: 'linformer', rank: 0 }, '/method/rank'],
    [{ name: 'linformer', rank: 1, e: ones(1, 2), f: ones(1, 2) }, '/method/rank'],
    [{ name: 'linformer', e: ones(1, 2) }, '/method/f'],
    [{ name: 'linformer', f: ones(1, 2) }, '/method/e'],
    [{ name: 'linformer', e: ones(1, 2), f: ones(2, 2) }, '/method/f'],
    [{ name: 'linformer', e: ones(1, 3), f: ones(1, 3) }, '/method/e'],
    [{ name: 'linformer', e: [1, 2], f: ones(1, 2) }, '/method/e'],
    [{ name: 'linformer', rank: 1, seed: -1 }, '/method/seed'],
    [{ name: 'linformer', e: ones(1, 2), f: ones(1, 2), seed: 7 }, '/method/seed'],
    [{ name: 'nystrom' }, '/method/landmarks'],
    [{ name: 'nystrom', landmarks: 3 }, '/method/landmarks'],
    [{ name: 'nystrom', landmarks: 513 }, '/method/landmarks'],
    [{ name: 'nystrom', landmarks: 1, rank: 1 }, '/method/rank'],
    [{ name: 'performer' }, '/method/features'],
    [{ name: 'performer', features: 0 }, '/method/features'],
    [{ name: 'performer', features: 1e9 }, '/method/features'],
    [{ name: 'performer', features: 1, landmarks: 1 }, '/method/landmarks'],
    [{ name: 'linear', rule: 'fast' }, '/method/rule'],
    [{ name: 'linear', decay: ones(2, 1) }, '/method/decay'],
    [{ name: 'linear', state: ones(1, 2, 2) }, '/method/state'],
    [{ name: 'linear', rule: 'linear', beta: ones(2, 1) }, '/method/beta'],
    [{ name: 'linear', rule: 'gated' }, '/method/decay'],
    [{ name: 'linear', rule: 'delta' }, '/method/beta'],
    [{ name: 'linear', rule: 'gated_delta', decay: ones(2, 1) }, '/method/beta'],
    [{ name: 'linear', rule: 'gated', decay: ones(3, 1) }, '/method/decay'],
    [{ name: 'linear', rule: 'gated', decay: ones(2, 3) }, '/method/decay'],
    [{ name: 'linear', rule: 'gated', decay: [1, 1] }, '/method/decay'],
    [{ name: 'linear', rule: 'delta', beta: ones(2, 2, 1) }, '/method/beta'],
    [{ name: 'linear', rule: 'linear', state: ones(1, 2, 3) }, '/method/state'],
    [{ name: 'linear', rule: 'linear', state: ones(2, 2, 2) }, '/method/state'],
    [{ name: 'linear', features: 2 }, '/method/features'],
    [{ name: 'block_sparse', layout: { row_starts: [0, 1], columns: [0] } }, '/method/block'],
    [{ name: 'block_sparse', block: 2 }, '/method/layout'],
    [{ name: 'block_sparse', block: 0, layout: { row_starts: [0, 1], columns: [0] } }, '/method/block'],
    [{ name: 'block_sparse', block: 2, layout: [[0]] }, '/method/layout'],
    [{ name: 'block_sparse', block: 2, layout: { row_starts: [0, 1] } }, '/method/layout'],
    [
      { name: 'block_sparse', block: 2, layout: { row_starts: [0, 1], columns: [0], rows: 1 } },
      '/method/layout/rows',
    ],
    [
      { name: 'block_sparse', block: 2, layout: { row_starts: [0], columns: [] } },
      '/method/layout/row_starts',
    ],
    [
      { name: 'block_sparse', block: 2, layout: { row_starts: [0, 2], columns: [0] } },
      '/method/layout/row_starts/1',
    ],
    [
      { name: 'block_sparse', block: 1, layout: { row_starts: [0, 1, 0], columns: [0] } },
      '/method/layout/row_starts/2',
    ],
    [
      { name: 'block_sparse', block: 1, layout: { row_starts: [1, 1, 1], columns: [0] } },
      '/method/layout/row_starts/0',
    ],
    [
      { name: 'block_sparse', block: 1, layout: { row_starts: [0, 1, 2], columns: [0, 2] } },
      '/method/layout/columns/1',
    ],
    [
      { name: 'block_sparse', block: 1, layout: { row_starts: [0, 2, 2], columns: [1, 0] } },
      '/method/layout/columns/1',
    ],
    [
      { name: 'block_sparse', block: 1, layout: { row_starts: [0, 2, 2], columns: [0, 0] } },
      '/method/layout/columns/1',
    ],
    [
      { name: 'block_sparse', block: 1, layout: { row_starts: [0, 1, 1], columns: ['a'] } },
      '/method/layout/columns/0',
    ],
    [{ name: 'longformer', window: -1 }, '/method/window'],
    [{ name: 'longformer', global: 1 }, '/method/global'],
    [{ name: 'longformer', global: [2] }, '/method/global/0'],
    [{ name: 'longformer', global: [-1] }, '/method/global/0'],
    [{ name: 'longformer', random: 1 }, '/method/random'],
    [{ name: 'bigbird' }, '/method/block'],
    [{ name: 'bigbird', block: 1, global: [0] }, '/method/global'],
    [{ name: 'bigbird', block: 1, random: -1 }, '/method/random'],
    [{ name: 'bigbird', block: 1, window: 1 }, '/method/window'],
  ],
};

for (const [member, cases] of Object.entries(members))
  describe(`${member} is refused with its place`, () => {
    for (const [value, at] of cases)
      test(JSON.stringify(value).slice(0, 90), () => refuses({ sequences: X, [member]: value }, at));
  });

describe('what does not go together', () => {
  const cases = {
    'top_k maps without how many': [{ sequences: X, maps: 'top_k' }, '/top_k'],
    'more than there are keys': [{ sequences: X, maps: 'top_k', top_k: 3 }, '/top_k'],
    'more than the shortest of a batch has': [
      { sequences: [[[1]], [[1], [2]]], maps: 'top_k', top_k: 2 },
      '/top_k',
    ],
    'how many of a mean': [{ sequences: X, maps: 'mean', top_k: 1 }, '/top_k'],
    'a stage of no maps': [{ sequences: X, maps: 'none', map_stage: 'scores' }, '/map_stage'],
    'heads of no maps': [{ sequences: X, maps: 'none', map_heads: [0] }, '/map_heads'],
    'lengths of another batch': [{ ...batch, key_lengths: [1] }, '/key_lengths'],
    'one length for a batch': [{ ...batch, key_lengths: 1 }, '/key_lengths'],
    'a length beyond the keys': [{ ...batch, key_lengths: [5, 6] }, '/key_lengths/1'],
    'a past of rank 3 for a batch': [{ ...batch, past: past(1, 2, 4) }, '/past/key'],
    'a past of another batch': [{ ...batch, past: past(3, 1, 2, 4) }, '/past/key'],
    'a past of query heads': [{ ...batch, past: past(2, 2, 2, 4) }, '/past/key'],
    'slopes of key heads': [{ ...batch, alibi: [1] }, '/alibi'],
    'sinks of key heads': [{ ...batch, sinks: [1] }, '/sinks'],
    'rope of an odd width': [{ sequences: [[1, 2, 3]], rope: {} }, '/rope/dims'],
    'positions of another batch': [{ ...batch, rope: { positions: ones(3, 3) } }, '/rope/positions'],
    'a linear rule with other keys': [
      { query: ones(2, 2), key: ones(3, 2), value: ones(3, 2), method: { name: 'linear', rule: 'linear' } },
      '/method/rule',
    ],
    'a rate of each token as one for a batch': [
      { sequences: [X, X], method: { name: 'linear', rule: 'delta', beta: ones(2, 1) } },
      '/method/beta',
    ],
    'a state of another batch': [
      { sequences: [X, X], method: { name: 'linear', rule: 'linear', state: ones(1, 1, 2, 2) } },
      '/method/state',
    ],
    'too few keys in one of a batch': [
      { sequences: [[[1]], [[1], [2]]], method: { name: 'top_k', k: 2 } },
      '/method/k',
    ],
  };
  for (const [name, [body, at]] of Object.entries(cases)) test(name, () => refuses(body, at));
});

describe('the same from base64', () => {
  const cases = {
    'lengths beyond the keys': [{ sequences: X, key_lengths: toBase64([3], 'i32') }, '/key_lengths'],
    'lengths that are negative': [{ sequences: X, key_lengths: toBase64([-1], 'i32') }, '/key_lengths/0'],
    'halves of tokens': [{ sequences: X, rope: { positions: toBase64([0, 0.5]) } }, '/rope/positions/1'],
    'sinks of rank 2': [{ sequences: X, sinks: toBase64([[1]]) }, '/sinks/shape'],
    'slopes that are infinite': [{ sequences: X, alibi: toBase64([-Infinity]) }, '/alibi/0'],
    'a past of rank 2': [
      { sequences: X, past: { key: toBase64([[1, 2]]), value: toBase64([[1, 2]]) } },
      '/past/key/shape',
    ],
  };
  for (const [name, [body, at]] of Object.entries(cases)) test(name, () => refuses(body, at));
});

describe('limits count the past and what methods are given', () => {
  const cases = {
    'a past that is too long': [{ sequences: X, past: past(1, 65, 2) }, /65 .*max_tokens|max_tokens.*64/],
    'a past and its tokens': [{ sequences: ones(3, 2), past: past(1, 63, 2) }, /max_tokens/],
    'positions of too many tokens': [{ sequences: X, rope: { positions: ones(65) } }, /max_tokens/],
    'rows of e': [
      { sequences: X, method: { name: 'linformer', e: ones(65, 2), f: ones(65, 2) } },
      /max_tokens/,
    ],
  };
  for (const [name, [body, says]] of Object.entries(cases))
    test(name, async () => {
      const answer = await attention(service, body);
      assert.equal(answer.status, 413, answer.text);
      assert.match(answer.json.detail, says);
    });
});

describe('a typo in an object is told what was probably meant', () => {
  const cases = [
    [{ window: { lefft: 1 } }, '/window/lefft', /left/],
    [{ rope: { interleave: true } }, '/rope/interleave', /interleaved/],
    [{ dropout: { rate: 0.1, sed: 1 } }, '/dropout/sed', /seed/],
    [{ method: { name: 'performer', feature: 4 } }, '/method/feature', /features/],
  ];
  for (const [more, at, says] of cases)
    test(at, async () => assert.match((await refuses({ sequences: X, ...more }, at)).detail, says));
});
