// ONNX graphs for ONNX Runtime, as bytes: a protobuf writer for the few messages of
// onnx.proto that a graph of operators needs. Field numbers are those of that file.
const FLOAT = 1; // TensorProto.DataType
const INT = 2; // AttributeProto.AttributeType

function varint(n) {
  const bytes = [];
  for (; n > 127; n = Math.floor(n / 128)) bytes.push((n % 128) | 128);
  return Buffer.from([...bytes, n]);
}
const number = (field, n) => Buffer.concat([varint(field * 8), varint(n)]);
const bytes = (field, data) => Buffer.concat([varint(field * 8 + 2), varint(data.length), data]);
const text = (field, s) => bytes(field, Buffer.from(s));
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

const dimension = (d) => message(1, typeof d === 'number' ? number(1, d) : text(2, d));
const value = (field, name, shape) =>
  message(field, text(1, name), message(2, message(1, number(1, FLOAT), message(2, ...shape.map(dimension)))));
const attribute = ([name, n]) => message(5, text(1, name), number(3, n), number(20, INT));
const node = (type, domain, inputs, outputs, attributes = {}) =>
  message(
    1,
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, type),
    ...Object.entries(attributes).map(attribute),
    text(7, domain)
  );

// inputs and outputs: {name: shape}, whose strings are sizes that are not fixed.
function model(nodes, inputs, outputs) {
  const values = (field, all) => Object.entries(all).map(([name, shape]) => value(field, name, shape));
  const operators = (domain, version) => message(8, text(1, domain), number(2, version));
  return Buffer.concat([
    number(1, 10),
    message(7, ...nodes, text(2, 'attention'), ...values(11, inputs), ...values(12, outputs)),
    operators('', 23),
    operators('com.microsoft', 1),
  ]);
}

const contrib = (heads, more) =>
  node('MultiHeadAttention', 'com.microsoft', ['q', 'k', 'v'], ['o'], { num_heads: heads, ...more });
const standard = (heads, more) =>
  node('Attention', '', ['q', 'k', 'v'], ['o'], { q_num_heads: heads, kv_num_heads: heads, ...more });
const withWeights = (heads) =>
  node('Attention', '', ['q', 'k', 'v'], ['o', '', '', 'w'], {
    q_num_heads: heads,
    kv_num_heads: heads,
    qk_matmul_output_mode: 3,
  });

const qkv = { q: ['b', 't', 'e'], k: ['b', 't', 'e'], v: ['b', 't', 'e'] };
const out = { o: ['b', 't', 'e'] };
const maps = (heads) => ({ ...out, w: ['b', heads, 't', 't'] });

// Operators on what is projected already.
export const operators = {
  mha: (heads) => model([contrib(heads)], qkv, out),
  mha_causal: (heads) => model([contrib(heads, { unidirectional: 1 })], qkv, out),
  att_causal: (heads) => model([standard(heads, { is_causal: 1 })], qkv, out),
  att_map: (heads) => model([withWeights(heads)], qkv, maps(heads)),
};

// The main job: x and three matrices in, output and maps out.
export function layer(heads) {
  const project = ['q', 'k', 'v'].map((name) => node('MatMul', '', ['x', `w${name}`], [name]));
  const inputs = { x: ['b', 't', 'd'], wq: ['d', 'e'], wk: ['d', 'e'], wv: ['d', 'e'] };
  return model([...project, withWeights(heads)], inputs, maps(heads));
}
