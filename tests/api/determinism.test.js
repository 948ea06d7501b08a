// The same request gives the same bytes: whatever the number of workers, whatever else
// is running.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { identity } from '../chaos/identity.js';
import { compute, connections, fetchAnswer } from './support/client.js';
import { generator, toBase64 } from './support/numbers.js';
import { sanitized, start } from './support/service.js';

const r = generator(12);
const weights = (d, n) => ({
  wq: r.tensor(d, n),
  wk: r.tensor(d, n),
  wv: r.tensor(d, n),
  wo: r.tensor(n, d),
  bq: r.tensor(n),
});
const requests = {
  'three tokens': { sequences: r.tensor(3, 4) },
  'an odd layer': {
    sequences: r.tensor(37, 23),
    weights: weights(23, 30),
    heads: 5,
    causal: true,
    return: ['lse', 'projections'],
  },
  'many heads, mean map': { sequences: r.tensor(130, 48), weights: weights(48, 96), heads: 12, maps: 'mean' },
  'a ragged batch': {
    sequences: [1, 200, 17, 64, 3].map((T) => r.tensor(T, 16)),
    weights: weights(16, 16),
    heads: 2,
    maps: 'none',
  },
  'a long one in base64': {
    sequences: toBase64(r.tensor(700, 32)),
    heads: 4,
    maps: 'none',
    tensor_format: 'base64',
  },
  'every option': {
    query: r.tensor(2, 4, 70, 24),
    key: r.tensor(2, 2, 130, 24),
    value: r.tensor(2, 2, 130, 20),
    past: { key: r.tensor(2, 2, 33, 24), value: r.tensor(2, 2, 33, 20) },
    rope: { dims: 16 },
    causal: true,
    align: 'bottom_right',
    window: { left: 80 },
    key_lengths: [163, 111],
    mask: r.tensor(70, 150),
    softcap: 4,
    alibi: true,
    sinks: [0, 1, 2, 3],
    dropout: { rate: 0.3, seed: 6 },
    maps: 'top_k',
    top_k: 9,
    map_stage: 'biased',
    return: ['projections', 'lse', 'present', 'entropy', 'statistics'],
  },
  'dropout on scores': {
    sequences: r.tensor(150, 24),
    heads: 3,
    dropout: { rate: 0.5, seed: 77, on: 'scores' },
    return: ['entropy', 'statistics'],
  },
  ...methodRequests(),
};

// Long enough for several tiles each.
function methodRequests() {
  const layer = { sequences: r.tensor(300, 32), heads: 4, precision: 9 };
  const gate = { decay: r.tensor(300, 4).map((row) => row.map((x) => -Math.abs(x))), beta: r.tensor(300, 4) };
  const methods = [
    { name: 'linformer', rank: 20, seed: 3, compare: true },
    { name: 'nystrom', landmarks: 16, compare: true },
    { name: 'performer', features: 40, seed: 3, compare: true },
    { name: 'linear', rule: 'elu', compare: true },
    { name: 'linear', rule: 'gated_delta', ...gate },
    { name: 'top_k', k: 11, compare: true },
    { name: 'block_sparse', block: 100, layout: { row_starts: [0, 2, 3, 4], columns: [0, 2, 1, 2] } },
    { name: 'longformer', window: 5, global: [0, 250], compare: true },
    { name: 'bigbird', block: 16, global: 1, random: 2, seed: 9, compare: true },
  ];
  return Object.fromEntries(
    methods.map((method) => [`the method ${method.name} ${method.rule ?? ''}`.trim(), { ...layer, method }])
  );
}

// All but the times.
const bytes = ({ text }) => {
  const cut = text.indexOf(',"timing":');
  assert.ok(cut > 0);
  return text.slice(0, cut);
};

let services;
before(async () => {
  services = await Promise.all(['1', '2', '7'].map((workers) => start(['--workers', workers, '--queue-wait', '60min'])));
});
after(() => Promise.all(services.map((service) => service.stop())));

const texts = Object.entries(requests).map(([name, body]) => [name, JSON.stringify({ ...body, id: 'same' })]);

describe('the same bytes with 1, 2 and 7 workers', () => {
  const alone = {};
  for (const [name, text] of texts)
    test(`${name}, alone`, async () => {
      for (const service of services)
        for (let i = 0; i < 2; i++) {
          const got = bytes(await compute(service, text));
          alone[name] ??= got;
          assert.equal(got, alone[name]);
        }
    });

  // Each service is asked for all, over and over, in an order of its own: so each of them is
  // computed beside whatever else there is.
  test('and in a crowd', async () => {
    const work = services.map((service, n) => {
      const left = shuffled([...texts, ...texts, ...texts], generator(n));
      const agent = connections(4);
      const client = async () => {
        for (let next; (next = left.pop());) {
          const [name, text] = next;
          const answer = await fetchAnswer(service, agent, 'POST', '/v1/attention', text);
          assert.equal(bytes(answer), alone[name], name);
        }
      };
      const clients = Promise.all([client(), client(), client(), client()]);
      return clients.finally(() => agent.destroy());
    });
    await Promise.all(work);
  });
});

function shuffled(list, { whole }) {
  for (let i = list.length - 1; i > 0; i--) {
    const other = whole(0, i);
    [list[i], list[other]] = [list[other], list[i]];
  }
  return list;
}

test('the same bytes by 1 and 64 workers, with other kernels of OpenBLAS, near float64', async (t) => {
  const cores = ['', 'Nehalem', 'Haswell'];
  const result = await identity({ workers: [1, 64], repeats: sanitized ? 4 : 24, cores });
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.cores.length >= 1 && result.answers >= 40);
  assert.ok(result.ulps <= 32, `${result.ulps} ULP`);
});

test('a sequence has the same bytes in every batch', async () => {
  const sequence = r.tensor(50, 16);
  const layer = { weights: weights(16, 24), heads: 3, maps: 'none' };
  const alone = await compute(services[1], { sequences: [sequence], ...layer });
  for (const others of [[r.tensor(3, 16)], [r.tensor(90, 16), r.tensor(50, 16)]]) {
    const { json } = await compute(services[2], { sequences: [...others, sequence], ...layer });
    assert.deepEqual(json.outputs.at(-1), alone.json.outputs[0]);
  }
});
