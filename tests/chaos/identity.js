// The same request gives the same bytes: over a thousand repeats, by one worker and by 64,
// alone and in a crowd, with every set of OpenBLAS kernels that this CPU can run. And how far
// the numbers are from float64, in units of the last place of float32.
//
//   node tests/chaos/identity.js        make identity
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { connections, fetchAnswer } from '../api/support/client.js';
import { generator } from '../api/support/numbers.js';
import { attend } from '../api/support/reference.js';
import { start } from '../api/support/service.js';

// Those the library knows; the service refuses to start with what the CPU cannot run.
const coreNames = ['Prescott', 'Core2', 'Nehalem', 'Sandybridge', 'Haswell', 'Zen', 'SkylakeX', 'Cooperlake'];

const r = generator(77);
const layer = (T, d, heads, more) => ({ sequences: r.tensor(T, d), heads, ...more });
const weights = (d, n) => ({ wq: r.tensor(d, n), wk: r.tensor(d, n), wv: r.tensor(d, n), wo: r.tensor(n, d) });

// Where it arrives, by one worker, by several. `exact` ones never call OpenBLAS: their bytes
// are the same with all its kernels.
const requests = [
  { exact: true, body: { sequences: r.tensor(3, 4) } },
  { exact: true, body: layer(60, 24, 4, { weights: weights(24, 32), causal: true, return: ['lse', 'entropy'] }) },
  { exact: true, body: layer(300, 32, 4, { maps: 'mean', precision: 9 }) },
  { exact: false, body: layer(150, 16, 2, { method: { name: 'nystrom', landmarks: 16 }, precision: 9 }) },
  { exact: false, body: layer(150, 16, 2, { method: { name: 'performer', features: 24, seed: 3 }, precision: 9 }) },
];
const texts = requests.map(({ body }) => JSON.stringify({ ...body, id: 'same' }));

// All but the times.
function digest(answer) {
  assert.equal(answer.status, 200, answer.text);
  const cut = answer.text.indexOf(',"timing":');
  assert.ok(cut > 0);
  return createHash('sha256').update(answer.text.slice(0, cut)).digest('hex');
}

// The bytes of each request must be those of its first answer.
async function repeat(service, repeats, clients, digests) {
  const agent = connections(clients);
  let left = repeats * requests.length;
  const client = async () => {
    while (left > 0) {
      const which = --left % requests.length;
      const got = digest(await fetchAnswer(service, agent, 'POST', '/v1/attention', texts[which]));
      digests[which] ??= got;
      assert.equal(got, digests[which], `request ${which}, ${clients} clients`);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  agent.destroy();
}

// The largest error of a row, in units of the last place of its largest number.
function ulps(got, want) {
  if (Array.isArray(want[0])) return Math.max(...want.map((row, i) => ulps(got[i], row)));
  const largest = Math.max(...want.map(Math.abs));
  const place = 2 ** (Math.floor(Math.log2(largest || 1)) - 23);
  return Math.max(...want.map((x, i) => Math.abs(x - got[i]))) / place;
}

async function distance(service) {
  const agent = connections(1);
  let most = 0;
  for (const { exact, body } of requests) {
    if (!exact) continue; // an approximation's distance is another matter
    const text = JSON.stringify({ ...body, precision: 9 });
    const { json } = await fetchAnswer(service, agent, 'POST', '/v1/attention', text);
    const want = attend(body);
    most = Math.max(most, ulps(json.outputs, want.outputs));
    if (want.attention_maps) most = Math.max(most, ulps(json.attention_maps, want.attention_maps));
  }
  agent.destroy();
  return most;
}

async function startWith(core, workers) {
  try {
    return await start(['--workers', `${workers}`, '--queue-wait', '60s'], core ? { OPENBLAS_CORETYPE: core } : {});
  } catch (error) {
    assert.match(error.message, /this CPU cannot run OpenBLAS's kernels|OPENBLAS_CORETYPE asks for/);
    return null;
  }
}

// options: workers (list), repeats (of each request, by each service), cores (names; '' the
// library's own choice). Returns the cores that could be had, how many answers were compared
// and the greatest distance.
export async function identity({ workers, repeats, cores = ['', ...coreNames] }, say = () => {}) {
  const result = { cores: [], answers: 0, ulps: 0 };
  const everywhere = [];
  for (const core of cores) {
    const digests = [];
    let had = false;
    for (const count of workers) {
      const service = await startWith(core, count);
      if (!service) break;
      had = true;
      const times = typeof repeats === 'function' ? repeats(core) : repeats;
      const each = Math.ceil(times / workers.length / 2);
      await repeat(service, each, 1, digests);
      await repeat(service, each, 16, digests);
      result.answers += 2 * each * requests.length;
      if (count === workers[0]) result.ulps = Math.max(result.ulps, await distance(service));
      await service.stop();
    }
    if (!had) continue;
    requests.forEach(({ exact }, i) => {
      if (!exact) return;
      everywhere[i] ??= digests[i];
      assert.equal(digests[i], everywhere[i], `request ${i} with the kernels for ${core}`);
    });
    result.cores.push(core || 'its own choice');
    say(`${core || 'its own choice'}: the same bytes by ${workers.join(', ')} workers`);
  }
  return result;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const begun = Date.now();
  const workers = [1, 2, 3, 7, 16, 64];
  const { cores, answers, ulps: most } = await identity(
    { workers, repeats: (core) => (core ? 100 : 1000) },
    console.log,
  );
  console.log(
    `identity: ${answers} answers to ${requests.length} requests, each the same bytes by ${workers.join(', ')} workers, ` +
      `alone and among 16 clients, with ${cores.length} sets of OpenBLAS kernels; the exact operator is within ` +
      `${most.toFixed(2)} ULP of float64; ${Math.round((Date.now() - begun) / 1000)} s`,
  );
}
