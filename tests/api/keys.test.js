// Who may ask for what: keys and their roles, how many requests of one key are in progress,
// reloads under load, the origins of web pages, and that no secret gets out.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { attention, connections, fetchAnswer, get, raw, request } from './support/client.js';
import { generator, toBase64 } from './support/numbers.js';
import { binary, cleanEnvironment, sanitized, sleep, start, until } from './support/service.js';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
after(() => rmSync(folder, { recursive: true }));

const hash = (text) => createHash('sha256').update(text).digest('hex');
const newKey = () => randomBytes(33).toString('base64url');
const bearer = (key) => ({ Authorization: `Bearer ${key}` });
const X = { sequences: [[1, 2], [3, 4]] };

let files = 0;
// lines: [[name, roles, key, limit], ...]; replaces the file at once, so that it is never read
// half written.
function writeKeys(lines, path = join(folder, `keys-${files++}`)) {
  const text = lines.map(([name, roles, key, limit = '']) => `${name} ${roles} ${hash(key)} ${limit}\n`);
  writeFileSync(`${path}.new`, text.join(''), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return path;
}

const run = (args) =>
  spawnSync(binary, args, { env: cleanEnvironment(), encoding: 'utf8', timeout: 10000 });

// A SIGHUP, and what came of it.
async function reload(service) {
  const outcomes = () => service.log.match(/event=(reloaded keys=|reload )/g)?.length ?? 0;
  const before = outcomes();
  service.signal('SIGHUP');
  await until('it has reloaded', () => outcomes() > before);
}

describe('roles', () => {
  const [caller, scraper, chief] = [newKey(), newKey(), newKey()];
  let service;
  before(async () => {
    const lines = [['caller', 'infer', caller], ['scraper', 'metrics', scraper], ['chief', 'admin', chief]];
    service = await start(['--keys-file', writeKeys(lines)]);
  });
  after(() => service.stop());

  const statuses = {
    'POST /v1/attention': [200, 403, 403, 401],
    'GET /v1/info': [200, 200, 200, 401],
    'GET /metrics': [403, 200, 200, 401],
    'GET /metrics/requests': [403, 200, 200, 401],
    'GET /livez': [200, 200, 200, 200],
    'GET /readyz': [200, 200, 200, 200],
    'GET /openapi.json': [200, 200, 200, 200],
    'GET /openapi.yaml': [200, 200, 200, 200],
    'OPTIONS /metrics': [204, 204, 204, 204],
  };
  for (const [route, expected] of Object.entries(statuses))
    test(`${route} for callers, scrapers, admins and strangers`, async () => {
      const [method, path] = route.split(' ');
      const body = method === 'POST' ? X : undefined;
      for (const [i, key] of [caller, scraper, chief, newKey()].entries())
        assert.equal((await request(service, method, path, { body, headers: bearer(key) })).status, expected[i]);
      assert.equal((await request(service, method, path, { body })).status, expected[3]);
    });

  test('--probe needs no key', () => {
    assert.equal(run(['--probe', '--port', `${service.port}`]).status, 0);
  });

  test('threat 111: missing, wrong and unknown get the same answer', async () => {
    const headers = [{}, bearer(newKey()), bearer(caller.slice(1)), bearer(`${caller}0`), bearer('x'),
      { Authorization: `Basic ${caller}` }, { Authorization: caller }, { Cookie: `key=${caller}` }];
    for (const head of headers) {
      const { status, json, headers: h } = await attention(service, X, head);
      assert.equal(status, 401);
      assert.equal(json.type, 'urn:attentiond:problem:unauthorized');
      assert.equal(json.detail, 'send `Authorization: Bearer KEY` with a key of this service');
      assert.equal(h['www-authenticate'], 'Bearer');
    }
    const twice = await raw(
      service,
      `GET /v1/info HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${caller}\r\n` +
        `Authorization: Bearer ${caller}\r\nConnection: close\r\n\r\n`,
      { method: 'GET', path: '/v1/info' },
    );
    assert.equal(twice.status, 401);
  });

  test('the refusal is sent before the body', async () => {
    const head =
      'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n' +
      'Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n';
    const answer = await raw(service, head);
    assert.equal(answer.status, 401);
    assert.equal(answer.interim, 0);
    assert.ok(answer.closed);
  });
});

test('a key is made with the commands that are printed', (t) => {
  const keys = join(folder, 'printed');
  const commands = `umask 077
    key=$(openssl rand -base64 33)
    echo "alice infer $(printf %s "$key" | sha256sum | cut -d' ' -f1)" >>${keys}
    echo "$key"`;
  if (spawnSync('openssl', ['version']).error) return t.skip('skipped: there is no openssl');
  const { stdout, status } = spawnSync('sh', ['-c', commands], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.match(readFileSync(keys, 'utf8'), new RegExp(`^alice infer ${hash(stdout.trim())}\n$`));
  assert.equal(run(['--check-config', '--keys-file', keys]).status, 0);
});

describe('threat 120: a file of keys that cannot be used stops the start with exit code 78 and one line', () => {
  const good = `a infer ${hash('a')}\n`;
  const cases = {
    'a line that is none': [`${good}\nb infer\n`, /: line 3: is not `name roles sha256 \[limit\]`$/],
    'a key in the place of its digest': [`${good}b infer ${'hush'.repeat(16)}\n`, /: line 2: the digest /],
    'an unknown role': [`a root ${hash('a')}\n`, /: line 1: the roles /],
    'a name twice': [`${good}a infer ${hash('b')}\n`, /: line 2: the name /],
    'a digest twice': [`${good}b infer ${hash('a')}\n`, /: line 2: the digest /],
    'no key': ['# nobody yet\n', /: there is no key$/],
    'a limit that is none': [`a infer ${hash('a')} few\n`, /: line 1: the limit /],
  };
  const refused = (path, why) => {
    for (const action of [[], ['--check-config']]) {
      const { status, stderr, stdout } = run([...action, '--port', '0', '--keys-file', path]);
      assert.equal(status, 78);
      assert.equal(stdout, '');
      assert.match(stderr, /^attentiond: keys_file: [^\n]*\n$/);
      assert.ok(stderr.includes(`keys_file: ${path}: `), stderr);
      assert.match(stderr.trim(), why);
      assert.doesNotMatch(stderr, /hush|[0-9a-f]{64}/);
    }
  };
  for (const [what, [text, why]] of Object.entries(cases))
    test(what, () => {
      const path = join(folder, `bad-${files++}`);
      writeFileSync(path, text, { mode: 0o600 });
      refused(path, why);
    });

  test('no file, a folder, and one that everybody may write to', () => {
    refused(join(folder, 'nowhere'), /No such file/);
    refused(folder, /is not a regular file$/);
    const path = writeKeys([['a', 'infer', 'a']]);
    chmodSync(path, 0o606);
    refused(path, /everybody may write to it/);
  });

  test('an origin that is none', () => {
    const { status, stderr } = run(['--port', '0', '--cors-origins', 'https://a.example/']);
    assert.equal(status, 78);
    assert.match(stderr, /^attentiond: cors_origins: [^\n]*\n$/);
  });
});

// Both go through the pool; few bytes, so that this process has the time to look.
const r = generator(5);
const bodyOf = (T) =>
  JSON.stringify({ sequences: toBase64(r.tensor(T, 32)), heads: 8, maps: 'none', tensor_format: 'base64' });
const [ordinary, flooding] = [bodyOf(100), bodyOf(600)];

describe('one key beside others', () => {
  const [greedy, modest] = [newKey(), newKey()];
  let service;
  before(async () => {
    const lines = [['greedy', 'infer', greedy], ['modest', 'infer', modest, 0]];
    service = await start(['--keys-file', writeKeys(lines), '--per-key-limit', '2', '--queue-depth', '8']);
  });
  after(() => service.stop());

  test('threat 90: one that floods is told 429, and the others keep their latency', async (t) => {
    const agent = connections(32);
    const median = async () => {
      const times = [];
      for (let i = 0; i < 40; i++) {
        const answer = await fetchAnswer(service, agent, 'POST', '/v1/attention', ordinary, bearer(modest));
        assert.equal(answer.status, 200, answer.text);
        times.push(answer.ms);
      }
      return times.sort((a, b) => a - b)[20];
    };
    const alone = await median();

    const outcomes = {};
    let going = true;
    const flood = async () => {
      while (going) {
        const answer = await fetchAnswer(service, agent, 'POST', '/v1/attention', flooding, bearer(greedy));
        outcomes[answer.status] = (outcomes[answer.status] ?? 0) + 1;
        if (answer.status === 429) {
          assert.equal(answer.json.type, 'urn:attentiond:problem:rate-limited');
          assert.match(answer.json.detail, /^2 requests of this key .*per_key_limit/);
          await sleep(20); // and comes again far too early
        }
      }
    };
    const crowd = Promise.all(Array.from({ length: 16 }, flood));
    await until('it floods', () => outcomes[429] > 50);
    const beside = await median();
    going = false;
    await crowd;
    agent.destroy();
    t.diagnostic(`median of others: ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside it`);
    t.diagnostic(`it was answered ${JSON.stringify(outcomes)}`);
    assert.deepEqual(Object.keys(outcomes).sort(), ['200', '429']);
    assert.ok(outcomes[200] > 0);
    if (!sanitized) assert.ok(beside < 20 * alone + 50, `${alone} ms, then ${beside} ms`);
  });

  test('the log names the key, and the metrics count the refusals', async () => {
    await attention(service, X, bearer(modest));
    await until('the line', () => /status=200 key=modest /.test(service.log));
    assert.match(service.log, /status=429 key=greedy .*error=rate-limited/);
  });
});

describe('SIGHUP', () => {
  test('200 reloads under load lose no request of a key that stays', { timeout: 60000 }, async (t) => {
    const [stays, comes] = [newKey(), newKey()];
    const both = [['comes', 'infer', comes], ['stays', 'infer', stays, 64]];
    const path = writeKeys(both);
    const service = await start(['--keys-file', path]);
    const agent = connections(16);
    const ask = (key) => fetchAnswer(service, agent, 'POST', '/v1/attention', ordinary, bearer(key));
    const outcomes = {};
    let going = true;
    const client = async () => {
      while (going) {
        const { status } = await ask(stays);
        outcomes[status] = (outcomes[status] ?? 0) + 1;
      }
    };
    const all = Promise.all(Array.from({ length: 3 }, client));
    for (let i = 0; i < (sanitized ? 40 : 200); i++) {
      writeKeys(i % 2 ? both : both.slice(1), path);
      await reload(service);
      assert.equal((await ask(comes)).status, i % 2 ? 200 : 401); // at the next request
    }
    going = false;
    await all;
    agent.destroy();
    t.diagnostic(JSON.stringify(outcomes));
    assert.deepEqual(Object.keys(outcomes), ['200']);
    assert.ok(outcomes[200] > (sanitized ? 20 : 100));
    await service.stop();
  });

  test('with a file that is wrong the old keys stay, and the log says why', async () => {
    const key = newKey();
    const path = writeKeys([['a', 'infer', key]]);
    const service = await start(['--keys-file', path]);
    writeFileSync(path, `a infer ${hash(key)}\nb infer hush-hush\n`);
    await reload(service);
    assert.match(service.log, /level=error event=reload error="keys_file: \S*: line 2: the digest /);
    assert.doesNotMatch(service.log, /hush/);
    assert.equal((await attention(service, X, bearer(key))).status, 200);
    rmSync(path);
    await reload(service);
    assert.match(service.log, /No such file/);
    assert.equal((await attention(service, X, bearer(key))).status, 200);
    await service.stop();
  });
});

for (const format of ['text', 'json'])
  test(`threat 112: no key and no digest gets out, with the log as ${format}`, async () => {
    const [caller, chief, stranger] = [newKey(), newKey(), newKey()];
    const secrets = [caller, chief, stranger].flatMap((key) => [key, hash(key)]);
    const path = writeKeys([['caller', 'infer', caller, 1], ['chief', 'admin,infer', chief]]);
    const flags = ['--keys-file', path, '--log-level', 'debug', '--log-format', format];
    const service = await start(flags);
    let said = '';
    const ask = async (method, target, options) => {
      const answer = await request(service, method, target, options);
      said += JSON.stringify(answer.headers) + answer.text;
      return answer;
    };
    for (const key of [caller, chief, stranger]) {
      const headers = bearer(key);
      await ask('POST', '/v1/attention', { body: X, headers });
      await ask('POST', '/v1/attention', { body: '{"a":', headers });
      for (const target of ['/v1/info', '/metrics', '/metrics/requests', '/nowhere', '/openapi.json'])
        await ask('GET', target, { headers });
      // Where no key belongs.
      for (const target of [`/v1/info?key=${key}`, `/nowhere?access_token=${key}`, `/${key}`, `/livez/${key}%00`])
        await ask('GET', target, { headers: bearer(chief) });
      await ask('GET', '/v1/info', { headers: { Authorization: `Bearer ${key} ${key}` } });
      await ask('GET', '/v1/info', { headers: { Authorization: `Basic ${key}` } });
      await ask('DELETE', '/v1/info', { headers });
      // What the library says of its own.
      await raw(service, `GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nA b: c\r\n\r\n`, {
        method: 'GET', path: '/livez', silenceMs: 100,
      });
      const strange = `GET /livez?${key} HTTP/9.9\r\nAuthorization: Bearer ${key}\r\n\r\n`;
      await raw(service, strange, { method: 'GET', path: '/livez', silenceMs: 100 }).catch(() => {});
    }
    service.signal('SIGHUP');
    await sleep(50);
    writeFileSync(path, `caller ${caller} infer\n`);
    service.signal('SIGHUP');
    await until('it complains', () => /line 1: the roles /.test(service.log));
    for (const action of [['--print-config'], ['--check-config'], []]) {
      const { stdout, stderr } = run([...action, '--port', '0', ...flags]);
      said += stdout + stderr;
    }
    assert.match(said, /keys_file/);
    await service.stop();
    for (const secret of secrets) {
      assert.ok(!service.log.includes(secret), 'in the log');
      assert.ok(!service.log.includes(secret.slice(0, 16)), 'in part in the log');
      assert.ok(!said.includes(secret.slice(0, 16)), 'in an answer or what is printed');
    }
  });

describe('web pages of other origins', () => {
  const origin = 'https://a.example:8443';
  const preflight = { Origin: origin, 'Access-Control-Request-Method': 'POST' };
  const protocol = (answer) => Object.keys(answer.headers).filter((name) => name.startsWith('access-control'));

  test('threat 118: are told nothing by default', async () => {
    const service = await start();
    for (const answer of [
      await request(service, 'OPTIONS', '/v1/attention', { headers: preflight }),
      await attention(service, X, { Origin: origin }),
      await get(service, '/nowhere', { Origin: origin }),
    ])
      assert.deepEqual(protocol(answer), []);
    await service.stop();
  });

  test('may read answers when they are listed, and why they were refused', async () => {
    const key = newKey();
    const keys = writeKeys([['page', 'infer', key]]);
    const service = await start(['--cors-origins', `https://b.example, ${origin}`, '--keys-file', keys]);
    const asked = await request(service, 'OPTIONS', '/v1/attention', { headers: preflight });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers['access-control-allow-methods'], 'POST, OPTIONS');
    assert.match(asked.headers['access-control-allow-headers'], /\bAuthorization\b.*\bContent-Type\b/);
    assert.match(asked.headers['access-control-max-age'], /^\d+$/);
    for (const [head, status] of [[bearer(key), 200], [{}, 401]]) {
      const answer = await attention(service, X, { ...head, Origin: origin });
      assert.equal(answer.status, status);
      assert.equal(answer.headers['access-control-allow-origin'], origin);
      assert.match(answer.headers.vary, /\bOrigin\b/);
      const other = await attention(service, X, { ...head, Origin: 'https://evil.example' });
      assert.equal(other.status, status);
      assert.deepEqual(protocol(other), []);
      assert.match(other.headers.vary, /\bOrigin\b/);
    }
    await service.stop();
  });
});

test('threat 115: with a listener of their own the metrics are not on the other', async () => {
  const service = await start(['--metrics-port', '0']);
  const port = Number(/metrics_address=127\.0\.0\.1:(\d+)/.exec(service.log)[1]);
  const apart = { ...service, url: `http://127.0.0.1:${port}` };
  for (const path of ['/metrics', '/metrics/requests']) {
    assert.equal((await get(service, path)).status, 404);
    assert.equal((await get(apart, path)).status, 200);
  }
  assert.equal((await get(apart, '/livez')).status, 404);
  await service.stop();
});
