// The approximations in float64, each from the formula of its paper as the page has it.
import { below, next, normal } from './reference_random.js';
import { dot, softmax, weightedSum } from './reference.js';

// Which keys the rows of a sparse method may see, as a function of (i, j); null: all.
export function patternOf(method, { T, S, offset }) {
  if (method === 'longformer') return patternOf({ name: 'longformer' }, { T, S, offset });
  if (method?.name === 'block_sparse') {
    const { block, layout } = method;
    const seen = (r) => layout.columns.slice(layout.row_starts[r], layout.row_starts[r + 1]);
    return (i, j) => seen(Math.floor(i / block)).includes(Math.floor(j / block));
  }
  if (method?.name === 'longformer') {
    const { window = 0, global = [] } = method;
    const positions = global.map((token) => token + offset);
    return (i, j) => global.includes(i) || positions.includes(j) || Math.abs(i + offset - j) <= window;
  }
  if (method?.name === 'bigbird') {
    const { block, global = 0 } = method;
    const blockOf = (p) => Math.floor(p / block);
    const drawn = new Map();
    return (i, j) => {
      const I = blockOf(i + offset);
      if (!drawn.has(I)) drawn.set(I, drawBlocks(method, I, Math.ceil(S / block)));
      const J = blockOf(j);
      return I < global || J < global || Math.abs(I - J) <= 1 || drawn.get(I).has(J);
    };
  }
  return null;
}

// Floyd's sampling of blocks that are neither global nor neighbours.
function drawBlocks({ global = 0, random = 0, seed = 0 }, I, blocks) {
  const others = [...Array(blocks).keys()].filter((J) => J >= global && Math.abs(I - J) > 1);
  if (random >= others.length) return new Set(others);
  const stream = next(seed, I);
  const taken = new Set();
  for (let n = 0; n < random; n++) {
    const last = others.length - random + n;
    const t = below(stream, n, last + 1);
    taken.add(taken.has(t) ? last : t);
  }
  return new Set([...taken].map((t) => others[t]));
}

// {heads [H][T][dv], and what else the method has}; undefined for the exact operator.
export function approximate(request, b, sizes, query, key, value) {
  const method = typeof request.method === 'string' ? { name: request.method } : request.method;
  const kernels = { linformer, nystrom, performer, linear };
  return kernels[method?.name]?.({ ...sizes, method, causal: request.causal, b }, query, key, value);
}

const product = (a, b) => a.map((row) => b[0].map((_, c) => weightedSum(row, b, c)));
const transposed = (a) => a[0].map((_, c) => a.map((row) => row[c]));
const rowsOf = (count, width, cell) =>
  Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => cell(i, j)));

function linformer({ H, G, S, scale, method }, query, key, value) {
  const k = method.e?.length ?? method.rank;
  const draw = (which) =>
    rowsOf(k, S, (r, j) => normal(next(method.seed ?? 0, 2 * r + which), j) / Math.sqrt(k));
  const [E, F] = [method.e ?? draw(0), method.f ?? draw(1)];
  const heads = query.map((rows, h) => {
    const g = Math.floor(h / (H / G));
    const [K, V] = [product(E, key[g]), product(F, value[g])];
    return rows.map((q) => {
      const { weights, lse } = softmax(K.map((one) => scale * dot(q, one)));
      return { weights, lse, output: V[0].map((_, c) => weightedSum(weights, V, c)) };
    });
  });
  const pick = (name) => heads.map((rows) => rows.map((row) => row[name]));
  return { heads: pick('output'), stage: pick('weights'), lse: pick('lse') };
}

const segmentMeans = (rows, m) =>
  rowsOf(m, rows[0].length, (l, c) => {
    const part = rows.slice(Math.floor((l * rows.length) / m), Math.floor(((l + 1) * rows.length) / m));
    return part.reduce((s, row) => s + row[c], 0) / part.length;
  });

// Six steps of the iteration of order 3 towards the pseudo-inverse.
function pseudoInverse(A) {
  const sums = (rows) => Math.max(...rows.map((row) => row.reduce((s, x) => s + Math.abs(x), 0)));
  const norm = sums(A) * sums(transposed(A));
  let Z = transposed(A).map((row) => row.map((x) => x / norm));
  const lessFrom = (c, M) => M.map((row, i) => row.map((x, j) => (i === j ? c : 0) - x));
  for (let n = 0; n < 6; n++) {
    const AZ = product(A, Z);
    const inner = lessFrom(13, product(AZ, lessFrom(15, product(AZ, lessFrom(7, AZ)))));
    Z = product(Z, inner).map((row) => row.map((x) => x / 4));
  }
  return Z;
}

function nystrom({ H, G, scale, method }, query, key, value) {
  const rows = (a, b) => a.map((q) => softmax(b.map((k) => scale * dot(q, k))).weights);
  const heads = query.map((Q, h) => {
    const g = Math.floor(h / (H / G));
    const [Qm, Km] = [segmentMeans(Q, method.landmarks), segmentMeans(key[g], method.landmarks)];
    const inner = product(pseudoInverse(rows(Qm, Km)), product(rows(Qm, key[g]), value[g]));
    return product(rows(Q, Km), inner);
  });
  return { heads };
}

// sum_j phi(q) . phi(k_j) v_j / sum_j phi(q) . phi(k_j), over all keys or those up to the own.
function throughFeatures(phiQ, phiK, { H, G, offset, causal }, query, key, value) {
  const heads = query.map((rows, h) => {
    const g = Math.floor(h / (H / G));
    const features = key[g].map(phiK);
    return rows.map((q, i) => {
      const f = phiQ(q);
      const w = features.map((one, j) => (causal && j > i + offset ? 0 : dot(f, one)));
      const sum = w.reduce((s, x) => s + x, 0);
      return value[g][0].map((_, c) => (sum > 0 ? weightedSum(w, value[g], c) / sum : 0));
    });
  });
  return { heads };
}

function performer(sizes, query, key, value) {
  const { scale, method } = sizes;
  const w = drawFeatures(method.features, key[0][0].length, method.seed ?? 0);
  const phi = (x) => w.map((one) => Math.exp(dot(one, x) - dot(x, x) / 2));
  const root = Math.sqrt(Math.abs(scale));
  const phiK = (k) => phi(k.map((x) => root * x));
  const phiQ = (q) => phi(q.map((x) => Math.sign(scale) * root * x));
  return throughFeatures(phiQ, phiK, sizes, query, key, value);
}

// In blocks of orthogonal directions, with the lengths of normal vectors.
function drawFeatures(features, dk, seed) {
  const size = Math.min(dk, 64);
  const out = [];
  for (let r = 0; r < features; r++) {
    const direction = Array.from({ length: dk }, (_, c) => normal(next(seed, 2 * r), c));
    const before = out.slice(r - (r % size), r);
    for (let twice = 0; twice < 2; twice++)
      for (const { unit } of before) {
        const along = dot(direction, unit);
        unit.forEach((x, c) => (direction[c] -= along * x));
      }
    const norm = Math.sqrt(dot(direction, direction));
    const other = Array.from({ length: dk }, (_, c) => normal(next(seed, 2 * r + 1), c));
    out.push({ unit: direction.map((x) => x / norm), length: Math.sqrt(dot(other, other)) });
  }
  return out.map(({ unit, length }) => unit.map((x) => x * length));
}

function linear(sizes, query, key, value) {
  const rule = sizes.method.rule ?? 'elu';
  const phi = (row) => row.map((x) => (x > 0 ? x + 1 : Math.exp(x)));
  if (rule === 'elu') return throughFeatures(phi, phi, sizes, query, key, value);
  return recurrent(rule, sizes, query, key, value);
}

function recurrent(rule, { H, G, T, scale, method, b }, query, key, value) {
  const own = (x, rank) => (x && rankOf(x) > rank ? x[b] : x);
  const [decay, beta, before] = [own(method.decay, 2), own(method.beta, 2), own(method.state, 3)];
  const [dk, dv] = [key[0][0].length, value[0][0].length];
  const state = before
    ? before.map((rows) => rows.map((row) => [...row]))
    : Array.from({ length: G }, () => rowsOf(dk, dv, () => 0));
  const heads = query.map((rows) => rows.map(() => []));
  for (let t = 0; t < T; t++)
    for (let g = 0; g < G; g++) {
      const [S, k] = [state[g], key[g][t]];
      if (rule === 'gated' || rule === 'gated_delta')
        S.forEach((row, c) => {
          const d = decay[t][decay[t].length === G ? g : g * dk + c];
          row.forEach((_, e) => (row[e] *= Math.exp(d)));
        });
      let v = value[g][t];
      if (rule === 'delta' || rule === 'gated_delta') {
        const rate = beta[t][beta[t].length === 1 ? 0 : g];
        v = v.map((x, e) => rate * (x - k.reduce((s, kc, c) => s + kc * S[c][e], 0)));
      }
      S.forEach((row, c) => row.forEach((_, e) => (row[e] += k[c] * v[e])));
      for (let h = g * (H / G); h < (g + 1) * (H / G); h++)
        heads[h][t] = v.map((_, e) => scale * query[h][t].reduce((s, q, c) => s + q * S[c][e], 0));
    }
  return { heads, state };
}

const rankOf = (x) => (Array.isArray(x) ? 1 + rankOf(x[0]) : 0);
