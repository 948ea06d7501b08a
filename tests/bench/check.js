// make bench-check: a few ratios that hold on a noisy machine, too, against recorded.json;
// one that has fallen below `margin` times what was recorded fails, after a second look.
// The margin is generous, as machines differ; `margins` has it for what depends on the
// code alone.
//
//   node check.js [--record]     --record rewrites recorded.json with what is measured
import { readFileSync, writeFileSync } from 'node:fs';
import { codecs } from './lib/codecs.js';
import { fastest, kernel, peak } from './lib/kernels.js';
import { inTurn, load } from './lib/load.js';
import { empty, ours, stopAll } from './lib/servers.js';
import { maximum } from './lib/statistics.js';

const recordedAt = new URL('recorded.json', import.meta.url);
const tiny = new URL('../../config/demo/worked_example.json', import.meta.url).pathname;
const rounds = 3;

// All ratios are such that more is better.
async function kernels() {
  const runs = await inTurn(rounds, {
    peak,
    ours: () => kernel('ours', '512,4,64', ['full'], 0.2),
    plain: () => kernel('plain', '512,4,64', ['products'], 0.2),
    causal: () => kernel('ours', '1024,1,64', ['full', 'causal'], 0.1),
    window: () => kernel('ours', '4096,1,64', ['full', 'window'], 0.2),
  });
  const [middle, plain, long, near] = ['ours', 'plain', 'causal', 'window'].map((name) => fastest(runs[name]));
  return {
    'kernel: share of the multiply-add peak': middle.full.gflops / maximum(runs.peak.map((p) => p.gflops)),
    'kernel: the two products by OpenBLAS / full': plain.products.min_ms / middle.full.min_ms,
    'kernel: full / causal': long.full.min_ms / long.causal.min_ms,
    'kernel: full / window 128, T = 4096': near.full.min_ms / near.window.min_ms,
  };
}

async function codec() {
  const { jansson, ours: own, base64 } = await codecs(2);
  return {
    'codec: jansson / ours, read': jansson.read / own.read,
    'codec: jansson / ours, written': jansson.write / own.write,
    'codec: jansson / base64, read': jansson.read / base64.read,
    'codec: jansson / base64, written': jansson.write / base64.write,
  };
}

async function service() {
  const servers = { ours: await ours(), empty: await empty() };
  const rate = (name) => async () => (await load(servers[name].url, tiny, { seconds: 1 })).rate;
  const runs = await inTurn(rounds, { ours: rate('ours'), empty: rate('empty') });
  await stopAll(servers);
  return { 'service: T = 3 / an empty libmicrohttpd POST': maximum(runs.ours) / maximum(runs.empty) };
}

const measure = async () => ({ ...(await kernels()), ...(await codec()), ...(await service()) });

const bound = ({ ratios, margin, margins }, name) => (margins[name] ?? margin) * ratios[name];
const lowOnes = (found, recorded) =>
  Object.keys(recorded.ratios).filter((name) => !(found[name] >= bound(recorded, name)));

function print(found, recorded) {
  const width = maximum(Object.keys(found).map((name) => name.length));
  console.log(`${''.padEnd(width)}  recorded  fails below  now`);
  for (const [name, now] of Object.entries(found)) {
    const least = bound(recorded, name);
    const cells = [recorded.ratios[name]?.toFixed(2).padStart(8), least.toFixed(2).padStart(11), now.toFixed(2)];
    console.log(`${name.padEnd(width)}  ${cells.join('  ')}${now >= least ? '' : '  TOO LOW'}`);
  }
}

const recorded = JSON.parse(readFileSync(recordedAt, 'utf8'));
let found = await measure();
if (process.argv.includes('--record')) {
  const ratios = Object.fromEntries(Object.entries(found).map(([name, ratio]) => [name, Number(ratio.toPrecision(3))]));
  writeFileSync(recordedAt, `${JSON.stringify({ ...recorded, ratios }, null, 2)}\n`);
  print(found, { ...recorded, ratios });
  process.exit(0);
}
print(found, recorded);
if (lowOnes(found, recorded).length) {
  console.log('\nOnce more, as the machine may have been busy; the better of both counts.\n');
  const again = await measure();
  found = Object.fromEntries(Object.entries(found).map(([name, ratio]) => [name, Math.max(ratio, again[name])]));
  print(found, recorded);
}
const low = lowOnes(found, recorded);
const count = Object.keys(recorded.ratios).length;
console.log(`\n${count - low.length} ratios hold, ${low.length} are too low`);
process.exit(low.length ? 1 : 0);
