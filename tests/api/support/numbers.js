// Random requests, base64 tensors, and comparing numbers.
import assert from 'node:assert/strict';

// mulberry32: small, seeded, good enough; a failing case can be run again.
export function generator(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    whole: (least, most) => least + Math.floor(next() * (most - least + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
    // float32 values, so that the service and the reference are given the same numbers
    tensor: (...shape) => build(shape, () => Math.fround((next() - 0.5) * 2)),
    allowed: (...shape) => build(shape, () => next() < 0.7),
  };
}

export const build = ([extent, ...inner], leaf) =>
  Array.from({ length: extent }, () => (inner.length ? build(inner, leaf) : leaf()));

export function shapeOf(nested) {
  const shape = [];
  for (let x = nested; Array.isArray(x); x = x[0]) shape.push(x.length);
  return shape;
}

const writers = {
  f32: (b, v, i) => b.writeFloatLE(v, 4 * i),
  f64: (b, v, i) => b.writeDoubleLE(v, 8 * i),
  i32: (b, v, i) => b.writeInt32LE(v, 4 * i),
  i64: (b, v, i) => b.writeBigInt64LE(BigInt(v), 8 * i),
  bool: (b, v, i) => b.writeUInt8(v ? 1 : 0, i),
  bf16: (b, v, i) => b.writeUInt16LE(floatBits(v) >>> 16, 2 * i), // exact values only
  f16: (b, v, i) => b.writeUInt16LE(halfBits(v), 2 * i), // exact, normal values only
};
const widths = { f32: 4, f64: 8, i32: 4, i64: 8, bool: 1, bf16: 2, f16: 2 };

function floatBits(value) {
  const b = Buffer.alloc(4);
  b.writeFloatLE(value);
  return b.readUInt32LE();
}

function halfBits(value) {
  if (value === 0) return 0;
  const bits = floatBits(value);
  const exponent = ((bits >>> 23) & 255) - 127 + 15;
  assert.ok(exponent > 0 && exponent < 31 && (bits & 0x1fff) === 0, `${value} in half precision`);
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

// A small body that keeps one worker busy for seconds: with 8 heads of width 256 the scores
// of T tokens take 4096 T^2 operations.
export function heavyRequest(share = 1) {
  const r = generator(99);
  const T = Math.round(6000 * Math.sqrt(share));
  return JSON.stringify({
    sequences: toBase64(r.tensor(T, 16)),
    weights: {
      wq: toBase64(r.tensor(16, 2048)),
      wk: toBase64(r.tensor(16, 2048)),
      wv: toBase64(r.tensor(16, 8)),
    },
    heads: 8,
    maps: 'none',
    tensor_format: 'base64',
  });
}

export function toBase64(nested, dtype = 'f32') {
  const flat = nested.flat(Infinity);
  const bytes = Buffer.alloc(flat.length * widths[dtype]);
  flat.forEach((v, i) => writers[dtype](bytes, v, i));
  return { dtype, shape: shapeOf(nested), data: bytes.toString('base64') };
}

// A request with every tensor as base64; lists of lists of unlike lengths become lists of
// tensors.
const wholeMembers = new Set(['key_lengths', 'positions', 'row_starts', 'columns', 'global', 'map_heads']);
const numberMembers = new Set(
  `sequences context query key value wq wk wv wo bq bk bv bo mask alibi sinks
  cos sin e f decay beta state`.split(/\s+/)
);

export function packed(value, name) {
  if (Array.isArray(value)) {
    if (wholeMembers.has(name)) return value.length ? toBase64(value, 'i32') : value;
    if (numberMembers.has(name)) return packedNumbers(value);
    return value;
  }
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, packed(v, k)]));
}

function packedNumbers(nested) {
  const isRagged = (x) =>
    Array.isArray(x[0]) && (x.some((y) => y.length !== x[0].length) || x.some(isRagged));
  if (isRagged(nested)) return nested.map((one) => toBase64(one));
  const extended = (x) =>
    Array.isArray(x) ? x.map(extended) : x === null || x === '-Infinity' ? -Infinity : x;
  return toBase64(extended(nested), typeof nested.flat(Infinity)[0] === 'boolean' ? 'bool' : 'f32');
}

export function fromBase64(tensor) {
  if (Array.isArray(tensor)) return tensor.map(fromBase64);
  assert.ok(['f32', 'i32'].includes(tensor.dtype));
  const bytes = Buffer.from(tensor.data, 'base64');
  let i = 0;
  const nested = build(tensor.shape, () =>
    tensor.dtype === 'i32' ? bytes.readInt32LE(4 * i++) : bytes.readFloatLE(4 * i++)
  );
  assert.equal(4 * i, bytes.length, 'as many bytes as the shape says');
  return nested;
}

// An answer with every base64 tensor as nested lists.
export function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value?.constructor !== Object) return value;
  if (value.dtype) return fromBase64(value);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, unpacked(v)]));
}

// Same nesting, the same text, and every number within absolute + relative * |expected|.
export function assertClose(actual, expected, what, tolerance = {}) {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual), `${what} is not a list`);
    assert.equal(actual.length, expected.length, `length of ${what}`);
    expected.forEach((e, i) =>
      assertClose(actual[i], e, typeof e === 'number' ? what : `${what}/${i}`, tolerance)
    );
  } else if (expected?.constructor === Object) {
    assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), `members of ${what}`);
    for (const [name, e] of Object.entries(expected))
      assertClose(actual[name], e, `${what}/${name}`, tolerance);
  } else if (expected === -Infinity) {
    assert.ok(actual === '-Infinity' || actual === -Infinity, `${what} is ${actual}`);
  } else if (typeof expected === 'string') {
    assert.equal(actual, expected, what);
  } else {
    const { absolute = 1e-5, relative = 1e-4 } = tolerance;
    const off = Math.abs(actual - expected);
    assert.ok(off <= absolute + relative * Math.abs(expected), `${what}: ${actual}, expected ${expected}`);
  }
}

// Compares an answer with what support/reference.js computed.
export function assertAnswer(answer, expected, tolerance) {
  const { id, timing, labels, ...numbers } = answer;
  assertClose(unpacked(numbers), expected, '', tolerance);
}
