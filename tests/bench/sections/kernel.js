// Attention in process, on one thread, beside ONNX Runtime's operators, the plain path over
// OpenBLAS and the multiply-add peak; the fastest run of each counts.
import { fastest, kernel, peak } from '../lib/kernels.js';
import { inTurn } from '../lib/load.js';
import { ort } from '../lib/peers.js';
import { geometricMean, maximum, minimum } from '../lib/statistics.js';

const shapes = [
  '96,12,64',
  '128,8,64',
  '192,12,48',
  '256,4,80',
  '512,8,80',
  '768,4,48',
  '1024,8,64',
  '2048,4,64',
];
const ortKinds = ['mha', 'att_causal', 'mha_causal', 'att_map'];

async function compare(shape, { rounds, seconds }) {
  const rivals = {
    peak: async () => ({ peak: await peak() }),
    ours: () => kernel('ours', shape, ['full', 'causal', 'map'], seconds / 10),
    plain: () => kernel('plain', shape, ['products', 'full'], seconds / 10),
  };
  if (!ort.missing) rivals.ort = () => kernel('ort', shape, ortKinds, seconds / 10);
  const runs = await inTurn(rounds, rivals);
  return Object.fromEntries(Object.entries(runs).map(([who, all]) => [who, fastest(all)]));
}

function ratios({ ours, plain, ort: theirs }) {
  const causal = theirs && Math.min(theirs.att_causal.min_ms, theirs.mha_causal.min_ms);
  return {
    plain: plain.full.min_ms / ours.full.min_ms,
    products: plain.products.min_ms / ours.full.min_ms,
    full: theirs && theirs.mha.min_ms / ours.full.min_ms,
    causal: theirs && causal / ours.causal.min_ms,
    map: theirs && theirs.att_map.min_ms / ours.map.min_ms,
  };
}

function speeds(shape, { ours, plain, ort: theirs }) {
  const all = [ours.full, ours.causal, ours.map, plain.full, plain.products];
  const others = ortKinds.map((kind) => theirs?.[kind]);
  return [shape, ...[...all, ...others].map((line) => line?.gflops)];
}

function peaks(all) {
  const top = maximum(all.flatMap(({ peak: { peak: chains }, ours }) => [chains.gflops, ours.peak?.gflops ?? 0]));
  const share = ({ ours }) => (100 * ours.full.gflops) / top;
  const long = all.filter(({ ours }) => ours.full.t >= 512).map(share);
  return { top, set: all[0].peak.peak.set, mean: geometricMean(long), least: minimum(long) };
}

async function window(report, options) {
  const { ours } = await inTurn(options.rounds, {
    ours: () => kernel('ours', '8192,1,64', ['full', 'window'], options.seconds / 4),
  });
  const { full, window: near } = fastest(ours);
  report.note(`T = 8192: full ${full.min_ms.toFixed(1)} ms, causal window 128 ${near.min_ms.toFixed(2)} ms`);
  report.reach('window', full.min_ms / near.min_ms);
}

async function threads(report, options) {
  const { one, two } = await inTurn(options.rounds, {
    one: () => kernel('ours', '2048,8,64', ['full'], options.seconds / 4, 1),
    two: () => kernel('ours', '2048,8,64', ['full'], options.seconds / 4, 2),
  });
  const ratio = fastest(one).full.min_ms / fastest(two).full.min_ms;
  report.note(`T = 2048, 8 heads: 2 threads are ${ratio.toFixed(2)} x as fast as 1`);
}

export default async function kernelSection(report, options) {
  const all = [];
  for (const shape of shapes) all.push(await compare(shape, options));
  report.table(
    'Kernel, 1 thread, GFLOP/s (of causal problems the visible half counts)',
    ['T,heads,d', 'full', 'causal', 'map', 'OpenBLAS path', 'its products', ...ortKinds.map((k) => `ORT ${k}`)],
    all.map((one, n) => speeds(shapes[n], one))
  );
  const each = all.map(ratios);
  report.table(
    'How many times faster the tiled kernel is',
    ['T,heads,d', 'OpenBLAS path', 'its products', 'ORT full', 'ORT causal', 'ORT map'],
    each.map((r, n) => [shapes[n], r.plain, r.products, r.full, r.causal, r.map])
  );
  const { top, set, mean, least } = peaks(all);
  report.note(`multiply-add peak of a core, ${set}: ${top.toFixed(0)} GFLOP/s; from T = 512 on the kernel has ` +
    `${mean.toFixed(0)} % of it, at least ${least.toFixed(0)} %`);
  report.reach('peak', mean);
  if (ort.missing) report.skip("ONNX Runtime's operators", ort.missing);
  else {
    const call = all.map(({ ort: theirs }) => theirs.mha.call_us);
    report.note(`a call through ONNX Runtime's binding at T = 1 takes ${minimum(call)} us, which its figures contain`);
  }
  for (const name of ['full', 'causal', 'map'])
    report.reach(name, ort.missing ? undefined : geometricMean(each.map((r) => r[name])), ort.missing);
  await window(report, options);
  await threads(report, options);
}
