// Attention in float64, written from the operator's definition and nothing else:
// slow and obvious. Takes a request body as a client would write it (nested
// arrays) and gives the numbers the answer must hold, in the same nesting.
//
//   scores = scale * Q K^T,  weights = softmax(scores + mask),  output = weights V
//
// B batches, H query heads, G key heads (H a multiple of G), T queries, S keys.

export function attend(request) {
  const { sequences, single, splitHeads } = problems(request);
  const results = sequences.map((one, b) => attendOne(one, b, request, splitHeads));
  const nest = (pick) => (single ? pick(results[0]) : results.map(pick));

  const answer = { outputs: nest((r) => r.output) };
  const maps = request.maps ?? 'heads';
  if (maps === 'mean') answer.attention_maps = nest((r) => meanOf(r.maps));
  if (maps === 'heads')
    answer.attention_maps = nest((r) => (request.map_heads ?? [...r.maps.keys()]).map((h) => r.maps[h]));
  const wanted = request.return ?? [];
  if (wanted.includes('projections'))
    answer.projections = {
      query: nest((r) => r.query),
      key: nest((r) => r.key),
      value: nest((r) => r.value),
    };
  if (wanted.includes('lse')) answer.lse = nest((r) => r.lse);
  return answer;
}

export const rankOf = (x) => (Array.isArray(x) ? 1 + rankOf(x[0]) : 0);

// Every form of input becomes a list of {query [H][T][dk], key [G][S][dk], value [G][S][dv]}.
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

function attendOne({ query, key, value }, b, request, split) {
  const [H, G, T, S] = [query.length, key.length, query[0].length, key[0].length];
  const scale = request.scale ?? 1 / Math.sqrt(key[0][0].length);
  const offset = request.align === 'bottom_right' ? S - T : 0;
  const heads = query.map((rows, h) => {
    const [K, V] = [key[Math.floor(h / (H / G))], value[Math.floor(h / (H / G))]];
    return rows.map((q, i) => {
      const scores = K.map((k, j) =>
        request.causal && j > i + offset ? -Infinity : biased(request.mask, [b, h, i, j], scale * dot(q, k))
      );
      const { weights, lse } = softmax(scores);
      return { weights, lse, output: V[0].map((_, c) => weightedSum(weights, V, c)) };
    });
  });
  const output = heads.map((rows) => rows.map((r) => r.output));
  const { wo, bo } = request.weights ?? {};
  return {
    output: split ? output : linear(joinHeads(output), wo, bo),
    maps: heads.map((rows) => rows.map((r) => r.weights)),
    lse: heads.map((rows) => rows.map((r) => r.lse)),
    query,
    key,
    value,
  };
}

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

// A key that is not allowed is left out, so that what stands there cannot matter.
const weightedSum = (weights, rows, c) =>
  weights.reduce((sum, w, j) => (w === 0 ? sum : sum + w * rows[j][c]), 0);

// The mask broadcasts from the right to [B][H][T][S]; keys it is too narrow for are masked.
function biased(mask, index, score) {
  if (mask === undefined) return score;
  let at = mask;
  const rank = rankOf(mask);
  for (let axis = 0; axis < rank; axis++) {
    const i = index[4 - rank + axis];
    at = at.length === 1 ? at[0] : at[i];
    if (at === undefined) return -Infinity;
  }
  if (typeof at === 'boolean') return at ? score : -Infinity;
  return at === null || at === '-Infinity' ? -Infinity : score + at;
}

// A row with no allowed key is all 0.
function softmax(scores) {
  const most = Math.max(...scores);
  if (most === -Infinity) return { weights: scores.map(() => 0), lse: -Infinity };
  const e = scores.map((s) => Math.exp(s - most));
  const sum = e.reduce((a, x) => a + x, 0);
  return { weights: e.map((x) => x / sum), lse: most + Math.log(sum) };
}

const meanOf = (maps) =>
  maps[0].map((row, i) => row.map((_, j) => maps.reduce((s, m) => s + m[i][j], 0) / maps.length));
