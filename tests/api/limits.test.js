// Every limit, one below it, at it and one beyond, and every product of sizes where it leaves
// 31, 32, 53, 63 or 64 bits: the exact status and type, and for a limit its figure and setting.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connections, fetchAnswer, get, raw } from './support/client.js';
import { build, toBase64 } from './support/numbers.js';
import { series } from './support/observe.js';
import { start, until } from './support/service.js';

const agent = connections(4);
const once = connections(1, false); // a service that is stopped waits for no connection
after(() => agent.destroy());

const ones = (...shape) => build(shape, () => 1);
const text = (body) => (typeof body === 'string' ? body : JSON.stringify(body));
const send = (service, body, by = agent) => fetchAnswer(service, by, 'POST', '/v1/attention', text(body));
const slugs = { 400: 'invalid-json', 413: 'too-large', 422: 'invalid-input', 503: 'out-of-memory' };

function check(answer, status, pointer, says) {
  const what = answer.body.subarray(0, 500).toString();
  assert.equal(answer.status, status, what);
  if (status === 200) return;
  assert.equal(answer.json.type, `urn:attentiond:problem:${slugs[status]}`, what);
  if (pointer !== undefined) assert.equal(answer.json.errors?.[0].pointer ?? '', pointer, what);
  if (says) assert.match(answer.json.detail, says, what);
}

// A batch of sequences of these lengths.
const lengths = (...all) => all.map((length) => ones(length, 1));
const packed = (shape, dtype = 'f32', data = '') => ({ dtype, shape, data });
const nested = (depth) => `{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
const named = (count) =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, 1])));

// Limit, its setting, what is refused beyond it, and a body for a figure. `below`, `at` and
// `beyond`: statuses that are not 200, 200 and 413.
const small = {
  max_batch: 4,
  max_tokens: 16,
  max_width: 8,
  max_heads: 4,
  max_map_numbers: 60,
  json_depth: 8,
};
const four = { sequences: ones(4, 1, 1) };
const linear = (n, more) => ({ sequences: ones(n, 1), method: { name: 'linear', ...more } });
const limits = [
  ['max_batch', '/sequences', (n) => ({ sequences: ones(n, 1, 1) })],
  ['max_batch', '/sequences', (n) => ({ sequences: lengths(1, ...Array(n - 1).fill(2)) })],
  ['max_batch', '/sequences/shape/0', (n) => ({ sequences: toBase64(ones(n, 1, 1)) })],
  ['max_batch', '/sequences', (n) => ({ sequences: Array(n).fill(toBase64(ones(1, 1))) })],
  ['max_batch', '/query', (n) => ({ query: ones(n, 1, 1), key: ones(n, 1, 1), value: ones(n, 1, 1) })],
  ['max_batch', '/key_lengths', (n) => ({ ...four, key_lengths: Array(n).fill(1) }), { below: 422 }],
  ['max_batch', '/mask', (n) => ({ ...four, mask: ones(n, 1, 1, 1) }), { below: 422 }],
  [
    'max_batch',
    '/rope/positions',
    (n) => ({
      query: ones(4, 1, 2),
      key: ones(4, 1, 2),
      value: ones(4, 1, 2),
      rope: { positions: ones(n, 1) },
    }),
    { below: 422 },
  ],
  [
    'max_batch',
    '/past/key',
    (n) => ({ ...four, past: { key: ones(n, 1, 1, 1), value: ones(n, 1, 1, 1) } }),
    { below: 422 },
  ],
  [
    'max_batch',
    '/method/beta',
    (n) => ({ ...four, method: { name: 'linear', rule: 'delta', beta: ones(n, 1, 1) } }),
    { below: 422 },
  ],
  [
    'max_batch',
    '/method/state',
    (n) => ({ ...four, method: { name: 'linear', rule: 'linear', state: ones(n, 1, 1, 1) } }),
    { below: 422 },
  ],

  ['max_tokens', '/sequences', (n) => ({ sequences: ones(n, 1), maps: 'none' })],
  ['max_tokens', '/sequences/0', (n) => ({ sequences: ones(1, n, 1), maps: 'none' })],
  ['max_tokens', '/sequences/shape/0', (n) => ({ sequences: toBase64(ones(n, 1)), maps: 'none' })],
  ['max_tokens', '/context', (n) => ({ sequences: [[1]], context: ones(n, 1) })],
  ['max_tokens', '/query', (n) => ({ query: ones(n, 1), key: [[1]], value: [[1]] })],
  ['max_tokens', '/key', (n) => ({ query: [[1]], key: ones(n, 1), value: ones(n, 1) })],
  [
    'max_tokens',
    '/mask',
    (n) => ({ sequences: ones(16, 1), maps: 'none', mask: ones(n, 16) }),
    { below: 422 },
  ],
  ['max_tokens', '/mask/0', (n) => ({ sequences: ones(16, 1), maps: 'none', mask: ones(1, n) })],
  [
    'max_tokens',
    '/past/key',
    (n) => ({ sequences: [[1]], past: { key: ones(1, n - 1, 1), value: ones(1, n - 1, 1) } }),
  ],
  [
    'max_tokens',
    '/past/key/0',
    (n) => ({ sequences: [[1]], past: { key: ones(1, n, 1), value: ones(1, n, 1) } }),
    { at: 413, atPointer: '/past/key' },
  ],
  [
    'max_tokens',
    '/rope/positions',
    (n) => ({ sequences: ones(16, 2), maps: 'none', rope: { positions: ones(n) } }),
    { below: 422 },
  ],
  [
    'max_tokens',
    '/method/decay',
    (n) => ({ ...linear(16, { rule: 'gated', decay: ones(n, 1) }) }),
    { below: 422 },
  ],
  [
    'max_tokens',
    '/method/e',
    (n) => ({
      sequences: ones(16, 1),
      maps: 'none',
      method: { name: 'linformer', e: ones(n, 16), f: ones(n, 16) },
    }),
  ],
  [
    'max_tokens',
    '/method/global',
    (n) => ({
      sequences: ones(16, 1),
      maps: 'none',
      method: { name: 'longformer', global: [...Array(n).keys()] },
    }),
  ],
  ['max_tokens', '/labels', (n) => ({ sequences: ones(16, 1), maps: 'none', labels: Array(n).fill('x') })],

  ['max_width', '/sequences/0', (n) => ({ sequences: ones(1, n) })],
  ['max_width', '/sequences/shape/1', (n) => ({ sequences: toBase64(ones(1, n)) })],
  ['max_width', '/query', (n) => ({ query: ones(1, n), key: ones(1, n), value: [[1]] })],
  ['max_width', '/value', (n) => ({ query: [[1]], key: [[1]], value: ones(1, n) })],
  [
    'max_width',
    '/weights/wq/0',
    (n) => ({ sequences: [[1]], weights: { wq: ones(1, n), wk: ones(1, n), wv: [[1]] } }),
  ],
  [
    'max_width',
    '/weights/wo/0',
    (n) => ({ sequences: [[1]], weights: { wq: [[1]], wk: [[1]], wv: [[1]], wo: ones(1, n) } }),
  ],
  [
    'max_width',
    '/weights/wq',
    (n) => ({ sequences: ones(1, 8), weights: { wq: ones(n, 1), wk: ones(n, 1), wv: ones(n, 1) } }),
    { below: 422 },
  ],
  [
    'max_width',
    '/weights/bq',
    (n) => ({ sequences: [[1]], weights: { wq: ones(1, 8), wk: ones(1, 8), wv: [[1]], bq: ones(n) } }),
    { below: 422 },
  ],
  [
    'max_width',
    '/past/key/0/0',
    (n) => ({ sequences: ones(1, 8), past: { key: ones(1, 1, n), value: ones(1, 1, n) } }),
    { below: 422 },
  ],
  [
    'max_width',
    '/method/state/0',
    (n) => ({ sequences: ones(1, 8), method: { name: 'linear', rule: 'linear', state: ones(1, n, n) } }),
    { below: 422, pointer: '/method/state/0/0' },
  ],

  ['max_heads', '/heads', (n) => ({ sequences: ones(1, n), heads: n })],
  [
    'max_heads',
    '/query',
    (n) => ({ query: ones(1, n, 1, 1), key: ones(1, n, 1, 1), value: ones(1, n, 1, 1) }),
  ],
  ['max_heads', '/alibi', (n) => ({ sequences: ones(1, 4), heads: 4, alibi: ones(n) }), { below: 422 }],
  ['max_heads', '/sinks', (n) => ({ sequences: ones(1, 4), heads: 4, sinks: ones(n) }), { below: 422 }],
  [
    'max_heads',
    '/sinks/shape/0',
    (n) => ({ sequences: ones(1, 4), heads: 4, sinks: toBase64(ones(n)) }),
    { below: 422, pointer: '/sinks' },
  ],
  ['max_heads', '/map_heads', (n) => ({ sequences: ones(1, 4), heads: 4, map_heads: [...Array(n).keys()] })],
  ['max_heads', '/mask', (n) => ({ sequences: ones(1, 4), heads: 4, mask: ones(n, 1, 1) }), { below: 422 }],
  [
    'max_heads',
    '/past/key',
    (n) => ({ sequences: ones(1, 4), heads: 4, past: { key: ones(n, 1, 1), value: ones(n, 1, 1) } }),
    { below: 422 },
  ],

  [
    'max_map_numbers',
    '',
    (n) => ({ sequences: { 59: lengths(7, 3, 1), 60: lengths(6, 4, 2, 2), 61: lengths(6, 5) }[n] }),
  ],
  [
    'max_map_numbers',
    '',
    (n) => ({
      sequences: { 59: lengths(7, 3, 1), 60: lengths(6, 4, 2, 2), 61: lengths(6, 5) }[n],
      maps: 'mean',
    }),
  ],
  [
    'max_map_numbers',
    '',
    (n) => ({ sequences: { 59: ones(14, 1), 60: ones(15, 1), 61: ones(16, 1) }[n], maps: 'top_k', top_k: 2 }),
    { figure: 64 },
  ],
  [
    'max_map_numbers',
    '/method/layout/columns',
    (n) => ({
      sequences: ones(16, 1),
      maps: 'none',
      method: {
        name: 'block_sparse',
        block: 1,
        layout: { row_starts: [0, n, ...Array(15).fill(n)], columns: Array(n).fill(0) },
      },
    }),
    { below: 422, at: 422 },
  ],
];

describe('a limit of the request: one below, at, and one beyond', () => {
  let service;
  before(async () => {
    const flags = Object.entries(small).flatMap(([name, value]) => [
      `--${name.replaceAll('_', '-')}`,
      `${value}`,
    ]);
    service = await start(flags);
  });
  after(() => service.stop());

  for (const [setting, pointer, body, differs = {}] of limits)
    test(`${setting} ${pointer}: ${JSON.stringify(body(small[setting])).slice(0, 60)}`, async () => {
      const limit = small[setting];
      check(await send(service, body(limit - 1)), differs.below ?? 200);
      check(await send(service, body(limit)), differs.at ?? 200, differs.atPointer);
      const beyond = await send(service, body(limit + 1));
      const at = beyond.json.errors?.[0].pointer ?? '';
      assert.ok([pointer, differs.pointer].includes(at), beyond.body.toString());
      check(beyond, 413, undefined, new RegExp(`\\b${setting}\\b`));
      for (const figure of [limit, differs.figure ?? limit + 1])
        assert.match(beyond.json.detail, new RegExp(`\\b${figure}\\b`));
    });

  test('rows of all heads together', async () => {
    const grouped = (H, dv) => ({
      sequences: [[1]],
      heads: H,
      kv_heads: 1,
      weights: { wq: ones(1, H), wk: ones(1, 1), wv: ones(1, dv) },
    });
    check(await send(service, grouped(1, 7)), 200);
    check(await send(service, grouped(2, 4)), 200);
    check(await send(service, grouped(3, 3)), 413, '/weights/wv', /3 x 3 .*max_width allows 8/);
  });

  const plain = [
    [
      'json_depth',
      8,
      (n) => nested(n),
      422,
      /^line 1, column 13 \(byte 12\): nested deeper than 8 levels \(json_depth\)$/,
    ],
    [
      'members of an object',
      128,
      named,
      422,
      /^line 1, column \d+ \(byte \d+\): an object has more than 128 members$/,
    ],
    [
      'bytes of a name',
      1024,
      (n) => `{"${'n'.repeat(n)}":1}`,
      422,
      /^line 1, column 2 \(byte 1\): a name is longer than 1024 bytes$/,
    ],
    [
      'characters of a number',
      1024,
      (n) => `{"sequences":[[1.${'0'.repeat(n - 2)}]]}`,
      200,
      /^line 1, column 16 \(byte 15\): a number is longer than 1024 characters$/,
    ],
    [
      'characters of an integer',
      1024,
      (n) => `{"sequences":[[${'0'.repeat(0)}${'1'.repeat(n)}]]}`,
      422,
      /\(byte 15\): a number is longer/,
    ],
  ];
  for (const [name, limit, body, below, says] of plain)
    test(`${name} (threats 58, 60, 68)`, async () => {
      check(await send(service, body(limit - 1)), below);
      check(await send(service, body(limit)), below);
      check(await send(service, body(limit + 1)), 400, undefined, says);
    });

  const ranges = [
    ['precision', 1, 9, (n) => ({ sequences: [[1]], precision: n }), '/precision'],
    [
      'bytes of a label',
      0,
      256,
      (n) => ({ sequences: [[1]], labels: ['x'.repeat(Math.max(n, 0))] }),
      '/labels/0',
    ],
    ['characters of an id', 1, 128, (n) => ({ sequences: [[1]], id: 'x'.repeat(n) }), '/id'],
    [
      'rank',
      1,
      2,
      (n) => ({ sequences: ones(2, 1), method: { name: 'linformer', rank: n } }),
      '/method/rank',
    ],
    [
      'landmarks',
      1,
      2,
      (n) => ({ sequences: ones(2, 1), method: { name: 'nystrom', landmarks: n } }),
      '/method/landmarks',
    ],
    [
      'features',
      1,
      16384,
      (n) => ({ sequences: [[1]], method: { name: 'performer', features: n } }),
      '/method/features',
    ],
    ['k', 1, 2, (n) => ({ sequences: ones(2, 1), method: { name: 'top_k', k: n } }), '/method/k'],
    ['top_k', 1, 2, (n) => ({ sequences: ones(2, 1), maps: 'top_k', top_k: n }), '/top_k'],
    [
      'a head of map_heads',
      0,
      1,
      (n) => ({ sequences: ones(1, 2), heads: 2, map_heads: [n] }),
      '/map_heads/0',
    ],
    ['a key length', 0, 2, (n) => ({ sequences: ones(2, 1), key_lengths: n }), '/key_lengths'],
    ['seed', 0, 2 ** 53, (n) => ({ sequences: [[1]], dropout: { rate: 0.5, seed: n } }), '/dropout/seed', 2],
    [
      'a position',
      0,
      2 ** 53 - 1,
      (n) => ({ sequences: [[1, 1]], rope: { positions: [n] } }),
      '/rope/positions/0',
    ],
    ['dims', 2, 4, (n) => ({ sequences: [[1, 1, 1, 1]], rope: { dims: n } }), '/rope/dims', 2],
  ];
  for (const [name, least, most, body, pointer, step = 1] of ranges)
    test(`${name}, from ${least} to ${most} (threats 72, 73)`, async () => {
      if (name !== 'bytes of a label') check(await send(service, body(least - step)), 422, pointer);
      for (const n of [least, Math.min(least + step, most), most - step, most])
        check(await send(service, body(n)), 200);
      check(await send(service, body(most + step)), 422, pointer);
    });

  test('what is over several limits says one of them, and nothing is computed', async () => {
    check(
      await send(service, { sequences: packed([5, 17, 9]), heads: 5 }),
      413,
      '/sequences/shape/0',
      /max_batch/,
    );
  });
});

describe('a limit of the service', () => {
  const body = '{"sequences": [[1]]}';
  const padded = (length) => body + ' '.repeat(length - body.length);

  test('body_limit, by length and in chunks', async () => {
    const service = await start(['--body-limit', '1024']);
    const chunked = (length) =>
      raw(
        service,
        `POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${length.toString(16)}\r\n${padded(length)}\r\n0\r\n\r\n`,
        { sent: body },
      );
    for (const [length, status] of [
      [1023, 200],
      [1024, 200],
      [1025, 413],
    ]) {
      check(await send(service, padded(length), once), status, '', /1025 .*1024 .*body_limit|body_limit/);
      check(await chunked(length), status, '', /1024 .*body_limit/);
    }
    await service.stop();
  });

  test('a body of 16 MiB - 1, 16 MiB and one more (threat 84)', async () => {
    const service = await start();
    const most = 16 * 1024 * 1024;
    check(await send(service, padded(most - 1), once), 200);
    check(await send(service, padded(most), once), 200);
    check(await send(service, padded(most + 1), once), 413, '', /16777217 .*16777216 .*body_limit/);
    await service.stop();
  });

  test('header_limit, and 64 fields', async () => {
    const service = await start(['--header-limit', '1024']);
    const head = (length, fields = 0) => {
      const first = `POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${'X: y\r\n'.repeat(fields)}`;
      const rest = length ? `P: ${'p'.repeat(length - first.length - 'P: \r\n\r\n'.length)}\r\n` : '';
      return `${first}${rest}\r\n`;
    };
    for (const [length, status] of [
      [1023, 200],
      [1024, 200],
      [1025, 431],
    ]) {
      assert.equal(head(length).length, length);
      const answer = await raw(service, head(length) + body, { sent: body });
      assert.equal(answer.status, status, `${length}: ${answer.text}`);
      if (status === 431) assert.match(answer.json.detail, /header_limit/);
    }
    for (const [fields, status] of [
      [63, 200],
      [64, 200],
      [65, 431],
    ])
      assert.equal(
        (await raw(service, head(0, fields - 4) + body, { sent: body })).status,
        status,
        `${fields} fields`,
      );
    await service.stop();
  });

  // What the largest figure is says a service whose limit is far below it.
  const found = async (setting, least, request, pattern) => {
    const service = await start([`--${setting}`, least]);
    const answer = await send(service, request, once);
    check(answer, 413, '', pattern);
    await service.stop();
    return BigInt(pattern.exec(answer.json.detail)[1]);
  };
  const around = async (setting, figure, request, pattern) => {
    for (const [limit, status] of [
      [figure - 1n, 413],
      [figure, 200],
      [figure + 1n, 200],
    ]) {
      const service = await start([`--${setting}`, `${limit}`]);
      check(await send(service, request, once), status, '', pattern);
      await service.stop();
    }
  };

  test('answer_limit, in both forms (threat 83)', async () => {
    for (const form of ['nested', 'base64']) {
      const request = {
        sequences: ones(20, 3),
        return: ['lse', 'entropy', 'statistics'],
        tensor_format: form,
      };
      const says = /the answer may take (\d+) bytes, at most \d+ are allowed \(answer_limit\)/;
      await around('answer-limit', await found('answer-limit', '1024', request, says), request, says);
    }
  });

  test('queue_work, of one request', async () => {
    const request = { sequences: ones(64, 32), tensor_format: 'base64' };
    const says =
      /the predicted work is (\d+) floating-point operations, at most \d+ are allowed \(queue_work\)/;
    await around('queue-work', await found('queue-work', '1000000', request, says), request, says);
  });

  test('memory_limit: from a length on 503, and the service goes on', async () => {
    const service = await start(['--memory-limit', '1MiB']);
    // A client may know an answer before what that took is given back.
    const sendAlone = async (length) => {
      const answer = await send(service, padded(length), once);
      await until('the memory is given back', async () => (await series(service, 'attentiond_request_memory_bytes'))[0] === 0);
      return answer;
    };
    let [fits, not] = [1024, 2 * 1024 * 1024];
    while (not - fits > 1) {
      const length = Math.floor((fits + not) / 2);
      const answer = await sendAlone(length);
      assert.ok([200, 503].includes(answer.status), `${answer.status}`);
      if (answer.status === 200) fits = length;
      else not = length;
    }
    for (const [length, status] of [
      [fits - 1, 200],
      [fits, 200],
      [not, 503],
    ])
      check(await sendAlone(length), status, '', /\(memory_limit\)/);
    assert.ok(fits > 256 * 1024 && not <= 1024 * 1024, `${fits}`);
    await service.stop();
  });

  test('connection_limit', async () => {
    const service = await start(['--connection-limit', '4']);
    const all = [];
    for (const status of [200, 200, 200, 200, 503]) {
      all.push(connections(1));
      const answer = await fetchAnswer(service, all.at(-1), 'GET', '/readyz');
      assert.equal(answer.status, status, `connection ${all.length}`);
    }
    all.forEach((one) => one.destroy());
    await service.stop();
  });

  test('a size that leaves 64 bits is no setting', async () => {
    for (const [flag, value] of [
      ['--answer-limit', '18446744073709551616'],
      ['--memory-limit', '17179869184GiB'],
      ['--max-tokens', '4294967297'],
      ['--json-depth', '5'],
      ['--json-depth', '65'],
      ['--queue-work', '1000000000000000001'],
    ])
      await assert.rejects(start([flag, value]), /ended \(78\)/, `${flag} ${value}`);
    for (const depth of [6, 64]) await (await start(['--json-depth', `${depth}`])).stop();
  });
});

// With every limit as high as it can be set, so that the products themselves are looked at.
describe('sizes at the border of what can be counted', () => {
  let service;
  before(async () => {
    service = await start(
      '--max-batch 65536 --max-tokens 1048576 --max-width 1048576 --max-heads 4096 --max-map-numbers 17179869184 --answer-limit 16GiB --queue-work 1000000000000000000 --memory-limit 256MiB'.split(
        ' ',
      ),
    );
  });
  after(() => service.stop());
  const sizes = [
    '2147483647',
    '2147483648',
    '4294967295',
    '4294967296',
    '4294967297',
    '9007199254740991',
    '9007199254740992',
  ];
  const beyond = [
    '9223372036854775807',
    '9223372036854775808',
    '18446744073709551615',
    '18446744073709551616',
    '18446744073709551617',
    '1e30',
    '1e300',
    '1e400',
    '-1',
    '-2147483648',
    '-9223372036854775808',
    '0.5',
    '1.5',
    'true',
    'null',
    '"4"',
    '[1]',
    '{}',
  ];

  const shaped = (member, shape, dtype = 'f32') => {
    const tensor = `{"dtype":"${dtype}","shape":[${shape}],"data":""}`;
    const inner = member.split('/').reduceRight((rest, name) => `{"${name}":${rest}}`, tensor);
    return member === 'sequences' ? inner : `{"sequences":[[1]],${inner.slice(1)}`;
  };

  test('an extent of a shape (threats 70, 72, 73, 82)', async () => {
    for (const [axis, of] of [
      [0, (n) => `${n},1`],
      [1, (n) => `1,${n}`],
    ]) {
      for (const n of sizes)
        check(
          await send(service, shaped('sequences', of(n))),
          413,
          `/sequences/shape/${axis}`,
          /max_(tokens|width)/,
        );
      for (const n of [...beyond, '0'])
        check(await send(service, shaped('sequences', of(n))), 422, `/sequences/shape/${axis}`);
    }
  });

  // Nothing of that size is allocated: the text is compared with what it would need.
  const products = [
    ['sequences', '1048576,1048576', 'f64', '/data', /holds 0 bytes, .*needs 8796093022208$/],
    ['sequences', '65536,1048576,1048576', 'f64', '/data', /needs 576460752303423488$/],
    ['mask', '65536,4096,1048576,8192', 'bool', '/data', /needs 2305843009213693952$/],
    ['mask', '65536,4096,1048576,16384', 'bool', '/shape', /more elements than any memory/],
    ['mask', '65536,4096,1048576,1024', 'f64', '/data', /needs 2305843009213693952$/],
    ['mask', '65536,4096,1048576,2048', 'f64', '/shape', /more elements than any memory/],
    ['mask', '65536,4096,1048576,1048576', 'f32', '/shape', /more elements than any memory/],
    ['past/key', '65536,4096,1048576,1048576', 'f32', '/shape', /more elements than any memory/],
    ['query', '1048576,1048576,1048576,1048576', 'f16', '/shape', /more elements than any memory/],
    ['method/state', '65536,4096,1048576,1048576', 'i64', '/shape', /more elements than any memory/],
  ];
  for (const [member, shape, dtype, at, says] of products)
    test(`${member} of shape [${shape}] in ${dtype} (threat 82)`, async () =>
      check(await send(service, shaped(member, shape, dtype)), 422, `/${member}${at}`, says));

  // A member, what is beside it, the status of every size, its pointer.
  const members = [
    ['heads', '{"sequences":[[1]],"heads":N}', 413, '/heads'],
    ['kv_heads', '{"sequences":[[1]],"kv_heads":N}', 422, '/kv_heads'],
    ['precision', '{"sequences":[[1]],"precision":N}', 422, '/precision'],
    ['top_k', '{"sequences":[[1]],"maps":"top_k","top_k":N}', 422, '/top_k'],
    ['map_heads', '{"sequences":[[1]],"map_heads":[N]}', 422, '/map_heads/0'],
    ['key_lengths', '{"sequences":[[1]],"key_lengths":[N]}', 422, '/key_lengths'],
    ['rope.dims', '{"sequences":[[1,1]],"rope":{"dims":N}}', 422, '/rope/dims'],
    ['rope.positions', '{"sequences":[[1,1]],"rope":{"positions":[N]}}', 200, '/rope/positions/0'],
    ['k', '{"sequences":[[1]],"method":{"name":"top_k","k":N}}', 422, '/method/k'],
    ['rank', '{"sequences":[[1]],"maps":"none","method":{"name":"linformer","rank":N}}', 422, '/method/rank'],
    ['landmarks', '{"sequences":[[1]],"method":{"name":"nystrom","landmarks":N}}', 422, '/method/landmarks'],
    ['features', '{"sequences":[[1]],"method":{"name":"performer","features":N}}', 422, '/method/features'],
    ['global', '{"sequences":[[1]],"method":{"name":"longformer","global":[N]}}', 422, '/method/global/0'],
    [
      'row_starts',
      '{"sequences":[[1]],"method":{"name":"block_sparse","block":1,"layout":{"row_starts":[0,N],"columns":[0]}}}',
      422,
      '/method/layout/row_starts/1',
    ],
    [
      'columns',
      '{"sequences":[[1]],"method":{"name":"block_sparse","block":1,"layout":{"row_starts":[0,1],"columns":[N]}}}',
      422,
      '/method/layout/columns/0',
    ],
    ['window.left', '{"sequences":[[1],[2]],"window":{"left":N}}', 200, '/window/left'],
    ['window.right', '{"sequences":[[1],[2]],"window":{"right":N}}', 200, '/window/right'],
    [
      'method.window',
      '{"sequences":[[1],[2]],"method":{"name":"longformer","window":N}}',
      200,
      '/method/window',
    ],
    ['block', '{"sequences":[[1],[2]],"method":{"name":"bigbird","block":N}}', 200, '/method/block'],
    [
      'sparse block',
      '{"sequences":[[1],[2]],"method":{"name":"block_sparse","block":N,"layout":{"row_starts":[0,1],"columns":[0]}}}',
      200,
      '/method/block',
    ],
    [
      'random',
      '{"sequences":[[1],[2]],"method":{"name":"bigbird","block":1,"random":N}}',
      200,
      '/method/random',
    ],
    ['seed', '{"sequences":[[1]],"dropout":{"rate":0.5,"seed":N}}', 200, '/dropout/seed'],
    ['timeout_ms', '{"sequences":[[1]],"timeout_ms":N}', 200, '/timeout_ms'],
  ];
  for (const [name, body, status, pointer] of members)
    test(`${name} of 31 to 64 bits, and what is no size (threats 70, 72)`, async () => {
      for (const n of sizes) {
        const last = name === 'rope.positions' && n === '9007199254740992'; // they are below it
        check(await send(service, body.replace('N', n)), last ? 422 : status, pointer);
      }
      const fine = { timeout_ms: /^([0-9.]+|1e30|1e300)$/, 'rope.positions': /^\[1\]$/ }[name];
      const wrong = beyond.filter((n) => !fine?.test(n));
      for (const n of wrong) {
        const { status: got, json } = await send(service, body.replace('N', n));
        const many = name === 'heads' && Number(n) > 1;
        assert.equal(got, many && n !== '1.5' ? 413 : 422, `${n}: ${json?.detail}`);
        assert.ok(json.errors[0].pointer.startsWith(pointer), `${n}: ${json.detail}`);
      }
    });

  // A million tokens in one body, and what they would make of each other.
  const million = { dtype: 'f32', shape: [1048576, 1], data: Buffer.alloc(4 * 1048576).toString('base64') };
  test('queries times keys times heads: 2^40 and 2^52 numbers of maps (threat 82)', async () => {
    const heads = (H) => ({
      sequences: million,
      heads: H,
      kv_heads: 1,
      weights: { wq: toBase64(ones(1, H)), wk: [[1]], wv: [[1]] },
    });
    check(
      await send(service, heads(1)),
      413,
      '',
      /have 1099511627776 numbers, .*max_map_numbers allows 17179869184/,
    );
    check(await send(service, heads(4096)), 413, '', /have 4503599627370496 numbers/);
    check(
      await send(service, { ...heads(4096), maps: 'none' }),
      503,
      '',
      /1048576 .*\(memory_limit\)|\d+ x 4 bytes .*\(memory_limit\)/,
    );
    check(
      await send(service, { ...heads(1), method: { name: 'linformer', rank: 9007199254740992 } }),
      413,
      '',
      /max_map_numbers/,
    );
    check(await send(service, '{"sequences":[[1]]}'), 200);
  });

  test('nothing of this has taken memory for good', async () => {
    const { text: page } = await get(service, '/metrics');
    const resident = Number(/^process_resident_memory_bytes (\S+)$/m.exec(page)[1]);
    assert.ok(resident < 400 * 1024 * 1024, `${resident}`);
  });
});

describe('the same with the settings as they come', () => {
  let service;
  before(async () => (service = await start()));
  after(() => service.stop());
  const cases = [
    [
      'a million tokens declared (threat 81)',
      { sequences: packed([1000000, 1]) },
      '/sequences/shape/0',
      /1000000, at most 8192 .*max_tokens/,
    ],
    [
      'a row of 2^31 (threat 82)',
      { sequences: packed([1, 2147483648]) },
      '/sequences/shape/1',
      /2147483648, at most 4096 .*max_width/,
    ],
    ['2^31 heads', { sequences: [[1]], heads: 2147483648 }, '/heads', /2147483648, .*max_heads allows 128/],
    [
      'a map of a small body, all numbers of it (threat 83)',
      { sequences: toBase64(ones(8192, 1)) },
      '',
      /answer_limit/,
    ],
    [
      'and one number more',
      { sequences: toBase64(ones(8192, 2)), heads: 2 },
      '',
      /134217728 numbers, .*max_map_numbers allows 67108864/,
    ],
  ];
  for (const [name, body, pointer, says] of cases)
    test(name, async () => check(await send(service, body), 413, pointer, says));
});
