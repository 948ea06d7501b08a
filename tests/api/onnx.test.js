// ONNX's public vectors over HTTP: Attention (opsets 23 to 25, as of onnx f7546912),
// RotaryEmbedding as `rope`, and LinearAttention as the method `linear`.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { compute } from './support/client.js';
import { assertClose, packed, unpacked } from './support/numbers.js';
import { shared, start } from './support/service.js';

const folder = `${shared}/conformance/onnx`;
const skip = existsSync(folder) ? false : `skipped: no ${folder}`;
const published = 109;
const index = skip ? [] : JSON.parse(readFileSync(`${folder}/index.json`, 'utf8'));

let service;
before(async () => (service = await start()));
after(() => service.stop());

// [2, 3] and 6 numbers become two rows of three.
function nested(flat, [extent, ...inner]) {
  if (!inner.length) return flat;
  const size = flat.length / extent;
  return Array.from({ length: extent }, (_, i) => nested(flat.slice(i * size, (i + 1) * size), inner));
}

const given = (members) => Object.fromEntries(Object.entries(members).filter(([, v]) => v !== undefined));

const booleans = (x) => (Array.isArray(x) ? x.map(booleans) : Boolean(x));

function attentionRequest({ attributes: a, inputs }, of) {
  const side = (n) => (n === undefined || n < 0 ? undefined : n);
  const mask = of('attn_mask');
  return {
    query: of('Q'),
    key: of('K'),
    value: of('V'),
    heads: a.q_num_heads,
    kv_heads: a.kv_num_heads,
    scale: a.scale,
    softcap: a.softcap || undefined,
    causal: a.is_causal ? true : undefined,
    align: of('nonpad_kv_seqlen') && 'bottom_right',
    key_lengths: of('nonpad_kv_seqlen'),
    window: given({ left: side(a.left_window_size), right: side(a.right_window_size) }),
    mask: inputs.attn_mask?.dtype === 'bool' ? booleans(mask) : mask,
    past: of('past_key') && { key: of('past_key'), value: of('past_value') },
    map_stage: ['scores', 'capped', 'biased', 'weights'][a.qk_matmul_output_mode ?? 0],
    return: ['present'],
  };
}

// A table for each token of each sequence is one table, with its rows as positions.
function rotaryRequest({ attributes: a }, of) {
  const [input, cos, sin] = ['input', 'cos_cache', 'sin_cache'].map(of);
  const isByToken = Array.isArray(cos[0][0]);
  const counted = isByToken && cos.map((rows, b) => rows.map((_, t) => b * rows.length + t));
  return {
    query: input,
    key: input,
    value: input,
    heads: a.num_heads,
    rope: given({
      cos: isByToken ? cos.flat() : cos,
      sin: isByToken ? sin.flat() : sin,
      positions: counted || of('position_ids'),
      interleaved: a.interleaved ? true : undefined,
      dims: a.rotary_embedding_dim || undefined,
    }),
    maps: 'none',
    return: ['projections'],
  };
}

function linearRequest({ attributes: a }, of) {
  return {
    query: of('query'),
    key: of('key'),
    value: of('value'),
    heads: a.q_num_heads,
    kv_heads: a.kv_num_heads,
    scale: a.scale,
    method: given({
      name: 'linear',
      rule: a.update_rule ?? 'gated_delta',
      decay: of('decay'),
      beta: of('beta'),
      state: of('past_state'),
    }),
    return: ['present'],
  };
}

const requests = {
  Attention: attentionRequest,
  RotaryEmbedding: rotaryRequest,
  LinearAttention: linearRequest,
};

// [B][H][T][d] -> [B][T][H d], as the vector has its rank 3 input.
const joined = (batch) => batch.map((heads) => heads[0].map((_, t) => heads.flatMap((rows) => rows[t])));

const answers = {
  Y: (json) => json.outputs,
  output: (json, rank) =>
    !json.projections ? json.outputs : rank === 3 ? joined(json.projections.query) : json.projections.query,
  qk_matmul_output: (json) => json.attention_maps,
  present_key: (json) => json.present.key,
  present_value: (json) => json.present.value,
  present_state: (json) => json.state,
};

function check(vector, json, tolerance) {
  for (const [name, { data, shape }] of Object.entries(vector.outputs)) {
    const expected = nested(
      data.map((x) => (x === '-Infinity' ? -Infinity : x)),
      shape
    );
    assertClose(answers[name](json, shape.length), expected, name, {
      absolute: tolerance,
      relative: tolerance,
    });
  }
}

describe('vectors of ONNX', { skip }, () => {
  for (const { name, file } of index)
    test(name, async () => {
      const vector = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'));
      const of = (input) =>
        vector.inputs[input] && nested(vector.inputs[input].data, vector.inputs[input].shape);
      const request = given(requests[vector.op](vector, of));
      const isHalf = Object.values(vector.inputs).some(({ dtype }) => dtype === 'float16');
      const tolerance = isHalf ? 1e-3 : 1e-5;
      check(vector, (await compute(service, request)).json, tolerance);
      const both = await compute(service, { ...packed(request), tensor_format: 'base64' });
      check(vector, unpacked(both.json), tolerance);
    });

  test('all of them', () => assert.equal(index.length, published));
});
