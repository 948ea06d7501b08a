// The page and the service say the same.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { attention, converse, get, request } from './support/client.js';
import { assertClose, unpacked } from './support/numbers.js';
import { page, pageFile } from './support/page.js';
import { start, until } from './support/service.js';

let service;
before(async () => (service = await start()));
after(() => service.stop());

const asJson = new URL('openapi.json', pageFile);
const operations = Object.entries(page.paths).flatMap(([path, verbs]) =>
  Object.entries(verbs).map(([verb, operation]) => ({ path, verb, operation }))
);

test('openapi.json is openapi.yaml (make openapi)', () => {
  assert.deepEqual(JSON.parse(readFileSync(asJson, 'utf8')), page);
});

test('the service serves both, byte for byte', async () => {
  assert.equal((await get(service, '/openapi.yaml')).text, readFileSync(pageFile, 'utf8'));
  assert.equal((await get(service, '/openapi.json')).text, readFileSync(asJson, 'utf8'));
});

test('the page is of this version', async () => {
  assert.equal((await get(service, '/v1/info')).json.version, page.info.version);
});

describe('routes', () => {
  for (const { path, verb } of operations)
    test(`${verb.toUpperCase()} ${path} of the page is answered`, async () => {
      const body = verb === 'post' ? { sequences: [[1]] } : undefined;
      assert.equal((await request(service, verb.toUpperCase(), path, { body })).status, 200);
    });

  // Every route of the service is a label in its metrics.
  test('every route of the service is in the page, and no other', async () => {
    const { text } = await get(service, '/metrics');
    const labels = [...text.matchAll(/^attentiond_requests_total\{.*?route="([^"]+)"/gm)].map((m) => m[1]);
    const served = new Set(labels.filter((route) => route !== 'other'));
    assert.deepEqual([...served].sort(), Object.keys(page.paths).sort());
  });

  test('every verb of the service is in the page, and no other', async () => {
    for (const [path, verbs] of Object.entries(page.paths)) {
      const { headers } = await request(service, 'OPTIONS', path);
      const expected = [
        ...Object.keys(verbs).map((v) => v.toUpperCase()),
        'OPTIONS',
        ...(verbs.get ? ['HEAD'] : []),
      ];
      assert.deepEqual(headers.allow.split(/, */).sort(), expected.sort(), path);
    }
  });
});

// converse() holds each answer against the page: one that its operation does not list fails.
describe('what HTTP itself has refused is in the page, for every operation', () => {
  let impatient;
  before(async () => (impatient = await start(['--body-timeout', '100ms'])));
  after(() => impatient.stop());

  const cases = {
    'a field without a colon': ['', 'HTTP/1.1', ['Host'], 400],
    'a body that does not come': ['', 'HTTP/1.1', ['Content-Length: 5'], 408],
    'a body over body_limit': ['', 'HTTP/1.1', ['Content-Length: 99999999999'], 413],
    'a body of more than 63 bits': ['', 'HTTP/1.1', ['Content-Length: 99999999999999999999'], 413],
    'chunk extensions without end': ['', 'HTTP/1.1', ['Transfer-Encoding: chunked', '', `5;${'a'.repeat(20000)}`], 413],
    'a query without end': [`?${'a'.repeat(9000)}`, 'HTTP/1.1', [], 414],
    'too many parameters': [`?${'a&'.repeat(99)}`, 'HTTP/1.1', [], 414],
    'another expectation': ['', 'HTTP/1.1', ['Content-Length: 2', 'Expect: a-wonder'], 417],
    'a field without end': ['', 'HTTP/1.1', [`X-Long: ${'a'.repeat(17000)}`], 431],
    'too many fields': ['', 'HTTP/1.1', Array(99).fill('X-Many: a'), 431],
    'another coding': ['', 'HTTP/1.1', ['Transfer-Encoding: gzip, chunked'], 501],
    'another version': ['', 'HTTP/2.0', [], 505],
  };
  for (const [name, [query, version, fields, status]] of Object.entries(cases))
    test(`${name}: ${status}`, async () => {
      const to = { host: '127.0.0.1', port: impatient.port };
      for (const { path, verb } of operations) {
        const method = verb.toUpperCase();
        const type = method === 'POST' ? ['Content-Type: application/json'] : [];
        const text = [`${method} ${path}${query} ${version}`, 'Host: a', ...type, ...fields, '', ''].join('\r\n');
        const { answers } = await converse(to, [text], { asked: [{ method, path }], silenceMs: 60000 });
        assert.deepEqual(answers.map((answer) => answer.status), [status], `${method} ${path}`);
      }
    });

  test('a connection too many: 503', async () => {
    const small = await start(['--connection-limit', '4', '--body-timeout', '60s', '--drain-timeout', '0s']);
    const to = { host: '127.0.0.1', port: small.port };
    const upload = 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{';
    const held = Array.from({ length: 4 }, () => converse(to, [upload], { silenceMs: 60000 }));
    for (const { path, verb } of operations) {
      const method = verb.toUpperCase();
      const ask = `${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
      const status = await until('a refusal', async () => {
        const { answers } = await converse(to, [ask], { asked: [{ method, path }], silenceMs: 60000 });
        return answers[0]?.status === 503 && 503;
      });
      assert.equal(status, 503, `${method} ${path}`);
    }
    await small.stop();
    await Promise.all(held);
  });
});

describe('examples of the page', () => {
  const { requestBody, responses } = page.paths['/v1/attention'].post;
  const requests = requestBody.content['application/json'].examples;

  // The answer that has an example of this name.
  function answerOf(name) {
    for (const [status, listed] of Object.entries(responses)) {
      const response = listed.$ref ? page.components.responses[listed.$ref.split('/').pop()] : listed;
      for (const content of Object.values(response.content))
        if (content.examples?.[name]) return { status: Number(status), value: content.examples[name].value };
    }
    return assert.fail(`no answer has an example called ${name}`);
  }

  const numbers = (x) => (Array.isArray(x) ? x.map(numbers) : x === '-Infinity' ? -Infinity : x);

  for (const [name, { value }] of Object.entries(requests))
    test(name, async () => {
      const expected = answerOf(name);
      const { status, json } = await attention(service, value);
      assert.equal(status, expected.status);
      if (status !== 200) {
        assert.deepEqual({ ...json, instance: '' }, { ...expected.value, instance: '' });
        return;
      }
      assert.deepEqual(Object.keys(json), Object.keys(expected.value));
      if (value.id) assert.equal(json.id, expected.value.id);
      for (const member of Object.keys(json).filter((m) => !['id', 'timing'].includes(m)))
        assertClose(numbers(unpacked(json[member])), numbers(unpacked(expected.value[member])), member, {
          absolute: 1e-6,
          relative: 1e-6,
        });
    });

  test('the drawing', async () => {
    const { value } = responses['200'].content['text/plain'].examples.worked_example;
    assert.equal((await attention(service, requests.worked_example.value, { Accept: 'text/plain' })).text, value);
  });

  test('what operators are shown has the members of its example', async () => {
    const exampleOf = (path) => page.paths[path].get.responses['200'].content['application/json'].example;
    const members = (o) =>
      Object.entries(o).flatMap(([k, v]) => (v?.constructor === Object ? [k, ...members(v)] : [k]));
    const { json } = await get(service, '/v1/info');
    assert.deepEqual(members(json), members(exampleOf('/v1/info')));
    const { id } = (await attention(service, requests.worked_example.value)).json;
    const record = await until('its record', async () => {
      const recent = (await get(service, '/metrics/requests')).json.requests;
      return recent.find((one) => one.id === id);
    });
    assert.deepEqual(members(record), members(exampleOf('/metrics/requests').requests[0]));
  });

  test('every answer has its request', () => {
    const answers = [responses['200'], ...Object.values(page.components.responses)].flatMap((response) =>
      Object.values(response.content).flatMap((content) => Object.keys(content.examples ?? {}))
    );
    assert.deepEqual([...new Set(answers)].sort(), Object.keys(requests).sort());
  });
});

test('no test speaks to the service but through the client that checks answers', () => {
  const folder = new URL('.', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.js'));
  assert.ok(files.length >= 5);
  for (const name of files) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    assert.doesNotMatch(text, /from 'node:(net|tls|https?|http2|dgram)'|spawn\w*\('curl'|\bfetch\(/, name);
  }
});
