// Starting, stopping, signals, and what is logged on the way.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { drains } from '../chaos/drains.js';
import { attention, compute, connections, fetchAnswer, get, raw } from './support/client.js';
import { generator, heavyRequest } from './support/numbers.js';
import { checkEnd, sanitized, sleep, start, until } from './support/service.js';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
after(() => rmSync(folder, { recursive: true }));

const r = generator(11);
const ordinary = JSON.stringify({ sequences: r.tensor(40, 16), heads: 4 });
const heavy = heavyRequest(sanitized ? 1 / 20 : 1);

const memoryKiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

test('it is ready within 100 ms of exec', { skip: sanitized && 'skipped under a sanitizer' }, async (t) => {
  const times = [];
  for (let i = 0; i < 7; i++) {
    const service = await start();
    times.push(service.startMs);
    assert.equal((await get(service, '/readyz')).status, 200);
    await service.stop();
  }
  t.diagnostic(`milliseconds from exec to ready: ${times.map((ms) => ms.toFixed(0)).join(' ')}`);
  assert.ok(median(times) <= 100, `${times}`);
});

test('idle it holds less than 40 MiB', { skip: sanitized && 'skipped under a sanitizer' }, async (t) => {
  const service = await start();
  await compute(service, ordinary);
  const resident = memoryKiB(service.pid);
  t.diagnostic(`resident: ${(resident / 1024).toFixed(1)} MiB`);
  assert.ok(resident < 40 * 1024);
  await service.stop();
});

for (const name of ['SIGTERM', 'SIGINT'])
  test(`${name} stops an idle service at once, exit code 0`, async () => {
    const service = await start();
    const begun = Date.now();
    service.signal(name);
    await service.ended;
    checkEnd(service);
    assert.ok(Date.now() - begun < 1500, `${Date.now() - begun} ms`);
    for (const phase of [/draining/, /drained|stopped/]) assert.match(service.log, phase);
  });

describe('SIGTERM under load', () => {
  test('threats 99, 100: nothing that was accepted is lost, and the next may start at once', async (t) => {
    const { counts, slowest, kills } = await drains(sanitized ? 2 : 10);
    t.diagnostic(`${JSON.stringify(counts)}, ${kills} kills, the slowest stop took ${slowest} ms`);
    assert.ok(counts.answered > (sanitized ? 20 : 100));
  });

  test('what is running is finished', async () => {
    const service = await start(['--workers', '1', '--drain-timeout', '1min', '--timeout', '1min']);
    const running = attention(service, heavy);
    await until('it computes', async () =>
      /attentiond_workers_busy 1\b/.test((await get(service, '/metrics')).text),
    );
    service.signal('SIGTERM');
    assert.equal((await running).status, 200);
    await service.ended;
    checkEnd(service);
  });

  test('what does not finish in drain_timeout is answered 503', async () => {
    const service = await start(['--workers', '1', '--drain-timeout', '50ms', '--queue-wait', '60min']);
    const waiting = [attention(service, heavy), attention(service, heavy), attention(service, heavy)];
    await until('all are there', async () => {
      const { text } = await get(service, '/metrics'); // which is in flight itself
      return /^attentiond_in_flight_requests [4-9]/m.test(text) && /^attentiond_workers_busy 1/m.test(text);
    });
    const begun = Date.now();
    service.signal('SIGTERM');
    for (const answer of await Promise.all(waiting)) {
      assert.equal(answer.status, 503);
      assert.equal(answer.json.type, 'urn:attentiond:problem:shutting-down');
    }
    await service.ended;
    checkEnd(service);
    assert.ok(Date.now() - begun < (sanitized ? 20000 : 4000), `${Date.now() - begun} ms`);
  });

  test('threat 100: an upload that does not finish in drain_timeout is answered 503, and logged', async () => {
    const service = await start(['--drain-timeout', '100ms']);
    const head = 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n';
    const some = ' '.repeat(10000);
    const upload = async (socket) => {
      for (; socket.writable; await sleep(20)) socket.write(some, () => {});
    };
    const uploads = ['one', 'two'].map((id, i) =>
      raw(service, `${head}X-Request-Id: ${id}\r\n\r\n${some}`, { silenceMs: 9000, meanwhile: i ? upload : undefined }),
    );
    await until('both have begun', async () => /^attentiond_in_flight_requests 3/m.test((await get(service, '/metrics')).text));
    service.signal('SIGTERM');
    for (const [i, { status, closed, json, headers }] of (await Promise.all(uploads)).entries()) {
      assert.deepEqual([status, closed, headers.connection], [503, true, 'close']);
      assert.equal(json.type, 'urn:attentiond:problem:shutting-down');
      assert.equal(headers['x-request-id'], ['one', 'two'][i]);
    }
    await service.ended;
    checkEnd(service);
    for (const id of ['one', 'two'])
      assert.equal([...service.log.matchAll(new RegExp(`event=request id=${id} .*status=503.*error=shutting-down`, 'g'))].length, 1, service.log);
  });

  test('a second signal stops now', async () => {
    const service = await start(['--workers', '1', '--drain-delay', '20s']);
    service.signal('SIGTERM');
    await until('it drains', () => /draining/.test(service.log));
    const begun = Date.now();
    service.signal('SIGTERM');
    const { signal } = await service.ended;
    assert.equal(signal, null);
    assert.ok(Date.now() - begun < 3000, `${Date.now() - begun} ms`);
  });
});

test('threats 99, 100: while it drains it is alive, not ready, and still serves', async () => {
  const delayMs = 3000;
  const service = await start(['--drain-delay', `${delayMs}ms`]);
  assert.equal((await get(service, '/readyz')).status, 200);
  const begun = Date.now();
  service.signal('SIGTERM');
  await until('not ready', async () => (await get(service, '/readyz')).status === 503);
  const refusal = await get(service, '/readyz');
  assert.equal(refusal.json.type, 'urn:attentiond:problem:shutting-down');
  assert.equal((await get(service, '/livez')).status, 200);
  await compute(service, ordinary);
  assert.match((await get(service, '/metrics')).text, /^attentiond_draining 1$/m);
  assert.ok(Date.now() - begun < delayMs);
  await service.ended;
  checkEnd(service);
  assert.ok(Date.now() - begun >= delayMs);
});

describe('the log', () => {
  test('SIGHUP re-reads its level, and nothing else', async () => {
    const conf = join(folder, 'level.conf');
    writeFileSync(conf, 'log_level = warn\nmax_tokens = 9\n');
    // The line that names the port is of level info.
    writeFileSync(conf, 'log_level = info\nmax_tokens = 9\n');
    const service = await start(['--config', conf]);
    let asked = 0;
    const isLogged = async () => {
      const id = `request-${asked++}`;
      await compute(service, { sequences: [[1]], id });
      await sleep(100);
      return service.log.includes(`id=${id} `);
    };
    await until('requests are logged', isLogged);
    writeFileSync(conf, 'log_level = warn\nmax_tokens = 3\n');
    service.signal('SIGHUP');
    await until('they are no more', async () => !(await isLogged()));
    assert.equal((await get(service, '/v1/info')).json.limits.max_tokens, 9);
    writeFileSync(conf, 'log_level = nonsense\n');
    service.signal('SIGHUP');
    await until('it says what is wrong', () => /level=error event=reload .*log_level/.test(service.log));
    writeFileSync(conf, 'log_level = info\n');
    service.signal('SIGHUP');
    await until('they are again', isLogged);
    await service.stop();
  });

  for (const format of ['text', 'json'])
    test(`is one line a request, as ${format}, whatever the request holds`, async () => {
      const service = await start(['--log-format', format]);
      const secret = 'do-not-log-me';
      const before = service.log.split('\n').length;
      await compute(service, { sequences: [[1]], labels: [secret], id: 'one' });
      await get(service, '/x%0aevent=forged', { 'X-Request-Id': 'a"b', 'User-Agent': '\u001b[31m' });
      await attention(service, { [secret]: 1, id: 'three' });
      await get(service, '/"\\');
      const written = () => service.log.split('\n').slice(before - 1).filter(Boolean);
      await until('their lines', () => written().length >= 4);
      const lines = written();
      assert.equal(lines.length, 4, service.log);
      assert.doesNotMatch(service.log, /do-not-log-me|[\u0000-\u0009\u000b-\u001f]/);
      if (format === 'json') {
        for (const line of service.log.trim().split('\n'))
          assert.equal(typeof JSON.parse(line), 'object', line);
        assert.ok(lines.some((line) => JSON.parse(line).id === 'one'));
      } else {
        const pair = /^([a-z_]+=("([^"\\]|\\.)*"|[^\s"]*)( |$))+$/;
        for (const line of service.log.trim().split('\n')) assert.match(line, pair);
        assert.ok(lines.some((line) => /\bid=one\b/.test(line)));
      }
      await service.stop();
    });

  test('says at the start what was found and decided', async () => {
    const service = await start(['--workers', '3']);
    assert.match(service.log, /workers"?[=:] ?"?3/);
    assert.match(service.log, /memory/);
    await service.stop();
  });
});

test('connections and memory are given back', async () => {
  const service = await start();
  const open = () => readdirSync(`/proc/${service.pid}/fd`).length;
  await compute(service, ordinary);
  await until('quiet', () => open() <= open());
  const atRest = open();
  const agent = connections(32);
  await Promise.all(
    Array.from({ length: 200 }, () => fetchAnswer(service, agent, 'POST', '/v1/attention', ordinary)),
  );
  agent.destroy();
  await until(`${atRest} descriptors again`, () => open() <= atRest, 5000);
  await service.stop();
});
