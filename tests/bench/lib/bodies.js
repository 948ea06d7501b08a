// Requests. Numbers are sums of uniform ones, near enough to the bell of trained weights,
// the same in every run, and written as float32 at its shortest, as careful clients do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

export function keep(name, content) {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

function generator(seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return (size) => Math.fround(size * (uniform() + uniform() + uniform() + uniform()));
}

// The fewest digits that give the same float32.
function shortest(x) {
  for (let digits = 6; digits < 9; digits++)
    if (Math.fround(Number(x.toPrecision(digits))) === x) return Number(x.toPrecision(digits));
  return Number(x.toPrecision(9));
}

export function matrix(rows, columns, size = 0.5, seed = 1) {
  const next = generator(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => shortest(next(size))));
}

export const packed = (m) => ({
  dtype: 'f32',
  shape: [m.length, m[0].length],
  data: Buffer.from(Float32Array.from(m.flat()).buffer).toString('base64'),
});

// The main job: T tokens of `width`, projected, in `heads`, maps wanted.
export const layer = (T, width, heads, form = (m) => m) => ({
  sequences: form(matrix(T, width)),
  weights: Object.fromEntries(['wq', 'wk', 'wv'].map((name, n) => [name, form(matrix(width, width, 0.1, n + 2))])),
  heads,
});

export const body = (name, value) => keep(name, JSON.stringify(value));
