// What openapi/openapi.yaml promises, as a check on one answer. support/client.js
// passes every answer through checkAnswer(), so that no test can forget to.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

export const pageFile = new URL('../../../openapi/openapi.yaml', import.meta.url);
export const page = parse(readFileSync(pageFile, 'utf8'));

const ajv = new Ajv.default({ strict: true, strictTypes: false, strictRequired: false });
addFormats.default(ajv);
ajv.addVocabulary(Object.keys(page)); // so that the page's top may be walked through as a schema
ajv.addSchema(page, 'page');

// Follows $ref inside the page; returns the object and where it stands.
function resolve(at) {
  for (;;) {
    const found = at
      .slice(2)
      .split('/')
      .reduce((o, k) => o[k.replaceAll('~1', '/').replaceAll('~0', '~')], page);
    if (!found?.$ref) return { found, at };
    at = found.$ref;
  }
}

const pointer = (...names) => '#/' + names.map((n) => `${n}`.replaceAll('/', '~1')).join('/');

const validators = new Map();
function validator(at) {
  if (!validators.has(at)) validators.set(at, ajv.compile({ $ref: `page${at}` }));
  return validators.get(at);
}

function checkSchema(at, value, what) {
  const valid = validator(at);
  if (valid(value)) return;
  const why = ajv.errorsText(valid.errors, { dataVar: '' });
  assert.fail(`${what} is not what the page says (${at}): ${why}`);
}

// Every type of problem has one status.
export const statusOfProblem = {
  'invalid-json': 400,
  'empty-body': 400,
  'bad-request': [400, 505],
  'invalid-input': 422,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  'request-timeout': 408,
  'length-required': 411,
  'too-large': [413, 414, 431],
  'unsupported-media-type': 415,
  'expectation-failed': 417,
  'rate-limited': 429,
  internal: 500,
  'not-implemented': 501,
  overloaded: 503,
  'shutting-down': 503,
  'not-ready': 503,
  'out-of-memory': 503,
  'deadline-exceeded': 504,
};

// What can be said where no operation of the page was meant, or none could be made out.
const outsideOperations = new Set([400, 404, 405, 408, 413, 414, 417, 431, 501, 503, 505]);

const mediaType = (answer) => (answer.headers['content-type'] ?? '').split(';')[0].trim();

function checkProblem(answer) {
  assert.equal(mediaType(answer), 'application/problem+json');
  const problem = answer.json;
  checkSchema('#/components/schemas/Problem', problem, 'the problem');
  assert.equal(problem.status, answer.status);
  assert.equal(problem.instance, answer.headers['x-request-id']);
  assert.equal(problem.error, problem.detail);
  const slug = problem.type.replace('urn:attentiond:problem:', '');
  assert.ok(
    [statusOfProblem[slug]].flat().includes(answer.status),
    `${slug} came with status ${answer.status}`,
  );
  assert.doesNotMatch(answer.text, /0x[0-9a-f]{6}|\/(home|usr|tmp|work|proc)\/|\.[ch]:\d/i);
}

function checkHeaders(headers, answer) {
  for (const name of Object.keys(headers ?? {})) {
    const value = answer.headers[name.toLowerCase()];
    const { found, at } = resolve(headers[name].$ref ?? assert.fail('headers are components'));
    if (value === undefined) assert.ok(!found.required, `${name} is missing`);
    else if (found.schema.type === 'integer')
      checkSchema(`${at}/schema`, /^\d+$/.test(value) ? Number(value) : value, name);
    else checkSchema(`${at}/schema`, value, name);
  }
}

function checkOperation(answer, at) {
  const operation = resolve(at).found;
  assert.ok(
    operation.responses[answer.status],
    `${answer.method} ${answer.path} answered ${answer.status}, which the page does not list`,
  );
  const response = resolve(`${at}/responses/${answer.status}`);
  checkHeaders(response.found.headers, answer);
  const type = mediaType(answer);
  const content = response.found.content[type];
  assert.ok(content, `${type} is not an answer the page lists for ${answer.status}`);
  const value = /json$/.test(type) ? answer.json : answer.text;
  if (answer.method !== 'HEAD')
    checkSchema(response.at + pointer('content', type, 'schema').slice(1), value, 'the body');
}

// answer: {method, path, status, headers (lower case), body (Buffer), text, json, sent}
export function checkAnswer(answer) {
  const { method, status, headers } = answer;
  assert.match(headers['x-request-id'] ?? '', /^[A-Za-z0-9._:-]{1,128}$/, 'X-Request-Id');
  if (headers['content-length'] !== undefined && method !== 'HEAD')
    assert.equal(Number(headers['content-length']), answer.body.length);
  if (method === 'HEAD') assert.equal(answer.body.length, 0, 'HEAD has no body');
  if (status === 405) assert.ok(headers.allow, '405 has Allow');
  if (status === 503 || status === 429) assert.match(headers['retry-after'] ?? '', /^[1-9]\d*$/);
  if (status >= 400) assert.equal(headers['cache-control'], 'no-store');
  if (status >= 400 && method !== 'HEAD') checkProblem(answer);

  const template = answer.path.split('?')[0];
  const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
  if (page.paths[template]?.[verb]) checkOperation(answer, pointer('paths', template, verb));
  else
    assert.ok(
      outsideOperations.has(status) || (method === 'OPTIONS' && status === 204),
      `${method} ${answer.path} is not in the page and answered ${status}`,
    );

  if (template === '/v1/attention' && method === 'POST' && status === 200) {
    checkSchema('#/components/schemas/AttentionRequest', JSON.parse(answer.sent), 'the request');
    if (mediaType(answer) === 'application/json') checkOrder(answer);
  }
}

const memberOrder = `id outputs attention_maps projections lse present state entropy statistics
  method labels timing`.split(/\s+/);

function checkOrder(answer) {
  const members = Object.keys(answer.json);
  assert.deepEqual(
    members,
    memberOrder.filter((m) => members.includes(m)),
  );
  assert.equal(answer.json.id, answer.headers['x-request-id']);
}
