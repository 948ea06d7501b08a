// What may be sent wrongly, and what comes back: status, type and pointer.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attention, compute, get, raw, request } from './support/client.js';
import { build, generator, toBase64 } from './support/numbers.js';
import { start } from './support/service.js';

const limits = `--body-limit 64KiB --max-batch 4 --max-tokens 64 --max-width 32 --max-heads 8
  --max-map-numbers 5000 --answer-limit 100KiB --body-timeout 1s`.split(/\s+/);
let service;
before(async () => (service = await start(limits)));
after(() => service.stop());

const X = [[1, 2], [3, 4]];
const I = [[1, 0], [0, 1]];
const W = { wq: I, wk: I, wv: I };
const ones = (...shape) => build(shape, () => 1);

function assertProblem(answer, status, slug, at) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json.type, `urn:attentiond:problem:${slug}`);
  if (at === undefined) return;
  assert.equal(answer.json.errors?.[0].pointer, at, answer.text);
}

// Every refusal is followed by a request that is answered: the service goes on.
async function refuses(body, status, slug, at) {
  const answer = await attention(service, body);
  assertProblem(answer, status, slug, at);
  await compute(service, { sequences: [[1]] });
  return answer;
}

describe('a request that cannot be computed is 422 and says where', () => {
  const cases = [
    ['no input', {}, ''],
    ['an unknown member', { sequences: X, head: 2 }, '/head'],
    ['a member of a later release', { sequences: X, model: 'm' }, '/model'],
    ['an unknown weight', { sequences: X, weights: { ...W, wz: I } }, '/weights/wz'],
    ['an unknown member of a base64 tensor', { sequences: { ...toBase64(X), name: 'x' } }, '/sequences/name'],
    ['a member with a slash in its name', { sequences: X, 'a/b~c': 1 }, '/a~1b~0c'],

    ['two forms at once', { sequences: X, query: X, key: X, value: X }, '/query'],
    ['query alone', { query: X }, '/key'],
    ['no value', { query: X, key: X }, '/value'],
    ['context alone', { context: X }, '/context'],
    ['context beside query', { query: X, key: X, value: X, context: X }, '/context'],
    ['weights beside query', { query: X, key: X, value: X, weights: W }, '/weights'],

    ['sequences as text', { sequences: 'x' }, '/sequences'],
    ['sequences as a number', { sequences: 1 }, '/sequences'],
    ['sequences as null', { sequences: null }, '/sequences'],
    ['no tokens', { sequences: [] }, '/sequences'],
    ['a token without numbers', { sequences: [[]] }, '/sequences/0'],
    ['a batch with an empty sequence', { sequences: [[[1]], []] }, '/sequences/1'],
    ['rank 1', { sequences: [1, 2] }, '/sequences'],
    ['rank 4', { sequences: [[[[1]]]] }, '/sequences/0/0/0'],
    ['a short row (threat 78)', { sequences: [[1, 2], [3]] }, '/sequences/1'],
    ['a long row (threat 78)', { sequences: [[1, 2], [3, 4, 5]] }, '/sequences/1'],
    ['a short row in a batch (threat 78)', { sequences: [[[1, 2]], [[1, 2], [3]]] }, '/sequences/1/1'],
    ['sequences of different widths (threat 78)', { sequences: [[[1, 2]], [[1]]] }, null],
    ['a list among numbers', { sequences: [[1, [2]]] }, '/sequences/0/1'],
    ['a number among lists', { sequences: [[1], 2] }, '/sequences/1'],
    ['text among numbers', { sequences: [[1, '2']] }, '/sequences/0/1'],
    ['true among numbers', { sequences: [[1, true]] }, '/sequences/0/1'],
    ['null among numbers', { sequences: [[1, null]] }, '/sequences/0/1'],
    ['NaN as text', { sequences: [['NaN']] }, '/sequences/0/0'],
    ['infinity as text', { sequences: [['Infinity']] }, '/sequences/0/0'],
    ['a number outside float32', '{"sequences": [[1, 1e39]]}', '/sequences/0/1'],
    ['a number outside float64', '{"sequences": [[-1e400]]}', '/sequences/0/0'],
    ['an exponent beyond counting', '{"sequences": [[1e999999999999]]}', '/sequences/0/0'],

    ['context of another batch', { sequences: [X, X], context: [X] }, '/context'],
    ['context of another rank', { sequences: [X], context: X }, '/context'],
    ['context of another width, no weights', { sequences: X, context: [[1, 2, 3]] }, '/context'],
    ['key of another rank', { query: X, key: [X], value: [X] }, '/key'],
    ['key of another width (threat 79)', { query: X, key: [[1], [2]], value: X }, '/key'],
    ['value of another length (threat 79)', { query: X, key: X, value: [[1, 2]] }, '/value'],
    ['key of another batch', { query: [X, X], key: [X], value: [X] }, '/key'],
    [
      'key heads that do not divide (threat 79)',
      { query: ones(1, 3, 2, 2), key: ones(1, 2, 2, 2), value: ones(1, 2, 2, 2) },
      '/key',
    ],
    [
      'heads against the rank',
      { query: ones(1, 2, 2, 2), key: ones(1, 2, 2, 2), value: ones(1, 2, 2, 2), heads: 3 },
      '/heads',
    ],

    ['weights as a list', { sequences: X, weights: [] }, '/weights'],
    ['no wv', { sequences: X, weights: { wq: I, wk: I } }, '/weights/wv'],
    ['wq of rank 1', { sequences: X, weights: { ...W, wq: [1, 2] } }, '/weights/wq'],
    ['wq with too few rows (threat 79)', { sequences: X, weights: { ...W, wq: [[1, 0]] } }, '/weights/wq'],
    ['wk of another width than wq', { sequences: X, weights: { ...W, wk: [[1], [2]] } }, '/weights/wk'],
    ['wo with too many rows', { sequences: X, weights: { ...W, wo: ones(3, 2) } }, '/weights/wo'],
    ['bq too long', { sequences: X, weights: { ...W, bq: [1, 2, 3] } }, '/weights/bq'],
    ['bo too short', { sequences: X, weights: { ...W, wo: I, bo: [1] } }, '/weights/bo'],
    ['bo without wo', { sequences: X, weights: { ...W, bo: [1, 2] } }, '/weights/bo'],
    ['a ragged matrix (threat 78)', { sequences: X, weights: { ...W, wv: [[1, 2], [3]] } }, '/weights/wv/1'],
    ['text in a bias', { sequences: X, weights: { ...W, bk: [1, 'x'] } }, '/weights/bk/1'],

    ['no heads', { sequences: X, heads: 0 }, '/heads'],
    ['half a head', { sequences: X, heads: 1.5 }, '/heads'],
    ['minus one head', { sequences: X, heads: -1 }, '/heads'],
    ['heads as text', { sequences: X, heads: '2' }, '/heads'],
    ['heads as true', { sequences: X, heads: true }, '/heads'],
    ['heads as null', { sequences: X, heads: null }, '/heads'],
    ['key heads beyond 2^53', '{"sequences": [[1]], "kv_heads": 9007199254740993}', '/kv_heads'],
    [
      'a seed beyond 2^53',
      '{"sequences": [[1]], "dropout": {"rate": 0.5, "seed": 9007199254740993}}',
      '/dropout/seed',
    ],
    [
      'a seed of a method beyond 2^53',
      '{"sequences": [[1]], "method": {"name": "performer", "features": 2, "seed": 9007199254740993}}',
      '/method/seed',
    ],
    [
      'a window beyond 2^53',
      '{"sequences": [[1]], "window": {"left": 9007199254740994}}',
      '/window/left',
    ],
    ['heads that do not divide the width (threat 79)', { sequences: [[1, 2, 3]], heads: 2 }, '/heads'],
    [
      'key heads that do not divide the heads',
      {
        sequences: ones(2, 4),
        heads: 4,
        kv_heads: 3,
        weights: { wq: ones(4, 4), wk: ones(4, 3), wv: ones(4, 3) },
      },
      '/kv_heads',
    ],
    ['fewer key heads without weights', { sequences: ones(2, 4), heads: 4, kv_heads: 2 }, '/kv_heads'],

    ['scale as text', { sequences: X, scale: '1' }, '/scale'],
    ['scale outside float32', '{"sequences": [[1]], "scale": 1e39}', '/scale'],
    ['scale 0', { sequences: X, scale: 0 }, '/scale'],
    ['causal as a number', { sequences: X, causal: 1 }, '/causal'],
    ['causal as text', { sequences: X, causal: 'true' }, '/causal'],
    ['another align', { sequences: X, align: 'center' }, '/align'],
    ['align as a number', { sequences: X, align: 0 }, '/align'],

    ['mask as true', { sequences: X, mask: true }, '/mask'],
    ['an empty mask', { sequences: X, mask: [] }, '/mask'],
    ['a mask of rank 5', { sequences: X, mask: [[[[[true]]]]] }, '/mask/0/0/0/0'],
    ['a mask with too many rows (threat 80)', { sequences: X, mask: ones(3, 2) }, '/mask'],
    ['a mask with too many columns (threat 80)', { sequences: X, mask: ones(2, 3) }, '/mask'],
    ['a mask for more heads (threat 80)', { sequences: X, mask: ones(3, 2, 2) }, '/mask'],
    [
      'a mask of a batch where heads belong',
      { sequences: [X, X, X], heads: 2, mask: ones(3, 2, 2) },
      '/mask',
    ],
    ['booleans and numbers mixed', { sequences: X, mask: [[true, 0]] }, '/mask/0/1'],
    ['numbers and booleans mixed', { sequences: X, mask: [[0, true]] }, '/mask/0/1'],
    ['plus infinity in a mask', { sequences: X, mask: [[0, 'Infinity']] }, '/mask/0/1'],
    ['a ragged mask (threat 78)', { sequences: X, mask: [[true, true], [true]] }, '/mask/1'],

    ['another kind of maps', { sequences: X, maps: 'all' }, '/maps'],
    ['maps that do not exist', { sequences: X, maps: 'top' }, '/maps'],
    ['the largest of each row, without how many', { sequences: X, maps: 'top_k' }, '/top_k'],
    ['a part of the answer of a later release', { sequences: X, return: ['rollout'] }, '/return/0'],
    ['maps as a list', { sequences: X, maps: ['heads'] }, '/maps'],
    ['a map of a head that is not there', { sequences: X, map_heads: [1] }, '/map_heads/0'],
    ['a map of head -1', { sequences: X, map_heads: [-1] }, '/map_heads/0'],
    ['a map twice', { sequences: X, heads: 2, map_heads: [0, 0] }, '/map_heads/1'],
    ['no map at all', { sequences: X, map_heads: [] }, '/map_heads'],
    ['map_heads as a number', { sequences: X, map_heads: 0 }, '/map_heads'],
    ['precision 0', { sequences: X, precision: 0 }, '/precision'],
    ['precision 10', { sequences: X, precision: 10 }, '/precision'],
    ['precision 1.5', { sequences: X, precision: 1.5 }, '/precision'],
    ['another tensor format', { sequences: X, tensor_format: 'hex' }, '/tensor_format'],
    ['return as text', { sequences: X, return: 'lse' }, '/return'],
    ['return of something unknown', { sequences: X, return: ['lse', 'weights'] }, '/return/1'],
    ['return of the same twice', { sequences: X, return: ['lse', 'lse'] }, '/return/1'],
    ['a label of 257 bytes', { sequences: X, labels: ['x'.repeat(257)] }, '/labels/0'],
    ['labels as text', { sequences: X, labels: 'ab' }, '/labels'],
    ['a label that is a number', { sequences: X, labels: ['a', 1] }, '/labels/1'],
    ['no time', { sequences: X, timeout_ms: 0 }, '/timeout_ms'],
    ['negative time', { sequences: X, timeout_ms: -5 }, '/timeout_ms'],
    ['time as text', { sequences: X, timeout_ms: '1s' }, '/timeout_ms'],
    ['an id with a blank', { sequences: X, id: 'a b' }, '/id'],
    ['an empty id', { sequences: X, id: '' }, '/id'],
    ['an id of 129 characters', { sequences: X, id: 'x'.repeat(129) }, '/id'],
    ['an id that is a number', { sequences: X, id: 7 }, '/id'],

    ['an unknown dtype', { sequences: { ...toBase64(X), dtype: 'f8' } }, '/sequences/dtype'],
    ['no dtype', { sequences: { shape: [1, 1], data: 'AACAPw==' } }, '/sequences'],
    ['no shape', { sequences: { dtype: 'f32', data: 'AACAPw==' } }, '/sequences'],
    ['no data', { sequences: { dtype: 'f32', shape: [1, 1] } }, '/sequences'],
    ['a shape with 0', { sequences: { ...toBase64(X), shape: [0, 2] } }, '/sequences/shape/0'],
    ['a negative shape', { sequences: { ...toBase64(X), shape: [2, -2] } }, '/sequences/shape/1'],
    ['half a row', { sequences: { ...toBase64(X), shape: [2, 1.5] } }, '/sequences/shape/1'],
    ['a shape of text', { sequences: { ...toBase64(X), shape: '2x2' } }, '/sequences/shape'],
    ['rank 0', { sequences: { ...toBase64(X), shape: [] } }, '/sequences/shape'],
    ['rank 1 in base64', { sequences: { ...toBase64(X), shape: [4] } }, '/sequences/shape'],
    ['fewer bytes than the shape says', { sequences: { ...toBase64(X), shape: [2, 3] } }, '/sequences/data'],
    ['more bytes than the shape says', { sequences: { ...toBase64(X), shape: [1, 2] } }, '/sequences/data'],
    ['not base64', { sequences: { dtype: 'f32', shape: [1, 1], data: 'AAC*Pw==' } }, '/sequences/data'],
    [
      'base64 without padding',
      { sequences: { dtype: 'f32', shape: [1, 1], data: 'AACAPw' } },
      '/sequences/data',
    ],
    ['NaN in base64', { sequences: toBase64([[1, NaN]]) }, '/sequences/0/1'],
    ['infinity in base64', { sequences: toBase64([[1, Infinity]]) }, '/sequences/0/1'],
    ['float64 outside float32', { sequences: toBase64([[1e39]], 'f64') }, '/sequences/0/0'],
    ['NaN in a list of base64', { sequences: [X, toBase64([[1, 2], [NaN, 4]])] }, '/sequences/1/1/0'],
    ['NaN in base64 sinks', { sequences: X, heads: 2, sinks: toBase64([1, NaN]) }, '/sinks/1'],
    ['float64 outside float32 in a mask', { sequences: X, mask: toBase64([[0, -1e39]], 'f64') }, '/mask/0/1'],
    ['plus infinity in a base64 mask', { sequences: X, mask: toBase64([[0, Infinity]]) }, '/mask/0/1'],
    ['NaN in a base64 mask', { sequences: X, mask: toBase64([[0, NaN]]) }, '/mask/0/1'],
    [
      'the other base64 alphabet',
      { sequences: { dtype: 'f32', shape: [1, 1], data: 'AACA_w==' } },
      '/sequences/data',
    ],
    [
      'base64 with a line break',
      { sequences: { dtype: 'f32', shape: [1, 1], data: 'AACA\nPw==' } },
      '/sequences/data',
    ],
    [
      'bits behind the last byte',
      { sequences: { dtype: 'f32', shape: [1, 1], data: 'AACAPx==' } },
      '/sequences/data',
    ],
    ['rank 3 in a list of base64', { sequences: [toBase64([X])] }, '/sequences/0/shape'],
    ['a boolean after null in a mask', { sequences: X, mask: [null, true] }, '/mask/1'],
    ['null after a boolean in a mask', { sequences: X, mask: [true, null] }, '/mask/1'],
    ['map_heads beside a mean', { sequences: X, maps: 'mean', map_heads: [0] }, '/map_heads'],
    [
      'a bool that is 2',
      { sequences: X, mask: { dtype: 'bool', shape: [1, 2], data: 'AQI=' } },
      '/mask/0/1',
    ],

    ['scores outside float32', { sequences: [[3e38]] }, null],
    [
      'projections outside float32',
      { sequences: [[3e38]], weights: { wq: [[9]], wk: [[1]], wv: [[1]] } },
      null,
    ],
  ];
  for (const [name, body, at] of cases)
    test(name, () => refuses(body, 422, 'invalid-input', at ?? undefined));

  test('a typo is told what was probably meant', async () => {
    const { json } = await refuses({ sequences: X, kv_head: 1 }, 422, 'invalid-input', '/kv_head');
    assert.match(json.detail, /kv_heads/);
  });

  test('a message quotes little of what was sent, and nothing raw', async () => {
    const name = '\u0007<script>' + 'y'.repeat(900);
    const { text } = await refuses({ sequences: X, [name]: 1 }, 422, 'invalid-input');
    assert.ok(text.length < 2000);
    assert.doesNotMatch(text, /\u0007/);
  });
});

describe('a limit names itself, the figure and the setting', () => {
  const cases = [
    ['batch', { sequences: ones(5, 1, 1) }, /has 5 .*4 .*max_batch/],
    ['tokens', { sequences: ones(65, 1) }, /has 65 .*64 .*max_tokens/],
    ['tokens of a context', { sequences: ones(1, 1), context: ones(65, 1) }, /has 65 .*64 .*max_tokens/],
    ['width', { sequences: ones(1, 33) }, /has 33 .*32 .*max_width/],
    ['heads', { sequences: ones(1, 9), heads: 9 }, /9.*max_heads.*8/],
    ['heads beyond 2^53', '{"sequences":[[1]],"heads":18014398509481984}', /than 9007199254740992.*max_heads.*8/],
    ['heads beyond 64 bits', '{"sequences":[[1]],"heads":18446744073709551617}', /max_heads.*8/],
    [
      'heads of rank 4',
      { query: ones(1, 9, 1, 1), key: ones(1, 9, 1, 1), value: ones(1, 9, 1, 1) },
      /9.*max_heads.*8/,
    ],
    ['labels', { sequences: X, labels: Array(65).fill('x') }, /64.*max_tokens|max_tokens.*64/],
    ['maps', { sequences: ones(64, 2), heads: 2 }, /8192.*max_map_numbers.*5000/],
    ['answer', { sequences: ones(64, 32), maps: 'none', return: ['projections'] }, /answer_limit/],
    [
      'a base64 shape',
      { sequences: { dtype: 'f32', shape: [1000000, 1000000], data: '' } },
      /max_tokens|max_width/,
    ],
    [
      'a base64 shape beyond 64 bits',
      { sequences: { dtype: 'f32', shape: [4294967296, 4294967296], data: '' } },
      /max_tokens|max_width/,
    ],
  ];
  for (const [name, body, says] of cases)
    test(name, async () => {
      const { json } = await refuses(body, 413, 'too-large');
      assert.match(json.detail, says);
    });

  test('exactly at every limit it is computed', async () => {
    for (const body of [
      { sequences: ones(4, 1, 1) },
      { sequences: ones(64, 1) },
      { sequences: ones(1, 32) },
      { sequences: ones(1, 8), heads: 8 },
      { sequences: ones(50, 2), heads: 2 },
    ])
      await compute(service, body);
  });

  test('the body, by Content-Length', async () => {
    const at = 65536;
    const body = (length) => {
      const text = JSON.stringify({ sequences: [[1]] });
      return text + ' '.repeat(length - text.length);
    };
    await compute(service, body(at - 1));
    await compute(service, body(at));
    const { json } = await refuses(body(at + 1), 413, 'too-large');
    assert.match(json.detail, /65537.*body_limit.*65536|body_limit/);
  });

  test('the body, chunked', async () => {
    const body = JSON.stringify({ sequences: [[1]] }) + ' '.repeat(70000);
    const answer = await attention(service, body, { 'Transfer-Encoding': 'chunked' });
    assertProblem(answer, 413, 'too-large');
    const small = await attention(service, { sequences: [[1]] }, { 'Transfer-Encoding': 'chunked' });
    assert.equal(small.status, 200);
  });

  test('a body over the limit is refused before it is sent (threat 7)', async () => {
    const head = 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
    const answer = await raw(service, `${head}Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n`);
    assertProblem(answer, 413, 'too-large');
    assert.equal(answer.interim, 0);
    assert.ok(answer.closed);
  });
});

describe('what is not JSON is 400 and says where', () => {
  const cases = [
    ['{"sequences": [[1]]', 1, 20, 19],
    ['{"sequences": [[1}}', 1, 18, 17],
    ['{"sequences": [[1]],}', 1, 21, 20],
    ['{"sequences": [[1]]} x', 1, 22, 21],
    ['{"sequences": [[01]]}', 1, 18, 17],
    ['{"sequences": [[+1]]}', 1, 17, 16],
    ['{"sequences": [[.5]]}', 1, 17, 16],
    ['{"sequences": [[NaN]]}', 1, 17, 16],
    ["{'sequences': [[1]]}", 1, 2, 1],
    ['{sequences: [[1]]}', 1, 2, 1],
    ['{\n "sequences":\n  [[1, ]]}', 3, 8, 23],
    ['{"sequences": [[1]] /* why */}', 1, 21, 20],
    ['\ufeff{"sequences": [[1]]}', 1, 1, 0],
    ['{"sequences": [[1]], "id": "\u0001"}', 1, 29, 28],
    ['{"sequences": [[1]], "id": "\\x"}', 1, 29, 28],
    ['nothing', 1, 2, 1],
  ];
  for (const [body, line, column, offset] of cases)
    test(JSON.stringify(body), async () => {
      const { json } = await refuses(body, 400, 'invalid-json');
      const place = new RegExp(`line ${line}\\b.*column ${column}\\b.*byte (offset )?${offset}\\b`);
      assert.match(json.detail, place);
    });

  const more = {
    'a duplicate member': '{"sequences": [[1]], "heads": 1, "heads": 1}',
    'a duplicate member, escaped': '{"sequences": [[1]], "heads": 1, "he\\u0061ds": 1}',
    'a duplicate member inside an unknown one': '{"x": {"a": 1, "a": 1}}',
    '129 members': JSON.stringify(Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`a${i}`, 1]))),
    'a duplicate member inside weights': '{"sequences": [[1]], "weights": {"wq": [[1]], "wq": [[1]]}}',
    'nesting of 17': `{"sequences": ${'['.repeat(17)}1${']'.repeat(17)}}`,
    'nesting of 20,000': '['.repeat(20000),
    'bytes that are not UTF-8': Buffer.from('{"id": "\xff", "sequences": [[1]]}', 'latin1'),
    'a lone surrogate': '{"sequences": [[1]], "id": "\\ud800"}',
    'an overlong encoding': Buffer.from('{"id": "\xc0\xaf"}', 'latin1'),
    'UTF-16': Buffer.from('{"sequences": [[1]]}', 'utf16le'),
    'a zero byte': Buffer.from('{"sequences": [[1\0]]}'),
    'a zero byte at the end': Buffer.from('{"sequences": [[1]]}\0'),
    'a number of 2,000 digits': `{"sequences": [[${'1'.repeat(2000)}]]}`,
    'two documents': '{"sequences": [[1]]}{"sequences": [[1]]}',
    'wrong input that is then cut off': '{"sequences": "x", "heads": ',
  };
  for (const [name, body] of Object.entries(more)) test(name, () => refuses(body, 400, 'invalid-json'));

  for (const body of ['[]', '1', '"x"', 'null', 'true'])
    test(`a document that is no object: ${body}`, async () => {
      const { json } = await refuses(body, 422, 'invalid-input', '');
      assert.match(json.detail, /^must be an object, not (an?|null)/);
    });

  for (const body of ['[1,', '[] x', 'nul', '"x', '1.', '[[1]]]'])
    test(`no document at all: ${body}`, () => refuses(body, 400, 'invalid-json'));

  test('an empty body', () => refuses('', 400, 'empty-body'));
  test('a body of blanks', () => refuses(' \n\t ', 400, 'empty-body'));

  test('every truncation of a good body', async () => {
    const good = JSON.stringify({
      sequences: [[1, -2.5e1]],
      causal: true,
      id: 'a\\u00e9',
      mask: [[null]],
    }).replace('\\\\', '\\');
    for (let length = 1; length < good.length; length++)
      assertProblem(await attention(service, good.slice(0, length)), 400, 'invalid-json');
  });
});

describe('the wrong verb, path or type', () => {
  const allowed = {
    '/v1/attention': ['POST', 'OPTIONS'],
    '/v1/info': ['GET', 'HEAD', 'OPTIONS'],
    '/livez': ['GET', 'HEAD', 'OPTIONS'],
    '/readyz': ['GET', 'HEAD', 'OPTIONS'],
    '/metrics': ['GET', 'HEAD', 'OPTIONS'],
    '/metrics/requests': ['GET', 'HEAD', 'OPTIONS'],
    '/openapi.yaml': ['GET', 'HEAD', 'OPTIONS'],
    '/openapi.json': ['GET', 'HEAD', 'OPTIONS'],
  };
  const allow = (answer) => answer.headers.allow.split(/, */).sort();
  for (const [path, verbs] of Object.entries(allowed)) {
    test(`OPTIONS ${path} names the verbs`, async () => {
      const answer = await request(service, 'OPTIONS', path);
      assert.equal(answer.status, 204);
      assert.deepEqual(allow(answer), [...verbs].sort());
    });
    test(`other verbs on ${path} are 405`, async () => {
      for (const verb of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'].filter(
        (v) => !verbs.includes(v)
      )) {
        const body = verb === 'POST' || verb === 'PUT' || verb === 'PATCH' ? '{}' : undefined;
        const answer = await request(service, verb, path, { body });
        assert.equal(answer.status, 405, verb);
        assert.deepEqual(allow(answer), [...verbs].sort());
        if (verb !== 'HEAD') assertProblem(answer, 405, 'method-not-allowed');
      }
    });
  }

  for (const path of Object.keys(allowed).filter((p) => p !== '/v1/attention'))
    test(`HEAD ${path} has the head of GET`, async () => {
      const [head, whole] = [await request(service, 'HEAD', path), await get(service, path)];
      assert.equal(head.status, whole.status);
      assert.equal(head.headers['content-type'], whole.headers['content-type']);
      assert.ok(head.headers['content-length'] > 0);
    });

  for (const path of [
    '/',
    '/v1',
    '/v1/',
    '/v1/attention/',
    '/V1/attention',
    '/v1/models',
    '/v1/models/x',
    '/v1/models/x/encode',
    '/v2',
    '/v2/health/ready',
    '/favicon.ico',
    '/etc/passwd',
    '//v1/attention',
    '/metrics/',
    '/v1/attention2',
  ])
    test(`${path} is 404`, async () => {
      assertProblem(await get(service, path), 404, 'not-found');
      assertProblem(await request(service, 'POST', path, { body: '{}' }), 404, 'not-found');
    });

  for (const path of [
    '/v1/../v1/info',
    '/v1/%69nfo',
    '/v1/info%00',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/v1\\info',
    '/%zz',
  ])
    test(`${path} reaches nothing (threat 36)`, async () => {
      const answer = await get(service, path);
      assert.ok([400, 404].includes(answer.status), `${answer.status}`);
    });

  test('an unknown verb is 501 (threat 39)', async () => {
    assertProblem(await request(service, 'BREW', '/v1/attention'), 501, 'not-implemented');
  });

  const types = [
    null,
    'text/plain',
    'text/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'application/json; charset=latin1',
    'text/json',
  ];
  // threats 41 and 42
  for (const type of types)
    test(`Content-Type ${type} is 415 and names curl --json (threats 41, 42)`, async () => {
      const answer = await attention(service, '{"sequences": [[1]]}', { 'Content-Type': type });
      assertProblem(answer, 415, 'unsupported-media-type');
      assert.match(answer.json.detail, /curl --json/);
    });

  for (const type of [
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
  ])
    test(`Content-Type ${type} is fine`, () =>
      compute(service, { sequences: [[1]] }, { 'Content-Type': type }));

  // threat 44
  for (const coding of ['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'x'])
    test(`Content-Encoding ${coding} is 415 (threat 44)`, async () => {
      const answer = await attention(service, '{"sequences": [[1]]}', { 'Content-Encoding': coding });
      assertProblem(answer, 415, 'unsupported-media-type');
      assert.equal(answer.headers['accept-encoding'], 'identity');
    });

  test('Content-Encoding identity is fine', () =>
    compute(service, { sequences: [[1]] }, { 'Content-Encoding': 'identity' }));

  // threat 43
  for (const accept of ['image/png', 'text/html', 'application/json;q=0', 'application/xml, image/*'])
    test(`Accept ${accept} is 406 (threat 43)`, async () => {
      assertProblem(
        await attention(service, { sequences: [[1]] }, { Accept: accept }),
        406,
        'not-acceptable'
      );
    });

  test('Accept is read where GET has it, too', async () => {
    assertProblem(await get(service, '/v1/info', { Accept: 'text/html' }), 406, 'not-acceptable');
    assert.equal((await get(service, '/v1/info', { Accept: 'application/*' })).status, 200);
  });

  for (const limit of ['0', '-1', 'x', '1.5', '', '1001', '65536', '99999999999999999999'])
    test(`/metrics/requests?limit=${limit} is 400`, async () => {
      assertProblem(await get(service, `/metrics/requests?limit=${limit}`), 400, 'bad-request');
    });
});

describe('Expect: 100-continue', () => {
  const head = (fields, expect = '100-continue') =>
    `POST /v1/attention HTTP/1.1\r\nHost: a\r\n${fields}Expect: ${expect}\r\n\r\n`;
  const json = 'Content-Type: application/json\r\n';
  const refusals = {
    'a wrong type': [
      head('Content-Type: text/xml\r\nContent-Length: 100\r\n'),
      415,
      'unsupported-media-type',
    ],
    'a coding': [
      head(`${json}Content-Encoding: gzip\r\nContent-Length: 100\r\n`),
      415,
      'unsupported-media-type',
    ],
    'an answer nobody has': [
      head(`${json}Accept: image/png\r\nContent-Length: 100\r\n`),
      406,
      'not-acceptable',
    ],
    // threat 7
    'too long a body': [head(`${json}Content-Length: 1000000\r\n`), 413, 'too-large'],
    // threat 40
    'another expectation': [
      head(`${json}Content-Length: 10\r\n`, 'tea'),
      417,
      'expectation-failed',
    ],
  };
  for (const [name, [bytes, status, slug]] of Object.entries(refusals))
    test(`${name} is refused without the body`, async () => {
      const answer = await raw(service, bytes);
      assertProblem(answer, status, slug);
      assert.equal(answer.interim, 0);
    });

  test('an unknown path is refused without the body', async () => {
    const bytes = 'POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n';
    const answer = await raw(service, bytes, { path: '/nowhere' });
    assertProblem(answer, 404, 'not-found');
    assert.equal(answer.interim, 0);
  });

  test('what can be done is continued', async () => {
    const answer = await compute(service, { sequences: [[1]] }, { Expect: '100-continue' });
    assert.equal(answer.interim, 1);
  });

  test('another expectation is 417 (threat 40)', async () => {
    assertProblem(
      await attention(service, { sequences: [[1]] }, { Expect: '200-maybe' }),
      417,
      'expectation-failed'
    );
  });
});

describe('HTTP that is not well-formed', () => {
  const body = '{"sequences": [[1]]}';
  const post = (...fields) =>
    `POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${fields.map((f) => `${f}\r\n`).join('')}\r\n`;
  const cases = {
    'no length (threat 13)': [post(), 411, 'length-required'],
    'a length and chunks (threat 1)': [
      post('Content-Length: 20', 'Transfer-Encoding: chunked') + `14\r\n${body}\r\n0\r\n\r\n`,
      400,
      'bad-request',
    ],
    'two lengths (threat 2)': [post('Content-Length: 20', 'Content-Length: 20') + body, 400, 'bad-request'],
    'an unknown transfer coding (threat 8)': [post('Transfer-Encoding: gzip') + body, 501, 'not-implemented'],
    'two hosts (threat 31)': [post('Host: b', 'Content-Length: 20') + body, 400, 'bad-request'],
    'two different lengths (threat 3)': [post('Content-Length: 3', 'Content-Length: 20') + body, 400, 'bad-request'],
    'a length beyond 63 bits (threat 6)': [post('Content-Length: 9223372036854775808') + body, 413, 'too-large'],
    'a coding before chunked (threat 9)': [post('Transfer-Encoding: gzip, chunked') + body, 501, 'not-implemented'],
    'two transfer codings (threat 10)': [
      post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + body,
      400,
      'bad-request',
    ],
    'chunks in HTTP/1.0 (threat 12)': [
      post('Transfer-Encoding: chunked').replace('1.1', '1.0') + `14\r\n${body}\r\n0\r\n\r\n`,
      400,
      'bad-request',
    ],
    'too many fields (threat 34)': [post(...Array(70).fill('X: y'), 'Content-Length: 20') + body, 431, 'too-large'],
    'too long a field (threat 34)': [post(`X: ${'y'.repeat(20000)}`, 'Content-Length: 20') + body, 431, 'too-large'],
  };
  for (const [name, [bytes, status, slug]] of Object.entries(cases))
    test(`${name} is ${status}, and the connection is closed`, async () => {
      const answer = await raw(service, bytes);
      assertProblem(answer, status, slug);
      assert.ok(answer.closed);
      assert.equal(answer.headers.connection, 'close');
    });

  test('too long a target is 414 (threat 35)', async () => {
    assertProblem(await get(service, `/${'x'.repeat(9000)}`), 414, 'too-large');
  });

  test('a body may come in chunks of a byte, and a request in bytes', async () => {
    const chunks = [...body].map((c) => `1\r\n${c}\r\n`).join('');
    const head = post('Transfer-Encoding: chunked', 'Connection: close');
    const answer = await raw(service, head + chunks + '0\r\nX-Trailer: 1\r\n\r\n', { sent: body });
    assert.equal(answer.status, 200);
  });

  test('requests that come at once are answered in their order (threat 24)', async () => {
    const ids = ['one', 'two', 'three'];
    const requests = ids.map(
      (id) => post(`X-Request-Id: ${id}`, 'Content-Length: 19', ...(id === 'three' ? ['Connection: close'] : [])) + '{"sequences":[[1]]}'
    );
    const answer = await raw(service, requests.join(''), { sent: body });
    const following = [...`${answer.after}`.matchAll(/X-Request-Id: (\w+)/g)].map((match) => match[1]);
    assert.deepEqual([answer.headers['x-request-id'], ...following], ids);
  });

  test('a body that stops coming is closed at its deadline (threat 14)', async () => {
    const answer = await raw(service, post('Content-Length: 20') + '{"seq', { silenceMs: 4000 });
    assert.ok(answer.closed);
    if (answer.status) assertProblem(answer, 408, 'request-timeout');
    await compute(service, { sequences: [[1]] });
  });
});

test('after all that, a good request is still answered', async () => {
  const r = generator(9);
  await compute(service, { sequences: r.tensor(8, 8), heads: 2 });
});
