// Attention in float64, written from the operator's definition and nothing else:
// slow and obvious. Takes a request body as a client would write it (nested
// arrays) and gives what the answer must hold, in the same nesting.
//
//   scores  = scale Q K^T
//   capped  = softcap tanh(scores / softcap)
//   biased  = capped + mask - alibi |i + offset - j|, -Infinity where not allowed
//   weights = softmax(biased), with a sink in its denominator; then dropout
//   output  = weights V
//
// B batches, H query heads, G key heads (H a multiple of G), T queries, S keys, P of them
// of the past.
import { isDropped } from './reference_random.js';
import { approximate, patternOf } from './reference_methods.js';

export function attend(request) {
  const { sequences, single, splitHeads } = problems(request);
  const results = sequences.map((one, b) => attendOne(one, b, request, splitHeads));
  const nest = (pick) => (single ? pick(results[0]) : results.map(pick));
  const pair = (names, pick) => Object.fromEntries(names.map((name) => [name, nest((r) => pick(r)[name])]));

  const wanted = request.return ?? [];
  const answer = { outputs: nest((r) => r.output) };
  const maps = mapsOf(request, results, nest);
  if (maps) answer.attention_maps = maps;
  if (wanted.includes('projections'))
    answer.projections = pair(['query', 'key', 'value'], (r) => r.projections);
  if (wanted.includes('lse')) answer.lse = nest((r) => r.lse);
  if (wanted.includes('present') && results[0].state) answer.state = nest((r) => r.state);
  else if (wanted.includes('present')) answer.present = pair(['key', 'value'], (r) => r.present);
  if (wanted.includes('entropy')) answer.entropy = pair(['nats', 'normalised'], (r) => r.entropy);
  if (wanted.includes('statistics')) answer.statistics = nest((r) => r.statistics);
  const method = methodOf(request, answer.outputs, single);
  if (method) answer.method = method;
  return answer;
}

export const rankOf = (x) => (Array.isArray(x) ? 1 + rankOf(x[0]) : 0);

function mapsOf(request, results, nest) {
  const form = request.maps ?? (results[0].stage ? 'heads' : 'none');
  const chosen = (r) => (request.map_heads ?? [...r.stage.keys()]).map((h) => r.stage[h]);
  if (form === 'mean') return nest((r) => meanOf(r.stage));
  if (form === 'heads') return nest(chosen);
  if (form !== 'top_k') return undefined;
  const top = (r) => chosen(r).map((map) => map.map((row) => topOf(row, request.top_k)));
  const pick = (name) => nest((r) => top(r).map((map) => map.map((row) => row.map((cell) => cell[name]))));
  return { indices: pick('index'), values: pick('value') };
}

// The largest first, of equal ones the first.
const topOf = (row, k) =>
  row
    .map((value, index) => ({ value, index }))
    .sort((a, b) => (a.value === b.value ? a.index - b.index : b.value - a.value))
    .slice(0, k);

function methodOf(request, outputs, single) {
  const { name, compare, ...given } =
    typeof request.method === 'string' ? { name: request.method } : (request.method ?? { name: 'exact' });
  if (name === 'exact') return undefined;
  const said = {
    linformer: given.e ? { rank: given.e.length } : { rank: given.rank, seed: given.seed ?? 0 },
    nystrom: { landmarks: given.landmarks },
    performer: { features: given.features, seed: given.seed ?? 0 },
    linear: { rule: given.rule ?? 'elu' },
    top_k: { k: given.k },
    block_sparse: { block: given.block, blocks: given.layout?.columns.length },
    longformer: { window: given.window ?? 0, global: given.global?.length ?? 0 },
    bigbird: {
      block: given.block,
      global: given.global ?? 0,
      random: given.random ?? 0,
      seed: given.seed ?? 0,
    },
  }[name];
  const answer = { name, ...said };
  if (compare) {
    const { method, ...exact } = request;
    answer.error = errorsOf(outputs, attend({ ...exact, maps: 'none', return: [] }).outputs, single);
  }
  return answer;
}

function errorsOf(outputs, exact, single) {
  const errors = (a, b) => {
    const others = b.flat(Infinity);
    const off = a.flat(Infinity).map((x, i) => Math.abs(x - others[i]));
    return { max: Math.max(...off), mean: off.reduce((s, x) => s + x, 0) / off.length };
  };
  if (single) return errors(outputs, exact);
  const each = outputs.map((one, b) => errors(one, exact[b]));
  return { max: each.map((e) => e.max), mean: each.map((e) => e.mean) };
}

// Every form of input becomes a list of {query [H][T][dk], key [G][S - P][dk], value
// [G][S - P][dv]}.
function problems(request) {
  if (request.query) return projected(request);
  const single = rankOf(request.sequences) === 2;
  const tokens = single ? [request.sequences] : request.sequences;
  const context = request.context ? (single ? [request.context] : request.context) : tokens;
  const H = request.heads ?? 1;
  const G = request.kv_heads ?? H;
  const w = request.weights ?? {};
  const sequences = tokens.map((x, b) => ({
    query: splitHeads(linear(x, w.wq, w.bq), H),
    key: splitHeads(linear(context[b], w.wk, w.bk), G),
    value: splitHeads(linear(context[b], w.wv, w.bv), G),
  }));
  return { sequences, single, splitHeads: false };
}

function projected({ query, key, value, heads, kv_heads }) {
  const rank = rankOf(query);
  if (rank === 4)
    return {
      sequences: query.map((q, b) => ({ query: q, key: key[b], value: value[b] })),
      single: false,
      splitHeads: true,
    };
  const H = heads ?? 1;
  const G = kv_heads ?? H;
  const one = (q, k, v) => ({
    query: splitHeads(q, H),
    key: splitHeads(k, G),
    value: splitHeads(v, G),
  });
  if (rank === 2) return { sequences: [one(query, key, value)], single: true, splitHeads: false };
  return {
    sequences: query.map((q, b) => one(q, key[b], value[b])),
    single: false,
    splitHeads: false,
  };
}

// rows [n][in] times matrix [in][out], plus bias; without a matrix the rows themselves.
function linear(rows, matrix, bias) {
  const product = matrix
    ? rows.map((row) => matrix[0].map((_, o) => row.reduce((sum, x, i) => sum + x * matrix[i][o], 0)))
    : rows;
  return bias ? product.map((row) => row.map((x, o) => x + bias[o])) : product;
}

// [n][H*d] -> [H][n][d]
function splitHeads(rows, H) {
  const d = rows[0].length / H;
  return Array.from({ length: H }, (_, h) => rows.map((row) => row.slice(h * d, (h + 1) * d)));
}

const joinHeads = (heads) => heads[0].map((_, i) => heads.flatMap((rows) => rows[i]));

function attendOne(own, b, request, split) {
  const P = request.past ? pastOf(request.past.key, b)[0].length : 0;
  const projections = turned(own, b, P, request);
  const present = {
    key: behind(pastOf(request.past?.key, b), projections.key),
    value: behind(pastOf(request.past?.value, b), projections.value),
  };
  const { query } = projections;
  const { key, value } = present;
  const [H, G, T, S] = [query.length, key.length, query[0].length, key[0].length];
  const valid = [request.key_lengths ?? []].flat()[b] ?? S;
  const offset = request.align === 'bottom_right' ? valid - T : P;
  const scale = request.scale ?? 1 / Math.sqrt(key[0][0].length);

  const sizes = { H, G, T, S, offset, scale };
  const computed = approximate(request, b, sizes, query, key, value);
  const result = computed ?? exact(request, b, { ...sizes, valid }, query, key, value);
  const { wo, bo } = request.weights ?? {};
  return {
    ...result,
    output: split ? result.heads : linear(joinHeads(result.heads), wo, bo),
    projections,
    present,
  };
}

const pastOf = (part, b) => part && (rankOf(part) === 4 ? part[b] : part);
const behind = (past, own) => (past ? past.map((rows, g) => [...rows, ...own[g]]) : own);

// Q and K turned by rope.
function turned({ query, key, value }, b, P, { rope, context }) {
  if (!rope) return { query, key, value };
  const listed = Array.isArray(rope.positions)
    ? rankOf(rope.positions) === 2
      ? rope.positions[b]
      : rope.positions
    : null;
  const position = (i) => listed?.[i] ?? (rope.positions ?? P) + i;
  const isSelf = !context && key[0].length === query[0].length;
  const keyPosition = (j) => (isSelf ? position(j) : P + j);
  return {
    query: query.map((rows) => rows.map((row, i) => turn(row, position(i), rope))),
    key: key.map((rows) => rows.map((row, j) => turn(row, keyPosition(j), rope))),
    value,
  };
}

function turn(row, p, { base = 10000, dims = row.length, interleaved, cos, sin }) {
  const to = [...row];
  for (let k = 0; k < dims / 2; k++) {
    const angle = p * base ** ((-2 * k) / dims);
    const [c, s] = cos ? [cos[p][k], sin[p][k]] : [Math.cos(angle), Math.sin(angle)];
    const [x, y] = interleaved ? [2 * k, 2 * k + 1] : [k, k + dims / 2];
    to[x] = row[x] * c - row[y] * s;
    to[y] = row[x] * s + row[y] * c;
  }
  return to;
}

function exact(request, b, sizes, query, key, value) {
  const { H, G, S, offset, scale, valid } = sizes;
  const slopes = request.alibi === true ? standardSlopes(H) : request.alibi || null;
  const sees = patternOf(request.method, sizes);
  const isAllowed = (i, j) =>
    j < valid &&
    !(request.causal && j > i + offset) &&
    !(j < i + offset - (request.window?.left ?? Infinity)) &&
    !(j > i + offset + (request.window?.right ?? Infinity)) &&
    (!sees || sees(i, j));

  const cellsOf = (h, i, q) =>
    Array.from({ length: S }, (_, j) => {
      const score = scale * dot(q, key[Math.floor(h / (H / G))][j]);
      const capped = request.softcap ? request.softcap * Math.tanh(score / request.softcap) : score;
      const added = maskOf(request.mask, [b, h, i, j]) - (slopes ? slopes[h] * Math.abs(i + offset - j) : 0);
      const allowed = isAllowed(i, j) && added !== -Infinity;
      return { score, capped, biased: allowed ? capped + added : -Infinity };
    });

  const rows = query.map((head, h) =>
    head.map((q, i) => {
      const cells = keepLargest(cellsOf(h, i, q), request.method?.name === 'top_k' ? request.method.k : S);
      const biased = dropScores(
        cells.map((cell) => cell.biased),
        request.dropout,
        [b, h, i]
      );
      const { weights, lse } = softmax(biased, request.sinks?.[h]);
      dropWeights(weights, request.dropout, [b, h, i]);
      const V = value[Math.floor(h / (H / G))];
      const visible = biased.filter((x) => x !== -Infinity).length;
      const stage = {
        scores: cells.map((cell) => cell.score),
        capped: cells.map((cell) => cell.capped),
        biased,
        weights,
      }[request.map_stage ?? 'weights'];
      return { i, weights, lse, visible, stage, output: V[0].map((_, c) => weightedSum(weights, V, c)) };
    })
  );
  const pick = (what) => rows.map((head) => head.map(what));
  return {
    heads: pick((row) => row.output),
    stage: pick((row) => row.stage),
    lse: pick((row) => row.lse),
    entropy: {
      nats: pick((row) => entropyOf(row.weights)),
      normalised: pick((row) => (row.visible > 1 ? entropyOf(row.weights) / Math.log(row.visible) : 0)),
    },
    statistics: rows.map((head) => statisticsOf(head, offset, S)),
  };
}

// Those beyond are hidden; of equal ones the first stay.
function keepLargest(cells, k) {
  const kept = new Set(
    topOf(
      cells.map((cell) => cell.biased),
      k
    ).map((cell) => cell.index)
  );
  return cells.map((cell, j) => (kept.has(j) ? cell : { ...cell, biased: -Infinity }));
}

// A cell that is hidden stays hidden.
function dropScores(biased, dropout, [b, h, i]) {
  if (dropout?.on !== 'scores') return biased;
  return biased.map((x, j) => (x !== -Infinity && isDropped(dropout, b, h, i, j) ? 0 : x));
}

function dropWeights(weights, dropout, [b, h, i]) {
  if (!dropout || dropout.on === 'scores') return;
  const rate = Math.fround(dropout.rate);
  weights.forEach((w, j) => (weights[j] = isDropped(dropout, b, h, i, j) ? 0 : w / (1 - rate)));
}

// 2^(-8 (h + 1) / n) for a power of two n; else every second one of twice that follows.
function standardSlopes(H) {
  const n = 2 ** Math.floor(Math.log2(H));
  return Array.from({ length: H }, (_, h) =>
    h < n ? 2 ** ((-8 * (h + 1)) / n) : 2 ** ((-8 * (2 * (h - n) + 1)) / (2 * n))
  );
}

const entropyOf = (weights) => weights.reduce((s, p) => (p > 0 ? s - p * Math.log(p) : s), 0);

function statisticsOf(head, offset, S) {
  const rows = head.filter((row) => row.visible > 0);
  const mean = (what) => (rows.length ? rows.reduce((s, row) => s + what(row), 0) / rows.length : 0);
  const at = (d) => (row) => row.weights[row.i + offset + d] ?? 0;
  return {
    entropy: mean((row) => entropyOf(row.weights)),
    maximum: mean((row) => Math.max(...row.weights)),
    distance: mean((row) => row.weights.reduce((s, p, j) => s + p * Math.abs(row.i + offset - j), 0)),
    first: mean((row) => row.weights[0]),
    own: mean(at(0)),
    previous: mean(at(-1)),
    next: mean(at(1)),
    received: Array.from({ length: S }, (_, j) => head.reduce((s, row) => s + row.weights[j], 0)),
  };
}

export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

// A key that is not allowed is left out, so that what stands there cannot matter.
export const weightedSum = (weights, rows, c) =>
  weights.reduce((sum, w, j) => (w === 0 ? sum : sum + w * rows[j][c]), 0);

// The mask broadcasts from the right to [B][H][T][S]; keys it is too narrow for are masked.
function maskOf(mask, index) {
  if (mask === undefined) return 0;
  let at = mask;
  const rank = rankOf(mask);
  for (let axis = 0; axis < rank; axis++) {
    const i = index[4 - rank + axis];
    at = at.length === 1 ? at[0] : at[i];
    if (at === undefined) return -Infinity;
  }
  if (typeof at === 'boolean') return at ? 0 : -Infinity;
  return at === null || at === '-Infinity' ? -Infinity : at;
}

// A row with no allowed key is all 0. The sink is one more logit, but not in the lse.
export function softmax(scores, sink = -Infinity) {
  const most = Math.max(...scores);
  if (most === -Infinity) return { weights: scores.map(() => 0), lse: -Infinity };
  const top = Math.max(most, sink);
  const e = scores.map((s) => Math.exp(s - top));
  const sum = e.reduce((a, x) => a + x, 0);
  const lse = most + Math.log(scores.reduce((a, s) => a + Math.exp(s - most), 0));
  return { weights: e.map((x) => x / (sum + Math.exp(sink - top))), lse };
}

const meanOf = (maps) =>
  maps[0].map((row, i) => row.map((_, j) => maps.reduce((s, m) => s + m[i][j], 0) / maps.length));
