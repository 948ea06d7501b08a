// Where a request ends: each message that can be read in two ways is refused once, its
// connection is closed, and nothing hidden in it is executed; bare and behind proxies.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeCertificate } from './support/certificates.js';
import { converse, get } from './support/client.js';
import { missingProxy, proxyNames, startProxy } from './support/proxies.js';
import { sanitized, shared, start, until } from './support/service.js';

const headerMs = sanitized ? 6000 : 3000;
const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
const certificate = makeCertificate(folder, 'framing');
let service, secure;
before(async () => {
  const flags = ['--header-timeout', `${headerMs}ms`, '--body-timeout', '1s', '--request-log-size', '8192'];
  service = await start(flags);
  secure = await start([...flags, ...certificate]);
});
after(async () => {
  await service.stop();
  await secure.stop();
  rmSync(folder, { recursive: true });
});

const bare = () => ({ host: '127.0.0.1', port: service.port });
const overTls = () => ({ host: '127.0.0.1', port: secure.port, ca: readFileSync(secure.certificate) });
const latin = (text) => Buffer.from(text, 'latin1');

// All at once would be more connections than the listener's queue may hold.
async function inParallel(list, one, atOnce = 48) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < list.length) {
      const i = next++;
      results[i] = await one(list[i], i);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

const json = '{"sequences":[[1]]}';
const head = (...fields) =>
  ['POST /v1/attention HTTP/1.1', 'Host: a', 'Content-Type: application/json', ...fields, '', ''].join('\r\n');
const valid = head(`Content-Length: ${json.length}`) + json;
const last = head('Connection: close', `Content-Length: ${json.length}`) + json;
const askedOfAttention = [{ method: 'POST', path: '/v1/attention', sent: json }];

let hidden = 0;
const hiddenRequest = (path = '/livez') =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: hidden-${hidden++}\r\n\r\n`;

// Every request that was executed, refused or not, has a line; one that is hidden inside
// another must have none. A proxy that reads it as a request of its own renames it.
async function assertNothingHidden(of = service) {
  const mark = `mark-${hidden++}`;
  await get(of, '/livez', { 'X-Request-Id': mark });
  await until('the line of the last request', () => of.log.includes(mark));
  assert.deepEqual(of.log.match(/id=hidden-.*/g), null);
}

describe('the corpus', () => {
  const file = `${shared}/corpora/http_framing/cases.jsonl`;
  const skip = existsSync(file) ? false : `skipped: no ${file}`;
  const cases = skip ? [] : readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));

  const generated = {
    'URI 40k': `GET /${'a'.repeat(40000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'header 40k': `GET /v HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40000)}\r\n\r\n`,
    '1000 headers': `GET /v HTTP/1.1\r\nHost: a\r\n${Array.from({ length: 1000 }, (_, i) => `X${i}: 1\r\n`).join('')}\r\n`,
  };
  // Made for a server that has /v for everything, and commands in fields.
  const ours = (text) =>
    text
      .replace(/(^|[\n}])(GET|HEAD)(\s+)\/(v|1|3)(?=[\s?])/g, '$1$2$3/livez')
      .replace(/POST \/(v|2) (HTTP\S*\r\nHost: a\r\n)/g, 'POST /v1/attention $2Content-Type: application/json\r\n');
  // What they say of that server and cannot say of this one.
  const otherwise = { 'early 401 Expect': '408, as the body never comes', 'pipeline 3': '200', 'pipeline 3 w/ suspend': '200' };
  const ended = new Set(['invalid-input', 'empty-body', 'invalid-json']);

  // The bodies are JSON, but no request: what says so has read them as they are.
  const meaning = (answer) =>
    ended.has(answer.json?.type?.replace('urn:attentiond:problem:', '')) ? 200 : answer.status;

  const names = 'threats 1-6, 8-14, 16-18, 22, 23, 26-29, 31-38, 50';
  for (const over of ['a plain connection', 'TLS'])
    test(`each case has the answer that it requires, over ${over} (${names})`, { skip }, async (t) => {
      const tls = over === 'TLS';
      const wrong = [];
      await inParallel(cases, async (one) => {
        const text = ours(generated[one.name] ?? Buffer.from(one.raw_b64, 'base64').toString('latin1'));
        const method = /^\s*([A-Z]+) /.exec(text)?.[1] ?? 'POST';
        const path = /^\s*[A-Z]+ (\/\S*)/.exec(text)?.[1] ?? '/v1/attention';
        const asked = [...text.matchAll(/(?:^|[\n}])(GET|POST) (\/\S*)/g)]
          .map((m) => ({ method: m[1], path: m[2] }))
          .filter(({ path: to }) => to !== '/evil');
        const required = otherwise[one.name] ?? one.required;
        const heard = await converse(tls ? overTls() : bare(), [latin(text)], {
          asked: asked.length > 1 ? asked : [{ method, path }],
          halfClose: one.half_close,
          silenceMs: /deadline|408/.test(required) ? 2500 : 1500,
        });
        const statuses = heard.answers.map(meaning);
        const allowed = [...required.matchAll(/\b[1-5]\d\d\b/g)].map((m) => Number(m[0]));
        const silent = !statuses.length && /(or|\/) close/.test(required);
        const ok =
          silent ||
          (/trailing bytes/.test(required)
            ? `${statuses}` === '200,400'
            : /body discarded/.test(required)
              ? [200, 400].includes(statuses[0]) && statuses.length === 1
              : statuses.every((status) => allowed.includes(status)) && statuses.length === Math.max(1, asked.length));
        const closing = /close/.test(required) ? heard.closed : true;
        if (!ok || !closing) wrong.push(`${one.name}: ${statuses}, closed ${heard.closed}; required: ${required}`);
      });
      assert.deepEqual(wrong, []);
      t.diagnostic(`${cases.length} cases`);
      await assertNothingHidden(tls ? secure : service);
    });
});

// Bytes that no framing may hold, where one parser strips or skips them and another does not.
const oddBytes = [...Array(32).keys(), 0x7f, 0x80, 0x85, 0xa0, 0xff].map((code) => String.fromCharCode(code));
const placed = (text, byte) => [byte + text, text.slice(0, 4) + byte + text.slice(4), text + byte];

// Field lines that say where the body ends, but not in the one way that is allowed. With a
// length beside them, and without.
function obfuscations() {
  const lines = [];
  for (const byte of oddBytes) {
    for (const value of placed('chunked', byte)) lines.push(`Transfer-Encoding: ${value}`);
    for (const name of placed('Transfer-Encoding', byte)) lines.push(`${name}: chunked`);
    for (const name of placed('Content-Length', byte)) lines.push(`${name}: 3`);
    lines.push(`Content-Length: 1${byte}0`);
    if (byte !== '\t') lines.push(`Content-Length: ${byte}3`, `Content-Length: 3${byte}`); // blanks around it are allowed
  }
  const codings = `identity|gzip|deflate, chunked|chunked, chunked|chunked,|,chunked|chunked, identity|"chunked"|'chunked'
    |chunked;q=1|chunked ;a|chunk|xchunked|chunkedx|chunked x|cHuNkEd,|chunked \u00a0|()|chunked/|=chunked|`;
  for (const coding of codings.split(/\n? *\|/)) lines.push(`Transfer-Encoding: ${coding}`);
  for (const length of '3, 3|3 3|+3|-3|0x3|3.0|3e0|03f|3;|"3"|3_0|\u0663||3,|,3|1 0'.split('|'))
    lines.push(`Content-Length: ${latin(length).toString('latin1')}`);
  for (const name of ['Transfer-Encoding ', ' Transfer-Encoding', 'Transfer Encoding', 'X\r\n Transfer-Encoding', 'Transfer-Encoding\r\n '])
    lines.push(`${name}: chunked`);
  lines.push('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 'Transfer-Encoding:\r\n chunked');
  lines.push('Transfer-Encoding: chunked\r\nContent-Length: 3', 'X: y\nTransfer-Encoding: chunked', 'X: y\rTransfer-Encoding: chunked');
  lines.push('Transfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: x', 'Content-Length: 3\r\nContent-Length: 3');
  return lines;
}

// The same request twice: the length covers what is hidden; and chunks that end before it.
function smuggling() {
  const messages = [];
  for (const line of obfuscations()) {
    const body = `0\r\n\r\n${hiddenRequest()}`;
    messages.push(head(`Content-Length: ${body.length}`, line) + body);
    messages.push(head(line) + `0\r\n\r\n${hiddenRequest()}`);
  }
  return messages;
}

test('obfuscated lengths, codings and names are refused once (threats 1-5, 8-11, 29, 32, 33)', async (t) => {
  const messages = smuggling();
  assert.ok(messages.length >= 300);
  const wrong = [];
  await inParallel(messages, async (message) => {
    const heard = await converse(bare(), [latin(message)], { asked: askedOfAttention, silenceMs: headerMs });
    const [first, ...more] = heard.answers;
    const sound =
      [400, 501].includes(first?.status) && !more.length && heard.closed && heard.ms < headerMs && first.headers.connection === 'close';
    if (!sound) wrong.push(`${JSON.stringify(message)}: ${heard.answers.map((a) => a.status)}, closed ${heard.closed}`);
  });
  assert.deepEqual(wrong, []);
  t.diagnostic(`${messages.length} messages`);
  await assertNothingHidden();
});

describe('chunks that can be read in two ways are refused once', () => {
  const chunked = head('Transfer-Encoding: chunked');
  const cases = {
    'signs, prefixes and blanks (threat 17)': ['+7', '-7', '0x7', ' 7', '7 ', '\t7', '7\t', '', '7\u00a0', 'g', '7\0', '7,'].map(
      (size) => `${size}\r\n{"a":1}\r\n0\r\n\r\n`,
    ),
    'sizes beyond 63 bits (threat 17)': ['8000000000000000', 'ffffffffffffffff', '10000000000000000', '0'.repeat(17)].map(
      (size) => `${size}\r\n{"a":1}\r\n0\r\n\r\n`,
    ),
    'ends of lines (threats 18, 28)': [
      '7\n{"a":1}\r\n0\r\n\r\n',
      '7\r\n{"a":1}\n0\r\n\r\n',
      '7\r\n{"a":1}0\r\n\r\n',
      '5\r\n{"a":1}\r\n0\r\n\r\n',
      '7;a\nb\r\n{"a":1}\r\n0\r\n\r\n',
      '7;a\rb\r\n{"a":1}\r\n0\r\n\r\n',
      '7\r\n{"a":1}\r\n0\n\n',
      '7\r\n{"a":1}\r\n0\r\n\n',
    ],
    'trailers that are no fields (threat 22)': ['GET /livez HTTP/1.1\r\nHost: a\r\n\r\n', ' X: y\r\n\r\n', 'X\r\n\r\n', 'X: \0\r\n\r\n'].map(
      (trailer) => `7\r\n{"a":1}\r\n0\r\n${trailer}`,
    ),
    'extensions of a megabyte (threat 20)': [`7;${'x'.repeat(1 << 20)}\r\n{"a":1}\r\n0\r\n\r\n`],
    'extensions of a megabyte, a few bytes a chunk (threat 20)': [`1;${'x'.repeat(1000)}\r\n1\r\n`.repeat(1000) + '0\r\n\r\n'],
  };
  for (const [name, bodies] of Object.entries(cases))
    test(name, async () => {
      await inParallel(bodies, async (body) => {
        const heard = await converse(bare(), [latin(chunked + body + hiddenRequest())], { asked: askedOfAttention });
        assert.equal(heard.answers.length, 1, JSON.stringify(body.slice(0, 100)));
        assert.ok([400, 413].includes(heard.answers[0].status), `${heard.answers[0].status}`);
        assert.ok(heard.closed);
      });
      await assertNothingHidden();
    });

  test('trailers are dropped, whatever they name (threat 22)', async () => {
    const trailers = 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer x\r\nHost: b\r\n';
    const message = `${chunked}${json.length.toString(16)}\r\n${json}\r\n0\r\n${trailers}\r\n`;
    const heard = await converse(bare(), [latin(message + message + last)], { asked: askedOfAttention });
    assert.deepEqual(heard.answers.map((a) => a.status), [200, 200, 200]);
  });
});

describe('one after another on a connection', () => {
  test('a thousand at once are answered in order, and no more (threats 24, 98)', async () => {
    const message = (i) => head(`X-Request-Id: n${i}`, `Content-Length: ${json.length}`) + json;
    const all = Array.from({ length: 1100 }, (_, i) => message(i)).join('');
    const heard = await converse(bare(), [latin(all)], { asked: askedOfAttention, silenceMs: 10000 });
    assert.equal(heard.answers.length, 1000); // connection_requests
    assert.ok(heard.closed);
    heard.answers.forEach((a, i) => {
      assert.equal(a.status, 200);
      assert.equal(a.headers['x-request-id'], `n${i}`);
      assert.equal(a.headers.connection, i === 999 ? 'close' : undefined);
    });
  });

  const unsound = {
    'a bad line': ['GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    'a bad field': [head('Content-Length: 1', 'Content-Length: 1') + '1', 400],
    'another version': ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
    'bad chunks': [`${head('Transfer-Encoding: chunked')}x\r\n`, 400],
    'bytes beyond its length': ['{"a":1}', 400],
  };
  for (const [name, [bytes, status]] of Object.entries(unsound))
    for (const pieces of [[valid, valid, bytes + hiddenRequest()], [valid + valid + bytes + hiddenRequest()]])
      test(`${name} behind two good ones, in ${pieces.length} pieces (threats 16, 25)`, async () => {
        const heard = await converse(bare(), pieces.map(latin), { asked: askedOfAttention, silenceMs: headerMs });
        assert.deepEqual(heard.answers.map((a) => a.status), [200, 200, status]);
        assert.ok(heard.closed);
        await assertNothingHidden();
      });

  test('a request of segments of one byte is answered (threat 30)', async () => {
    const heard = await converse(bare(), [...latin(last)].map((byte) => Buffer.from([byte])), { asked: askedOfAttention });
    assert.deepEqual(heard.answers.map((a) => a.status), [200]);
  });

  test('a refused one of segments of one byte is refused once', async () => {
    const bytes = latin(valid + head('Transfer-Encoding: gzip, chunked') + hiddenRequest());
    const heard = await converse(bare(), [...bytes].map((byte) => Buffer.from([byte])), { asked: askedOfAttention, silenceMs: headerMs });
    assert.deepEqual(heard.answers.map((a) => a.status), [200, 501]);
    assert.ok(heard.closed);
    await assertNothingHidden();
  });
});

test('a refusal is counted, kept and logged as any other', async () => {
  const id = `refused-${hidden++}`;
  const count = async () =>
    Number(/attentiond_rejected_total\{reason="bad-request"\} (\d+)/.exec((await get(service, '/metrics')).text)[1]);
  const earlier = await count();
  const heard = await converse(bare(), [latin(`GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\nA b: c\r\n\r\n`)], {
    asked: [{ method: 'GET', path: '/livez' }],
  });
  assert.equal(heard.answers[0].headers['x-request-id'], id);
  await until('its line', () => new RegExp(`id=${id}.*status=400.*error=bad-request`).test(service.log));
  assert.equal(await count(), earlier + 1);
  const kept = (await get(service, '/metrics/requests?limit=20')).json.requests.find((one) => one.id === id);
  assert.equal(kept.status, 400);
});

describe('the target', () => {
  const cases = {
    'threat 36': [
      ['GET /livez%00', 400],
      ['GET /%zz', 400],
      ['GET /%2e%2e%2flivez', 400],
      ['GET /livez\\', 400],
      ['GET /../livez', 404],
      ['GET //livez', 404],
      ['GET /v1/../livez', 404],
    ],
    'threat 37': [
      ['GET http://example.org/livez', 404],
      ['GET HTTPS://example.org/', 404],
      ['GET https://a/livez', 404], // not what is spoken here
      ['GET http://b@a/livez', 400],
      ['CONNECT http://a/livez', 501],
    ],
    'its own host': [
      ['GET http://a/livez', 200],
      ['HEAD HTTP://A/livez?b=c', 200],
      ['DELETE http://a/livez', 405],
      ['GET http://a', 404],
    ],
    'threat 38': [['GET *', 400], ['POST *', 400], ['OPTIONS *', 204], ['CONNECT a:443', 501], ['CONNECT /livez', 501]],
    'threat 39': [['BREW /livez', 501], ['get /livez', 501], ['DELETE /livez', 405], ['POST /livez', 405]],
  };
  test('may have so many parameters, in so long a head (threats 34, 35)', async () => {
    const ask = async (count, size) => {
      const target = `/livez?${'a&'.repeat(count - 1)}${'b'.repeat(size)}`;
      const fields = `X: ${'y'.repeat(118)}\r\n`.repeat(62) + 'Connection: close\r\n';
      const message = `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
      return (await converse(bare(), [latin(message)], { asked: [{ method: 'GET', path: '/livez' }] })).answers.map((a) => a.status);
    };
    assert.deepEqual(await ask(32, 8000), [200]); // all limits at once
    assert.deepEqual(await ask(33, 1), [414]);
    assert.deepEqual(await ask(4000, 1), [414]);
  });

  for (const [name, list] of Object.entries(cases))
    for (const [start, status] of list)
      test(`${JSON.stringify(start)} is ${status} (${name})`, async () => {
        const [method, target] = start.split(' ');
        const path = target.replace(/^http:\/\/a(?=\/)/i, '').replace(/\?.*/, '');
        const message = `${start} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
        const heard = await converse(bare(), [latin(message)], { asked: [{ method, path }] });
        assert.deepEqual(heard.answers.map((a) => a.status), [status]);
        if (status === 405) assert.match(heard.answers[0].headers.allow, /GET/);
      });
});

describe('fields that ask for something else', () => {
  const ask = async (...fields) => {
    const message = head(...fields, 'Connection: close', `Content-Length: ${json.length}`) + json;
    return (await converse(bare(), [latin(message)], { asked: askedOfAttention })).answers;
  };
  const ignored = {
    'an upgrade to h2c (threat 45)': ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
    'an upgrade to a websocket (threat 45)': ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
    'ranges and conditions (threat 46)': ['Range: bytes=0-1', 'If-None-Match: *', 'If-Match: "x"', 'If-Modified-Since: now'],
  };
  for (const [name, fields] of Object.entries(ignored))
    test(`${name}: a normal answer`, async () => assert.deepEqual((await ask(...fields)).map((a) => a.status), [200]));

  test('cookies, few or many, are nothing', async () => {
    for (const cookie of ['a=b; c=d', 'a;'.repeat(5000), 'a=b; '.repeat(2800), ';;=;"a,b"; =x\u0080'])
      assert.deepEqual((await ask(`Cookie: ${cookie}`)).map((a) => a.status), [200], cookie.slice(0, 20));
  });

  test('ten thousand addresses are bounded by the head, and a few are nothing (threat 47)', async () => {
    assert.equal((await ask(`X-Forwarded-For: ${'10.0.0.1, '.repeat(10000)}`))[0].status, 431);
    assert.equal((await ask(`X-Forwarded-For: ${'10.0.0.1, '.repeat(100)}%0d%0aevent=forged`))[0].status, 200);
    assert.doesNotMatch(service.log, /10\.0\.0\.1|forged/);
  });

  test('an id that is not clean is replaced (threat 48)', async () => {
    for (const id of ['a"b', 'x'.repeat(10000), 'a b', 'a;b', '<a>', '\u00e9'])
      assert.match((await ask(`X-Request-Id: ${id}`))[0].headers['x-request-id'], /^[0-9a-f]{32}$/);
    assert.equal((await ask('X-Request-Id: a\nb'))[0].status, 400);
  });

  test('nothing that was sent comes back as a header (threat 117)', async () => {
    for (const id of ['a\r\nSet-Cookie: x=y', 'a%0d%0aSet-Cookie:%20x=y', 'a\rSet-Cookie: x=y', 'a\u010d\u010aSet-Cookie: x=y'])
      for (const answer of await ask(`X-Request-Id: ${id}`)) assert.ok(!('set-cookie' in answer.headers), JSON.stringify(id));
  });

  const traces = ['00-0-0-00', `00-${'0'.repeat(32)}-${'1'.repeat(16)}-00`, `ff-${'a'.repeat(32)}-${'1'.repeat(16)}-00`, 'x'.repeat(55)];
  test('a malformed traceparent is none (threat 49)', async () => {
    for (const trace of traces) assert.equal((await ask(`traceparent: ${trace}`))[0].status, 200);
    const good = 'b'.repeat(32);
    assert.equal((await ask(`traceparent: 00-${good}-${'1'.repeat(16)}-00`))[0].status, 200);
    await until('the line of the good one', () => service.log.includes(`trace_id=${good}`));
    assert.doesNotMatch(service.log, /trace_id=(?!b{32})/);
  });
});

test('a TLS hello is refused, and its connection closed (threat 27)', async () => {
  const hello = Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), Buffer.alloc(506, 0x41)]);
  const heard = await converse(bare(), [hello], { asked: askedOfAttention, silenceMs: headerMs });
  assert.ok(heard.closed);
});

for (const name of proxyNames)
  describe(`behind ${name}`, { skip: missingProxy(name) }, () => {
    let proxy;
    before(async () => {
      proxy = await startProxy(name, service);
      await until(`${name} sees the service`, async () => {
        const { bytes } = await converse({ path: proxy.path }, [latin('GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')]);
        return bytes.includes(' 200 ');
      });
    });
    after(() => proxy.stop());

    test('what is sound is answered, and nothing that is hidden is executed', async () => {
      const messages = smuggling().filter((_, i) => i % 4 < 2);
      messages.push(...['+7', '0x7', '7 ', '7;a\nb'].map((size) => `${head('Transfer-Encoding: chunked')}${size}\r\n{"a":1}\r\n0\r\n\r\n${hiddenRequest()}`));
      const answered = [];
      await inParallel(messages, async (message, i) => {
        await converse({ path: proxy.path }, [latin(message)], { silenceMs: 300 });
        const id = `honest-${name}-${i}`;
        const honest = head(`X-Request-Id: ${id}`, 'Connection: close', `Content-Length: ${json.length}`) + json;
        const { bytes } = await converse({ path: proxy.path }, [latin(honest)], { silenceMs: 5000 });
        const text = bytes.toString('latin1');
        answered.push(text.startsWith('HTTP/1.1 200 ') && text.toLowerCase().includes(`x-request-id: front.${id}\r\n`));
      });
      assert.ok(answered.every(Boolean), `${answered.filter((ok) => !ok).length} of ${answered.length} honest requests lost`);
      await assertNothingHidden();
    });
  });

test('after all that it is well', async () => {
  assert.equal((await get(service, '/readyz')).status, 200);
});
