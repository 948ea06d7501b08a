// make overload: an open loop (tests/bench/bench_open.c) at 0.5, 1, 2 and 5 times what the
// service can do, with a mix of sizes that the pool has to compute, small requests, probes
// and scrapes beside it. OVERLOAD=short is for CI: seconds, and margins for busy machines.
//
// The service has one processor and one worker, the generator another one: it could not
// keep its times on a processor that is all taken.
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { promisify } from 'node:util';
import { body, matrix, packed } from '../bench/lib/bodies.js';
import { sanitized, start } from '../api/support/service.js';

const short = process.env.OVERLOAD === 'short' || sanitized;
const seconds = Number(process.env.OVERLOAD_SECONDS ?? (short ? 2 : 5));
// A processor is not as fast in one second as in another: all loads in turn, what
// one request costs before each round, and the median.
const rounds = short ? 1 : 5;
const goals = short
  ? { goodput: 0.7, refusalMs: 200, probeMs: 500 }
  : { goodput: 0.9, refusalMs: 20, probeMs: 50 };
const memoryLimitMiB = 256;
const generator = new URL('../../build/release/tests/bench/bench_open', import.meta.url).pathname;

if (cpus().length < 2) {
  console.log('overload: skipped: it needs two processors');
  process.exit(0);
}

// Shares of the requests; what each costs is measured. (One that is refused costs some
// 30 to 50 us, as it has to be read: of requests of 0.3 ms, 5 times too many of them
// would take a third of the processor to refuse.)
const sizes = [
  { name: 'T=256', share: 3, T: 256 },
  { name: 'T=512', share: 2, T: 512 },
  { name: 'T=1024', share: 1, T: 1024, more: { maps: 'none' } },
];
for (const size of sizes) {
  const sequences = packed(matrix(size.T, 64));
  size.file = body(size.name, { sequences, heads: 4, tensor_format: 'base64', ...size.more });
}
const example = new URL('../../config/demo/worked_example.json', import.meta.url).pathname;
// Requests a second beside the load, whatever it is.
const beside = [
  `small:200:POST:/v1/attention:${example}`,
  'livez:20:GET:/livez',
  'readyz:20:GET:/readyz',
  'metrics:5:GET:/metrics',
];

const pin = (pid, cpu) => execFileSync('taskset', ['-a', '-c', '-p', `${cpu}`, `${pid}`], { stdio: 'ignore' });

async function generate(service, time, connections, kinds) {
  const args = ['-c', '1', generator, `${service.port}`, `${time}`, `${connections}`, ...kinds];
  const { stdout } = await promisify(execFile)('taskset', args, { maxBuffer: 1 << 24 });
  return Object.fromEntries(stdout.trim().split('\n').map((line) => [JSON.parse(line).kind, JSON.parse(line)]));
}

const post = (size, rate) => `${size.name}:${rate}:POST:/v1/attention:${size.file}`;
const rssMiB = (service, name = 'VmRSS') =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))[1]) / 1024;
const sum = (list) => list.reduce((a, b) => a + b, 0);
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const worst = (list) => Math.max(0, ...list.filter((x) => x !== undefined));

// What one of each size takes, and from it how many of the mix there can be a second.
async function capacity(service) {
  for (const size of sizes) {
    const { good } = (await generate(service, short ? 0.5 : 1, 4, [post(size, 0)]))[size.name];
    size.cost = (short ? 0.5 : 1) / good.count;
  }
  const shares = sum(sizes.map((size) => size.share));
  return shares / sum(sizes.map((size) => size.share * size.cost));
}

// `rate` of the mix a second.
async function load(service, rate) {
  const shares = sum(sizes.map((size) => size.share));
  const kinds = [...sizes.map((size) => post(size, (rate * size.share) / shares)), ...beside];
  const found = await generate(service, seconds, 2048, kinds);
  const mix = sizes.map((size) => found[size.name]);
  const all = Object.values(found);
  return {
    asked: sum(mix.map((k) => k.asked)) / seconds,
    answers: sum(mix.map((k) => k.good.count)) / seconds,
    // Of the processor: seconds of work that came out, a second.
    goodput: sum(sizes.map((size) => found[size.name].good.count * size.cost)) / seconds,
    goodMs: worst(mix.map((k) => k.good.p99)),
    refused: sum(all.map((k) => k.refused.count)) / seconds,
    refusalMs: worst(all.map((k) => k.refused.p99)),
    smallMs: found.small.good.p99,
    probeMs: worst([found.livez.good.p99, found.readyz.good.p99]),
    metricsMs: found.metrics.good.p99,
    // Neither answered nor refused: there should be none of these.
    lost: sum(all.map((k) => k.late + k.failed + k.unsaid + k.wrong.count)),
    probesRefused: sum([found.livez, found.readyz, found.metrics].map((k) => k.refused.count)),
    rss: rssMiB(service),
  };
}

const service = await start(['--workers', '1', '--memory-limit', `${memoryLimitMiB}MiB`]);
pin(service.pid, 0);
pin(process.pid, 1);
const base = rssMiB(service);
const most = await capacity(service);
console.log(`${cpus()[0].model.trim()}: the service on one processor, the generator on another, ${rounds} x ${seconds} s each`);
console.log(`${sizes.map((s) => `${s.name} ${(1e3 * s.cost).toFixed(2)} ms`).join(', ')}: ${most.toFixed(0)} of the mix a second\n`);
console.log('load  asked/s  200/s  goodput  p99 ms  refused/s  p99 ms  small  probes  metrics  lost  RSS MiB');
const rows = [];
const loads = [0.5, 1, 2, 5];
for (const times of Array(rounds).fill(loads).flat()) {
  if (times === loads[0] && rows.length > 0) await capacity(service);
  const row = { times, ...(await load(service, times * most)) };
  rows.push(row);
  const cells = [
    [`${times}x`, 4], [row.asked.toFixed(0), 9], [row.answers.toFixed(0), 7], [row.goodput.toFixed(3), 9],
    [row.goodMs.toFixed(0), 8], [row.refused.toFixed(0), 11], [row.refusalMs.toFixed(1), 8], [row.smallMs.toFixed(1), 7],
    [row.probeMs.toFixed(1), 8], [row.metricsMs.toFixed(1), 9], [`${row.lost}`, 6], [row.rss.toFixed(0), 9],
  ];
  console.log(cells.map(([text, width]) => text.padStart(width)).join(''));
}
const highest = rssMiB(service, 'VmHWM');
await service.stop();

const at = (times) => rows.filter((row) => row.times === times);
const goodputs = loads.map((times) => median(at(times).map((row) => row.goodput)));
const peak = Math.max(...goodputs);
// At the load where it is worst.
const slowest = (ms) => worst(loads.map((times) => median(at(times).map(ms))));
const held = [
  [`goodput ${goodputs.map((g, i) => `${g.toFixed(3)} at ${loads[i]}x`).join(', ')}: at the end ${((100 * goodputs.at(-1)) / peak).toFixed(0)} % of the peak`,
    goodputs.at(-1) >= goals.goodput * peak],
  [`refusals: p99 ${slowest((r) => r.refusalMs).toFixed(1)} ms`, slowest((r) => r.refusalMs) < goals.refusalMs],
  [`probes and metrics: p99 ${slowest((r) => worst([r.probeMs, r.metricsMs])).toFixed(1)} ms`,
    slowest((r) => worst([r.probeMs, r.metricsMs])) < goals.probeMs],
  // What requests may have, and as much of freed memory that is kept for the next ones.
  [`RSS at most ${highest.toFixed(0)} MiB, ${base.toFixed(0)} idle and twice ${memoryLimitMiB} (memory_limit) allowed`, sanitized || highest < base + 2 * memoryLimitMiB],
  [`lost: ${sum(rows.map((r) => r.lost))}`, sum(rows.map((r) => r.lost)) === 0],
  [`something was refused at 5x, and no probe`, at(5).every((r) => r.refused > 0) && sum(rows.map((r) => r.probesRefused)) === 0],
];
console.log('');
for (const [text, holds] of held) console.log(`${holds ? 'holds ' : 'MISSED'}  ${text}`);
process.exit(held.every(([, holds]) => holds) ? 0 : 1);
