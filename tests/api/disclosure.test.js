// What the service tells of itself and of what it was sent: in refusals, in the log, in
// metrics. Everything that a client chooses may be hostile.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { attention, fetchAnswer, connections, get, raw, request } from './support/client.js';
import { generator } from './support/numbers.js';
import { sanitized, sleep, start } from './support/service.js';

let service;
before(async () => (service = await start()));
after(() => service.stop());

const r = generator(51);
const letters = (length, from = 'abcdefghijklmnopqrstuvwxyz0123456789-._~') =>
  Array.from({ length }, () => r.pick(from)).join('');
const long = 'Zq'.repeat(300);

// One of each kind that a client can bring about.
const refusals = {
  'no such path': () => get(service, `/${long.slice(0, 200)}`),
  'a path outside': () => get(service, '/../../etc/passwd'),
  'an escaped path': () => get(service, '/%2e%2e%2f%65tc'),
  'a method that is none': () => request(service, 'ZQZQ', '/v1/attention'),
  'a method that is another': () => request(service, 'DELETE', '/v1/attention'),
  'another type': () => attention(service, '{}', { 'Content-Type': `text/${long.slice(0, 100)}` }),
  'another coding': () => attention(service, '{}', { 'Content-Encoding': long.slice(0, 100) }),
  'an answer of another type': () => attention(service, '{}', { Accept: `image/${long.slice(0, 100)}` }),
  'an expectation': () => attention(service, '{}', { Expect: long.slice(0, 100) }),
  'no body': () => attention(service, ''),
  'no JSON': () => attention(service, `{"sequences": ${long}}`),
  'a byte that is none': () => attention(service, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])),
  'an unknown member': () => attention(service, { sequences: [[1]], [long]: 1 }),
  'a member twice': () => attention(service, `{"${long}": 1, "${long}": 1}`),
  'an unknown word': () => attention(service, { sequences: [[1]], maps: long }),
  'an unknown method of attention': () => attention(service, { sequences: [[1]], method: long }),
  'a text for a number': () => attention(service, { sequences: [[long]] }),
  'a number beyond': () => attention(service, `{"sequences": [[1e${'9'.repeat(300)}]]}`),
  'rows that differ': () => attention(service, { sequences: [[1, 2], [3]] }),
  'too many heads': () => attention(service, { sequences: [[1]], heads: 1e15 }),
  'too large a body': () =>
    raw(service, 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n'),
  'two lengths': () => raw(service, 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'),
  'too long a target': () => get(service, `/${'Zq'.repeat(6000)}`),
};

describe('threat 116: a refusal tells nothing of the inside', () => {
  for (const [name, refusal] of Object.entries(refusals))
    test(name, async () => {
      const answer = await refusal();
      assert.ok((answer.status >= 400 && answer.status < 500) || answer.status === 501, `${answer.status}`);
      const all = `${JSON.stringify(answer.headers)}\n${answer.text}`;
      // No path, address, source, library or version; the page's check looks for some, too.
      assert.doesNotMatch(all, /\/(etc|home|usr|tmp|work|proc|lib|root|var)\b|0x[0-9a-f]{5}|\.[ch]\b|\bline \d{3,} of\b/i);
      assert.doesNotMatch(all, /microhttpd|openblas|jansson|gnutls|glibc|gcc|linux|\b\d+\.\d+\.\d+\b/i);
      assert.equal(answer.headers.server, undefined);
      // What was sent is told in part, and without what could act.
      assert.doesNotMatch(answer.text, /(Zq){33}/);
      assert.doesNotMatch(answer.json.detail, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    });
});

// What differs from request to request, taken out.
const common = ({ status, headers, json }) => {
  const { date, 'x-request-id': id, ...rest } = headers;
  const { instance, ...problem } = json;
  assert.ok(id === instance && date);
  return JSON.stringify({ status, headers: rest, problem });
};

test('threat 119: what is not there is not there, whatever it is called', async () => {
  const paths = ['/v1/models/known', '/v1/models', '/v2/models/a/infer', '/v1/attention/', '/V1/attention', '/admin', '/.env'];
  for (let i = 0; i < (sanitized ? 8 : 50); i++) paths.push(`/${letters(r.whole(1, 60))}`, `/v1/models/${letters(r.whole(1, 300))}`);
  const seen = new Set();
  for (const path of paths) seen.add(common(await get(service, path)));
  assert.equal(seen.size, 1, [...seen].join('\n'));
  assert.match([...seen][0], /"status":404/);
});

// name{labels} of every sample
const seriesOf = (text) =>
  text
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => /^[a-z_]+(\{.*?\})?(?= )/.exec(line)[0]);

test('threat 114: nothing that a client sends makes a new series', async () => {
  const scrape = async () => seriesOf((await get(service, '/metrics')).text);
  const before = await scrape();
  const agent = connections(8);
  const anything = async () => {
    const method = r.pick(['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', letters(r.whole(1, 30), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')]);
    const path = `/${r.pick(['', 'v1/', 'metrics/', 'v1/attention/'])}${letters(r.whole(0, 80))}`;
    const name = r.pick(['X-Request-Id', 'traceparent', 'User-Agent', 'Host', 'X-Forwarded-For']);
    const head = `${method} ${path} HTTP/1.1\r\nHost: a\r\n${name}: ${letters(r.whole(1, 90))}\r\nContent-Length: 0\r\n\r\n`;
    try {
      await raw(service, head, { method, path, silenceMs: 20 });
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error;
      // the page may not know the method: only what is counted matters here
    }
  };
  for (let i = 0; i < (sanitized ? 8 : 30); i++) await Promise.all(Array.from({ length: 10 }, anything));
  for (const name of ['overloaded', 'secret', '{}', '"'])
    await fetchAnswer(service, agent, 'POST', '/v1/attention', JSON.stringify({ id: name, [name]: 1 }));
  agent.destroy();
  for (const one of Object.values(refusals)) await one();
  assert.deepEqual(await scrape(), before);
  for (const series of before) assert.doesNotMatch(series, /secret|Zq/);
});

// Bytes that would end a line, move a cursor, end a string or be none of UTF-8.
const hostile = ['\r\nlevel=info event=forged', '\n{"forged":1}', '\u001b[2J\u001b[31m', '"}', '\\', '\u0000', 'ÿþ', '\u009b31m',
  '\u202egnirts', '\u2028', '='.repeat(300), 'x'.repeat(5000)];

describe('threat 113: what a client sends cannot forge a line of the log', () => {
  for (const format of ['text', 'json'])
    test(`as ${format}`, async () => {
      const logging = await start(['--log-format', format, '--log-level', 'debug']);
      const first = logging.log.length;
      const send = async (...parts) =>
        raw(logging, Buffer.concat(parts.map((part) => Buffer.from(part))), { method: 'GET', path: '/x', silenceMs: 50 }).catch(() => {});
      const sendAll = (bytes) => [
        send('GET /', bytes, ' HTTP/1.1\r\nHost: a\r\n\r\n'),
        send('GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: ', bytes, '\r\nUser-Agent: ', bytes, '\r\n\r\n'),
        send(bytes, ' /x HTTP/1.1\r\nHost: a\r\n\r\n'),
        send('GET /x HTTP/1.1\r\nHost: ', bytes, '\r\ntraceparent: ', bytes, '\r\n\r\n'),
      ];
      for (const text of hostile) {
        const inJson = JSON.stringify(text);
        await Promise.all([
          attention(logging, `{"sequences": [[1]], "id": ${inJson}}`),
          attention(logging, `{"sequences": [[1]], ${inJson}: 1}`),
          get(logging, `/${encodeURIComponent(text)}`),
          ...sendAll(Buffer.from(text)),
          ...sendAll(Buffer.from(text, 'latin1')),
        ]);
      }
      await sleep(200);
      const lines = logging.log.slice(first).trim().split('\n');
      assert.ok(lines.length >= 3 * hostile.length);
      for (const line of lines) {
        assert.ok(Buffer.byteLength(line) < 4096);
        assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        if (format === 'json') assert.ok(JSON.parse(line).event);
        else assert.match(line, /^time=\S+ level=[a-z]+ event=[a-z_]+( [a-z_]+=("([^"\\]|\\.)*"|[^\s"]*))*$/);
        assert.doesNotMatch(line, /event"?[=:]"?forged/);
      }
      await logging.stop();
    });
});
