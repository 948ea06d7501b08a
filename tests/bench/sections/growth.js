// How the cost grows with T, one head of 64: milliseconds in process on one thread, then a
// request alone with its memory above idle. Each step doubles T, so work that grows with
// T * T takes 4 times as long, and a bend is seen. Also as build/bench/growth.svg.
import { readFileSync, writeFileSync } from 'node:fs';
import { body, matrix } from '../lib/bodies.js';
import { fastest, kernel } from '../lib/kernels.js';
import { latency } from '../lib/load.js';
import { ort } from '../lib/peers.js';
import { plot } from '../lib/plot.js';
import { memoryMiB, ours, post } from '../lib/servers.js';

const lengths = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
const longestMap = 2048; // as JSON: 45 MB

const series = {
  full: { name: 'attentiond, full', who: 'ours', kind: 'full', color: '#0b5fa5' },
  causal: { name: 'attentiond, causal', who: 'ours', kind: 'causal', color: '#1b9e77' },
  map: { name: 'attentiond, with the map', who: 'ours', kind: 'map', color: '#7b3294' },
  window: { name: 'attentiond, window 128', who: 'ours', kind: 'window', color: '#e08214' },
  plain: { name: 'plain OpenBLAS path, full', who: 'plain', kind: 'full', color: '#777777', dashed: true },
  mha: { name: 'ONNX Runtime, full', who: 'ort', kind: 'mha', color: '#0b5fa5', dashed: true },
  att_causal: { name: 'ONNX Runtime, causal', who: 'ort', kind: 'att_causal', color: '#1b9e77', dashed: true },
  att_map: { name: 'ONNX Runtime, with the map', who: 'ort', kind: 'att_map', color: '#7b3294', dashed: true },
  job: { name: 'attentiond over HTTP, no map', color: '#b2182b' },
  maps: { name: 'attentiond over HTTP, map as JSON', color: '#d6604d' },
};

const kindsOf = (who) => Object.values(series).filter((s) => s.who === who).map((s) => s.kind);

async function inProcess(T, { rounds, seconds }) {
  const found = {};
  for (const who of ['ours', 'plain', ...(ort.missing ? [] : ['ort'])]) {
    const runs = [];
    for (let n = 0; n < Math.min(rounds, 2); n++) runs.push(await kernel(who, `${T},1,64`, kindsOf(who), seconds / 20));
    const best = fastest(runs);
    for (const [key, s] of Object.entries(series)) if (s.who === who) found[key] = best[s.kind].min_ms;
  }
  return found;
}

// One request in a fresh service for the memory, then the least time of one client.
async function overHttp(T, maps, { seconds }) {
  const content = { sequences: matrix(T, 64), maps };
  const service = await ours();
  const idle = memoryMiB(service, 'VmHWM', readFileSync);
  await post(service, JSON.stringify(content));
  const above = memoryMiB(service, 'VmHWM', readFileSync) - idle;
  const { min } = await latency(service.url, body('growth.json', content), { seconds: seconds / 4 });
  await service.stop();
  return { min, above };
}

// [value, how many times the one before], for each column.
const withRatios = (rows, keys) =>
  rows.map((row, n) => [String(row.T), ...keys.flatMap((key) => [row[key], row[key] / rows[n - 1]?.[key]])]);

function table(report, title, rows, keys, name) {
  report.table(title, ['T', ...keys.flatMap((key) => [name(key), 'x'])], withRatios(rows, keys));
}

export default async function growthSection(report, options) {
  const rows = [];
  for (const T of lengths) {
    const row = { T, ...(await inProcess(T, options)) };
    const job = await overHttp(T, 'none', options);
    Object.assign(row, { job: job.min, jobMemory: job.above });
    if (T <= longestMap) {
      const maps = await overHttp(T, 'heads', options);
      Object.assign(row, { maps: maps.min, mapsMemory: maps.above });
    }
    rows.push(row);
  }
  table(report, 'In process, 1 thread, ms, and times the line above', rows, ['full', 'causal', 'map', 'window'], (key) => key);
  const others = ['plain', ...(ort.missing ? [] : ['mha', 'att_causal', 'att_map'])];
  const short = (key) => series[key].name.replace('ONNX Runtime', 'ORT').replace('plain OpenBLAS path', 'OpenBLAS path');
  table(report, 'The same beside others, ms', rows, others, short);
  const http = { job: 'no map, ms', jobMemory: 'MiB', maps: 'map, ms', mapsMemory: 'MiB' };
  const title = 'A request alone over HTTP, JSON, 2 workers: least time, memory above idle';
  table(report, title, rows, Object.keys(http), (key) => http[key]);
  if (ort.missing) report.skip("ONNX Runtime's growth", ort.missing);

  report.series = rows;
  const lines = Object.entries(series).map(([key, s]) => ({
    ...s,
    points: rows.filter((row) => row[key]).map((row) => [row.T, row[key]]),
  }));
  const drawing = plot({
    title: 'Self-attention, one head of 64: time against T',
    xTitle: 'T, tokens',
    yTitle: 'milliseconds',
    ticks: lengths,
    lines,
  });
  writeFileSync(`${options.folder}/growth.svg`, drawing);
}
