// The whole job over HTTP, JSON in and JSON out with the maps, beside Node + ONNX Runtime
// and FastAPI + PyTorch: requests a second, 8 connections, the median of the rounds.
import { readFileSync } from 'node:fs';
import { body, layer, matrix, packed } from '../lib/bodies.js';
import { inTurn, latency, load } from '../lib/load.js';
import { ort, torch } from '../lib/peers.js';
import { checkSame, memoryMiB, ours, post, startAll, stopAll } from '../lib/servers.js';
import { median, minimum } from '../lib/statistics.js';

const tiny = new URL('../../../config/demo/worked_example.json', import.meta.url).pathname;

// A load again and again, but once only where it had to be a long one.
function repeated(server, file, options) {
  let long;
  return async () => {
    const result = long ?? (await load(server.url, file, options));
    if (result.seconds > 2 * options.seconds) long = result;
    return result;
  };
}

// {name: median rate} of every server named.
async function rates(servers, names, file, { rounds, seconds }) {
  const rivals = Object.fromEntries(
    names
      .filter((name) => servers[name])
      .map((name) => [name, repeated(servers[name], file, { seconds })])
  );
  const all = await inTurn(rounds, rivals);
  return Object.fromEntries(Object.entries(all).map(([name, runs]) => [name, median(runs.map((r) => r.rate))]));
}

const jobs = () => [
  ['T 3, d 3, 1 head', tiny],
  ['T 32, d 64, 4 heads', body('job32.json', layer(32, 64, 4))],
  ['T 128, d 64, 4 heads', body('job128.json', layer(128, 64, 4))],
  ['T 512, d 64, 1 head', body('job512.json', layer(512, 64, 1))],
];

async function wholeJob(report, servers, options) {
  const table = [];
  for (const [name, file] of jobs()) {
    await checkSame(servers, readFileSync(file, 'utf8'));
    const names = ['ours', 'node', 'torch', ...(file === tiny ? ['empty'] : [])];
    table.push([name, await rates(servers, names, file, options)]);
  }
  report.table(
    'Whole job, requests a second, 8 connections; the client shares the cores',
    ['', 'attentiond', 'Node + ORT', 'FastAPI + torch', 'empty POST', '/ Node', '/ FastAPI', '/ empty'],
    table.map(([name, r]) => [
      name,
      ...[r.ours, r.node, r.torch, r.empty],
      ...[r.ours / r.node, r.ours / r.torch, r.ours / r.empty],
    ])
  );
  const [three, , middle] = table.map(([, r]) => r);
  report.reach('tiny-ort', ort.missing ? undefined : three.ours / three.node, ort.missing);
  report.reach('tiny-empty', (100 * three.ours) / three.empty);
  report.reach('job-ort', ort.missing ? undefined : middle.ours / middle.node, ort.missing);
  report.reach('job-torch', torch.missing ? undefined : middle.ours / middle.torch, torch.missing);
  if (servers.torch) {
    const { rate } = await load(servers.torch.url, jobs()[2][1], { ...options, path: '/direct' });
    report.note(`T 128: FastAPI reaches ${rate.toFixed(1)} a second when the route makes the answer's JSON itself`);
  }
}

// Alone, one connection: what a request takes.
async function latencies(report, servers, { seconds }) {
  const rows = [];
  for (const [name, file] of jobs()) {
    const row = [name];
    for (const who of ['ours', 'node', 'torch', 'empty']) {
      const asked = servers[who] && (who !== 'empty' || file === tiny);
      row.push(asked ? (await latency(servers[who].url, file, { seconds: seconds / 2 })).p50 : undefined);
    }
    rows.push(row);
  }
  const head = ['', 'attentiond', 'Node + ORT', 'FastAPI + torch', 'empty POST'];
  report.table('Alone, 1 connection, p50 in milliseconds', head, rows);
}

async function base64(report, servers, options) {
  const json = body('json512.json', layer(512, 64, 1));
  const binary = body('base64_512.json', { ...layer(512, 64, 1, packed), tensor_format: 'base64' });
  const runs = await inTurn(options.rounds, {
    json: () => load(servers.ours.url, json, options),
    binary: () => load(servers.ours.url, binary, options),
  });
  const [slow, fast] = [runs.json, runs.binary].map((all) => median(all.map((r) => r.rate)));
  report.note(`T 512, d 64, 1 head: JSON ${slow.toFixed(0)}, base64 ${fast.toFixed(0)} requests a second`);
  report.reach('base64', fast / slow);
}

async function workers(report, { rounds, seconds }) {
  const sequences = packed(matrix(4096, 512));
  const large = body('large.json', { sequences, heads: 8, maps: 'none', tensor_format: 'base64' });
  const maps = body('maps.json', { sequences: matrix(1024, 64) });
  const [one, two] = [await ours(['--workers', '1']), await ours(['--workers', '2'])];
  for (const [name, file] of [['T 4096, d 512, 8 heads, no map', large], ['T 1024, d 64, its map as JSON', maps]]) {
    const runs = await inTurn(rounds, {
      one: () => latency(one.url, file, { seconds }),
      two: () => latency(two.url, file, { seconds }),
    });
    const [a, b] = [runs.one, runs.two].map((all) => minimum(all.map((r) => r.min)));
    report.note(`${name}, alone: 1 worker ${a.toFixed(1)} ms, 2 workers ${b.toFixed(1)} ms, ${(a / b).toFixed(2)} x`);
    if (file === large) report.reach('workers', a / b);
  }
  await stopAll({ one, two });
}

async function memory(report) {
  const service = await ours();
  const idle = memoryMiB(service, 'VmHWM', readFileSync);
  await post(service, JSON.stringify({ sequences: matrix(8192, 64), maps: 'none' }));
  const above = memoryMiB(service, 'VmHWM', readFileSync) - idle;
  report.note(`idle ${idle.toFixed(1)} MiB; T = 8192, d = 64, JSON, no map: ${above.toFixed(1)} MiB more at its peak`);
  report.reach('memory', above);
  await service.stop();
}

export default async function serviceSection(report, options) {
  const servers = await startAll(report);
  await wholeJob(report, servers, options);
  await latencies(report, servers, options);
  await base64(report, servers, options);
  await stopAll(servers);
  await workers(report, options);
  await memory(report);
}
