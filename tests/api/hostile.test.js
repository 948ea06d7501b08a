// Texts and numbers made to be misread, to cost more than they weigh, or to come out as no
// number; each is called what it is, and the next request is answered as if nothing had been.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { connections, fetchAnswer } from './support/client.js';
import { toBase64 } from './support/numbers.js';
import { sanitized, start } from './support/service.js';

const agent = connections(1);
let service;
before(async () => (service = await start(['--workers', '2'])));
after(async () => {
  agent.destroy();
  await service.stop();
});

const good = '{"sequences":[[1,2],[3,4]],"precision":6}';
let expected;
const send = (body) =>
  fetchAnswer(
    service,
    agent,
    'POST',
    '/v1/attention',
    typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body,
  );

async function answered(body) {
  const answer = await send(body);
  const { outputs, attention_maps } = (await send(good)).json;
  expected ??= { outputs, attention_maps };
  assert.deepEqual({ outputs, attention_maps }, expected);
  return answer;
}

const place = /^line [1-9]\d*, column [1-9]\d* \(byte \d+\): ./;
async function refused(body, status, slug, says, pointer) {
  const { status: got, json, body: bytes } = await answered(body);
  assert.equal(got, status, bytes.subarray(0, 400).toString());
  assert.equal(json.type, `urn:attentiond:problem:${slug}`);
  if (says) assert.match(json.detail, says);
  if (slug === 'invalid-json') assert.match(json.detail, place);
  if (pointer !== undefined) assert.equal(json.errors[0].pointer, pointer, json.detail);
  assert.ok(bytes.length < 1500, 'little of what was sent is in the answer');
  return json;
}

const bytes = (...parts) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
const notJson = {
  'blanks only (threat 51)': [],
  'trailing data, and zero bytes (threat 53)': [
    '{"sequences":[[1]]} x',
    '{"sequences":[[1]]}{',
    '{"sequences":[[1]]}]',
    '{"sequences":[[1]]},',
    '{"sequences":[[1]]}{"sequences":[[1]]}',
    '{"sequences":[[1\0]]}',
    '{"sequences":[[1]\0]}',
    '{"sequences":[[1]]\0}',
    '{"sequences":[[1]]}\0',
    '\0{"sequences":[[1]]}',
    '{"seq\0uences":[[1]]}',
    '{"id":"a\0","sequences":[[1]]}',
    '{"sequences":[[1]],"causal":true\0}',
    '\0',
  ],
  'what JavaScript would allow (threat 54)': [
    '{"sequences":[[1]] // why\n}',
    '{"sequences":[[1]] /* why */}',
    '# why\n{"sequences":[[1]]}',
    '{"sequences":[[1]],}',
    '{"sequences":[[1,]]}',
    '{"sequences":[[1],]}',
    '{"sequences":[[,1]]}',
    '{"sequences":[[1,,2]]}',
    "{'sequences':[[1]]}",
    '{sequences:[[1]]}',
    '{"sequences":[[1]],"id":`a`}',
    '{"sequences":[[1]];"heads":1}',
    '{"sequences"=[[1]]}',
    '({"sequences":[[1]]})',
    '{"sequences":[[undefined]]}',
    '{"sequences":[[TRUE]]}',
    '{"sequences":[[1]]"heads":1}',
    '{"sequences":[[1][2]]}',
  ],
  'other encodings (threat 55)': [
    '\ufeff{"sequences":[[1]]}',
    Buffer.from('{"sequences":[[1]]}', 'utf16le'),
    Buffer.from('\ufeff{"sequences":[[1]]}', 'utf16le'),
    Buffer.from('{"sequences":[[1]]}', 'utf16le').swap16(),
    Buffer.from('\ufeff{"sequences":[[1]]}', 'utf16le').swap16(),
    bytes([0, 0, 0, 0x7b, 0, 0, 0, 0x7d]),
    bytes([0xff, 0xfe]),
  ],
  'bytes that are no UTF-8 (threat 56)': [
    [0xff],
    [0x80],
    [0xc0, 0xaf],
    [0xc1, 0xbf],
    [0xc3],
    [0xe0, 0x9f, 0xbf],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xed, 0xbf, 0xbf],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf8, 0x88, 0x80, 0x80, 0x80],
    [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80],
    [0xf0, 0x9f, 0x98],
  ].flatMap((wrong) => [
    bytes('{"sequences":[[1]],"labels":["', wrong, '"]}'),
    bytes('{"sequences":[[1]],"', wrong, '":1}'),
    bytes('{"sequences":[[1', wrong, ']]}'),
  ]),
  'halves of surrogate pairs (threat 56)': [
    '\\ud800',
    '\\udc00',
    '\\ud800\\ud800',
    '\\udc00\\ud800',
    '\\ud800x',
    '\\ud83d\\u0041',
  ].map((escape) => `{"sequences":[[1]],"labels":["${escape}"]}`),
  'controls and escapes (threat 57)': [
    ...Array.from(
      { length: 32 },
      (_, code) => `{"sequences":[[1]],"labels":["${String.fromCharCode(code)}"]}`,
    ),
    ...['\\x41', '\\a', '\\', '\\u12', '\\u12g4', '\\U0041', "\\'", '\\0', '\\\n'].map(
      (escape) => `{"labels":["${escape}"]}`,
    ),
    '{"sequences":[[1]],"a\tb":1}',
    '{"sequences":[[1\v]]}',
    '{"sequences":[[1\f]]}',
    '{"sequences":[[1\u00a0]]}',
    '{"sequences":[[1\u2028]]}',
  ],
  'nesting (threat 58)': [17, 2049, 100000].flatMap((depth) => [
    '['.repeat(depth),
    '{"a":'.repeat(depth),
    `{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`,
    `{"x":${'{"a":'.repeat(depth - 1)}1${'}'.repeat(depth)}`,
    `{"sequences":${'['.repeat(depth - 1)}1${']'.repeat(depth - 1)}}`,
    `{"sequences":[[1]],"mask":${'[{"a":'.repeat(depth / 2)}`,
  ]),
  'the same member twice (threat 59)': [
    '{"sequences":[[1]],"sequences":[[1]]}',
    '{"sequences":[[1]],"heads":1,"heads":1}',
    '{"sequences":[[1]],"heads":1,"h\\u0065ads":1}',
    '{"sequences":[[1]],"\\u0061":1,"a":1}',
    '{"sequences":[[1]],"":1,"":2}',
    '{"x":{"a":1,"\\u0061":2}}',
    '{"x":[{"a":{"b":1,"c":2,"b":3}}]}',
    '{"sequences":{"dtype":"f32","shape":[1,1],"data":"AACAPw==","dtype":"f32"}}',
    '{"sequences":[[1]],"method":{"name":"top_k","k":1,"\\u006b":1}}',
  ],
  'what is no number (threat 64)': [
    ...'NaN -NaN nan Infinity -Infinity inf +1 +0 .5 -.5 1. 1.e1 -1. 01 -01 00 -00 0x10 0X1 0b1 1e 1e+ 1e- 1E 1ee1 1e1.5 1.2.3 --1 +-1 - -- 1_000 1,5. 1f 1.5f 1L １ ٣ ½ ∞ 1/2 (1) $1'
      .split(' ')
      .map((number) => `{"sequences":[[${number}]]}`),
    '{"sequences":[[1 2]]}',
    '{"sequences":[[1e 5]]}',
    '{"sequences":[[- 1]]}',
  ],
};

describe('what is not JSON is 400, with line, column and byte', () => {
  test('nothing, and blanks only (threat 51)', async () => {
    for (const body of ['', ' ', '\n', ' \t\r\n '.repeat(1000)]) await refused(body, 400, 'empty-body');
  });
  for (const [name, bodies] of Object.entries(notJson).slice(1))
    test(name, async () => {
      for (const body of bodies) await refused(body, 400, 'invalid-json');
    });

  test('a document that is no object is JSON, and 422 for the whole (threat 62)', async () => {
    const documents = ['[]', '[[[1]]]', '1', '-0', '"x"', 'null', 'true', 'false', '[{"sequences":[[1]]}]', ' "a" '];
    for (const body of documents)
      await refused(body, 422, 'invalid-input', /^must be an object, not (an?|null)/, '');
    for (const body of documents) await refused(`${body} x`, 400, 'invalid-json', /expected the end/);
  });

  test('and an object of 16 levels is read (threat 58)', () =>
    refused(`{"x":${'['.repeat(15)}${']'.repeat(15)}}`, 422, 'invalid-input', /unknown member/, '/x'));
});

describe('texts that cost no more than they weigh', () => {
  // Milliseconds for a text of some megabyte; what is quadratic in it takes minutes.
  const soon = sanitized ? 20000 : 2000;
  const quickly = async (body, status, slug, says) => {
    const begun = Date.now();
    await refused(body, status, slug, says);
    assert.ok(Date.now() - begun < soon, `${Date.now() - begun} ms`);
  };
  const mega = 1 << 20;

  test('a key of a megabyte, plain, escaped and unfinished (threat 60)', async () => {
    const long = /a name is longer than 1024 bytes/;
    await quickly(`{"${'n'.repeat(mega)}":1}`, 400, 'invalid-json', long);
    await quickly(`{"${'\\u0061'.repeat(mega / 6)}":1}`, 400, 'invalid-json', long);
    await quickly(`{"${'n'.repeat(mega)}`, 400, 'invalid-json', long);
    await quickly(
      `{"sequences":[[1]],"weights":{"${'\\\\'.repeat(mega / 2)}":1}}`,
      400,
      'invalid-json',
      long,
    );
  });

  test('a hundred thousand keys (threat 60)', async () => {
    const keys = Array.from({ length: 100000 }, (_, i) => `"k${i}":${i}`).join();
    await quickly(`{${keys}}`, 400, 'invalid-json', /an object has more than 128 members/);
    await quickly(`{"x":{${keys}}}`, 400, 'invalid-json', /an object has more than 128 members/);
  });

  // Pairs of blocks that lead the hash (FNV-1a, 32 bits) from one state to one other.
  function collisions(count) {
    const hash = (text, state) => {
      for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
      return state;
    };
    let names = [''];
    for (let state = 2166136261 | 0; names.length < count;) {
      for (const seen = new Map(), n = { at: 0 }; ; n.at++) {
        const block = (n.at + 46656).toString(36);
        const next = hash(block, state);
        if (seen.has(next)) {
          names = names.flatMap((name) => [name + seen.get(next), name + block]);
          state = next;
          break;
        }
        seen.set(next, block);
      }
    }
    return names.slice(0, count);
  }

  test('keys with the same hash (threat 60)', async () => {
    const object = `{${collisions(128).map((name) => `"${name}":0`)}}`;
    await quickly(
      `{"x":[${Array(Math.floor(mega / object.length)).fill(object)}]}`,
      422,
      'invalid-input',
      /unknown member/,
    );
    const twice = object.replace(/}$/, `,"${collisions(1)[0]}":0}`);
    await quickly(`{"x":${twice}}`, 400, 'invalid-json');
  });

  test('a number of a hundred thousand digits, wherever they stand (threat 68)', async () => {
    const digits = '1'.repeat(100000);
    for (const number of [
      digits,
      `0.${digits}`,
      `-${digits}`,
      `1e${digits}`,
      `1e-${digits}`,
      `1e${'0'.repeat(100000)}`,
      `0.${'0'.repeat(100000)}`,
    ])
      for (const body of [
        `{"sequences":[[${number}]]}`,
        `{"heads":${number}}`,
        `{"x":${number}}`,
        `{"sequences":[[1,2,3,${number}]]}`,
      ])
        await quickly(body, 400, 'invalid-json', /a number is longer than 1024 characters/);
  });

  const memory = (what) =>
    Number(
      new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))[1],
    ) / 1024;

  test('ten million objects (threat 63)', async () => {
    await send(good);
    const before = memory('VmRSS');
    await quickly(`{"sequences":[${'{},'.repeat(5 * mega)}{}`, 400, 'invalid-json');
    await quickly(`{"sequences":[${'{},'.repeat(5 * mega)}{}]}`, 422, 'invalid-input');
    await quickly(`{"x":[${'[],'.repeat(5 * mega)}[]]}`, 422, 'invalid-input', /unknown member/);
    await quickly(`${'{},'.repeat(5 * mega)}{}`, 400, 'invalid-json');
    await refused('{},'.repeat(10000000), 413, 'too-large', /body_limit/);
    if (!sanitized) {
      // The body is held twice while it grows; a tree of it would take 400 MiB.
      assert.ok(memory('VmHWM') - before < 96, `${before} MiB, then ${memory('VmHWM')} MiB`);
    }
  });
});

describe('numbers at the ends of what there is', () => {
  const value = (number) => `{"query":[[0]],"key":[[0]],"value":[[${number}]],"return":["projections"]}`;
  const outputs = async (number) => {
    const answer = await answered(value(number));
    assert.equal(answer.status, 200, `${number}: ${answer.body}`);
    return /"outputs":\[\[(.*?)\]\]/.exec(answer.body.toString())[1];
  };

  test('beyond float32 or float64 (threats 65, 66, 69)', async () => {
    for (const number of '1e39 -1e39 3.4028235677973367e38 340282356779733661637539395458142568448 1e308 1e400 -1e400 1e999999999999 -1e999999999999 1e18446744073709551616'.split(
      ' ',
    ))
      await refused(value(number), 422, 'invalid-input', /is outside the range of float32/, '/value/0/0');
    await refused(
      `{"sequences":[[1]],"timeout_ms":1e400}`,
      422,
      'invalid-input',
      /outside the range of float64/,
      '/timeout_ms',
    );
    await refused(
      `{"sequences":[[1]],"scale":1e39}`,
      422,
      'invalid-input',
      /outside the range of float32/,
      '/scale',
    );
    await refused(
      `{"sequences":[[1]],"mask":[[1e39]]}`,
      422,
      'invalid-input',
      /outside the range of float32/,
      '/mask/0/0',
    );
    await refused(
      { sequences: toBase64([[1e39]], 'f64') },
      422,
      'invalid-input',
      /outside the range of float32/,
      '/sequences/0/0',
    );
    await refused(
      { sequences: [[1]], mask: toBase64([[-1e39]], 'f64') },
      422,
      'invalid-input',
      /outside the range of float32/,
      '/mask/0/0',
    );
  });

  test('the largest, and the smallest there are (threats 66, 67, 69)', async () => {
    const cases = {
      '3.4028235e38': '3.4028235e38',
      '3.4028235677973366e38': '3.4028235e38',
      '340282356779733661637539395458142568447': '3.4028235e38',
      '-3.4028234663852886e38': '-3.4028235e38',
      '1e-400': '0',
      '1e-999999999999': '0',
      '0e999999999999': '0',
      '1e-46': '0',
      '7.006492321624085e-46': '0',
      '7.0064923216240862e-46': '1e-45',
      '1e-45': '1e-45',
      '1e-40': '1e-40',
      '1.17549435e-38': '1.1754944e-38',
    };
    for (const [number, want] of Object.entries(cases)) assert.equal(await outputs(number), want, number);
  });

  test('the sign of nothing is kept (threat 71)', async () => {
    for (const number of ['-0', '-0.0', '-0e5', '-1e-400']) {
      const { body } = await answered(`{"sequences":[[${number}]],"return":["projections"]}`);
      assert.match(body.toString(), /"value":\[\[\[-0\]\]\]/, number);
    }
  });

  test('2^63 is a number, and no size (threats 70, 72)', async () => {
    assert.equal(await outputs('9223372036854775808'), '9.223372e18');
    for (const n of ['9223372036854775808', '1.5', '"4"', 'true', 'null', '[]', '{}']) {
      await refused(
        `{"sequences":{"dtype":"f32","shape":[${n},1],"data":"AACAPw=="}}`,
        422,
        'invalid-input',
        null,
        '/sequences/shape/0',
      );
      await refused(`{"sequences":[[1]],"kv_heads":${n}}`, 422, 'invalid-input', null, '/kv_heads');
    }
    await refused('{"sequences":[[1]],"heads":9223372036854775808}', 413, 'too-large', /max_heads/, '/heads');
  });

  test('no token, and fewer (threat 73)', async () => {
    for (const n of [0, -1])
      await refused(
        { sequences: { dtype: 'f32', shape: [n, 1], data: '' } },
        422,
        'invalid-input',
        null,
        '/sequences/shape/0',
      );
    await refused({ sequences: [] }, 422, 'invalid-input', null, '/sequences');
    await refused({ sequences: [[]] }, 422, 'invalid-input', null, '/sequences/0');
  });

  test('text where numbers belong (threat 61)', async () => {
    const X = [[1]];
    const cases = [
      [{ sequences: [['1']] }, '/sequences/0/0'],
      [{ sequences: [[1, '2']] }, '/sequences/0/1'],
      [{ sequences: '1' }, '/sequences'],
      [{ query: X, key: X, value: [['1']] }, '/value/0/0'],
      [{ sequences: X, weights: { wq: [['1']], wk: X, wv: X } }, '/weights/wq/0/0'],
      [{ sequences: X, mask: [['0']] }, '/mask/0/0'],
      [{ sequences: X, heads: '1' }, '/heads'],
      [{ sequences: X, scale: '1' }, '/scale'],
      [{ sequences: X, key_lengths: ['1'] }, '/key_lengths/0'],
      [{ sequences: X, past: { key: [[['1']]], value: [[[1]]] } }, '/past/key/0/0/0'],
      [{ sequences: X, method: { name: 'top_k', k: '1' } }, '/method/k'],
      [{ sequences: X, timeout_ms: '1' }, '/timeout_ms'],
    ];
    for (const [body, at] of cases) await refused(body, 422, 'invalid-input', /must be (a|an|true)/, at);
  });

  const finite = (answer) => {
    assert.doesNotMatch(answer.body.toString(), /NaN|Infinity|null/);
    return answer.json;
  };

  test('equal scores as large as they can be (threat 74)', async () => {
    for (const x of [1e19, -1e19, 1.8e19]) {
      const { attention_maps, outputs } = finite(await answered({ sequences: [[x], [x], [x], [x]] }));
      assert.deepEqual(attention_maps.flat(2), Array(16).fill(0.25));
      assert.ok(outputs.every(([y]) => Math.abs(y / x - 1) < 1e-6));
    }
    for (const body of [
      { sequences: [[1e20], [1e20]] },
      {
        sequences: [
          [1e20, -1e20],
          [1e20, 1e20],
        ],
      },
      { sequences: [[3e38]], scale: 3e38 },
    ]) {
      const answer = await answered(body);
      if (answer.status === 200) finite(answer);
      else assert.equal(answer.json.type, 'urn:attentiond:problem:invalid-input');
    }
  });

  test('a row that sees nothing is zeros (threat 75)', async () => {
    const masks = [
      [
        [false, false],
        [true, true],
      ],
      [
        [null, null],
        [0, 0],
      ],
      [
        ['-Infinity', '-Infinity'],
        [0, 0],
      ],
    ];
    for (const mask of masks) {
      const { outputs, attention_maps } = finite(await answered({ sequences: [[1], [2]], mask }));
      assert.deepEqual([outputs[0], attention_maps[0][0]], [[0], [0, 0]]);
      assert.ok(outputs[1][0] > 1);
    }
    const { outputs } = finite(await answered({ sequences: [[1], [2]], key_lengths: 0 }));
    assert.deepEqual(outputs, [[0], [0]]);
  });

  test('a scale or a cap that makes no numbers (threat 76)', async () => {
    for (const [member, of] of [
      ['scale', [0, '0', 'NaN', null, -0]],
      ['softcap', [0, -1, 'NaN', null]],
    ])
      for (const wrong of of)
        await refused({ sequences: [[1]], [member]: wrong }, 422, 'invalid-input', null, `/${member}`);
    for (const scale of ['1e-46', '1e39'])
      await refused(`{"sequences":[[1]],"scale":${scale}}`, 422, 'invalid-input', null, '/scale');
    for (const scale of [1e38, -1e38, 1e-45]) {
      const answer = await answered({ sequences: [[1e3], [-1e3]], scale });
      if (answer.status === 200) finite(answer);
      else assert.equal(answer.status, 422);
    }
    finite(await answered({ sequences: [[1e10], [-1e10]], softcap: 1e-45 }));
    finite(await answered({ sequences: [[1e10], [-1e10]], softcap: 3e38 }));
  });

  test('an answer that leaves float32 is refused (threat 77)', async () => {
    const big = [[3e38]];
    const one = [[1]];
    const cases = [
      { sequences: big },
      { sequences: one, weights: { wq: big, wk: big, wv: one } },
      { sequences: [[3e38]], weights: { wq: [[1e-38]], wk: [[1e-38]], wv: [[9]] } },
      { sequences: one, weights: { wq: one, wk: one, wv: big, wo: [[9]] } },
      { sequences: one, weights: { wq: one, wk: one, wv: big, bv: [3e38] } },
      {
        sequences: [[3e38, 3e38]],
        rope: { positions: [1] },
        weights: {
          wq: [
            [1, 0],
            [0, 1],
          ],
          wk: [
            [1, 0],
            [0, 1],
          ],
          wv: [[0], [0]],
        },
      },
      { sequences: [[1e20], [1e20]], method: { name: 'linear' } },
      { sequences: [[3e38], [3e38]], method: { name: 'linear', rule: 'linear' } },
      { sequences: [[1e30], [1e30]], method: { name: 'nystrom', landmarks: 1 } },
      { sequences: [[1e30], [1e30]], method: { name: 'performer', features: 4 } },
      { sequences: [[3e38], [3e38]], method: { name: 'linformer', rank: 1 } },
    ];
    for (const body of cases) {
      const answer = await answered(body);
      assert.ok([200, 422].includes(answer.status), answer.body.toString());
      if (answer.status === 200) finite(answer);
      else assert.match(answer.json.detail, /float32/);
    }
    for (const body of cases.slice(0, 5)) assert.equal((await answered(body)).status, 422);
  });

  test('zero bytes that are escaped are characters', async () => {
    const { json } = await answered('{"sequences":[[1]],"labels":["a\\u0000b"]}');
    assert.deepEqual(json.labels, ['a\0b']);
    await refused('{"sequences":[[1]],"heads\\u0000":1}', 422, 'invalid-input', null, '/heads?');
    await refused('{"sequences":[[1]],"id":"a\\u0000"}', 422, 'invalid-input', null, '/id');
    await refused('{"sequences":[[1]],"align":"top_left\\u0000"}', 422, 'invalid-input', null, '/align');
    await refused(
      '{"sequences":{"dtype":"f32\\u0000","shape":[1,1],"data":"AACAPw=="}}',
      422,
      'invalid-input',
      null,
      '/sequences/dtype',
    );
    await refused(
      '{"sequences":{"dtype":"f32","shape":[1,1],"data":"AACA\\u0000w=="}}',
      422,
      'invalid-input',
      null,
      '/sequences/data',
    );
    await refused(
      '{"sequences":[[1]],"mask":[["-Infinity\\u0000"]]}',
      422,
      'invalid-input',
      null,
      '/mask/0/0',
    );
    const drawn = await fetchAnswer(
      service,
      agent,
      'POST',
      '/v1/attention',
      '{"sequences":[[1]],"labels":["a\\u0000\\u001b[31mb"]}',
      { Accept: 'text/plain' },
    );
    assert.doesNotMatch(drawn.body.toString(), /[\0\u001b]/);
  });
});
