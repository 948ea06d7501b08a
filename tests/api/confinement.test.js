// What the running service may do, and who may look into it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { attention, compute, get } from './support/client.js';
import { generator } from './support/numbers.js';
import { binary, cleanEnvironment, sanitized, sleep, start } from './support/service.js';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
after(() => rmSync(folder, { recursive: true }));
const r = generator(41);

const statusOf = (pid, thread, name) =>
  new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))[1];

// LeakSanitizer looks into its own process from another, which the filter does not allow.
describe('seccomp', { skip: sanitized && 'skipped under a sanitizer' }, () => {
  test('is off unless it is asked for', async () => {
    const service = await start();
    assert.equal(statusOf(service.pid, service.pid, 'Seccomp'), '0');
    await service.stop();
  });

  for (const mode of ['log', 'on'])
    test(`${mode}: every thread is filtered, and all that is served works`, async () => {
      const conf = join(folder, `${mode}.conf`);
      writeFileSync(conf, `seccomp = ${mode}\n`);
      const service = await start(['--config', conf, '--metrics-port', '0', '--workers', '2']);
      for (const thread of readdirSync(`/proc/${service.pid}/task`)) {
        assert.equal(statusOf(service.pid, thread, 'Seccomp'), '2');
        assert.equal(statusOf(service.pid, thread, 'NoNewPrivs'), '1');
      }
      await compute(service, { sequences: r.tensor(3, 4) });
      await compute(service, { sequences: r.tensor(900, 64), heads: 16, maps: 'heads', precision: 4 }); // by windows
      await compute(service, { sequences: r.tensor(200, 16), method: { name: 'nystrom', landmarks: 8 } });
      assert.equal((await attention(service, '{')).status, 400);
      for (const path of ['/readyz', '/v1/info', '/openapi.json']) assert.equal((await get(service, path)).status, 200);
      const metrics = /metrics_address=\S+:(\d+)/.exec(service.log)[1];
      const { text } = await get({ url: `http://127.0.0.1:${metrics}` }, '/metrics');
      assert.match(text, /^process_open_fds [1-9]/m);
      assert.match(text, /^process_resident_memory_bytes [1-9]/m);
      service.signal('SIGHUP');
      await sleep(200);
      assert.match(service.log, /event=reloaded log_level=info\n/);
      const env = cleanEnvironment({ ATTENTIOND_PORT: `${service.port}` });
      assert.equal(spawnSync(binary, ['--probe'], { env }).status, 0);
      await service.stop();
    });
});

// Nobody else may remove files: see tests/service/test_syscall_filter.c.
test('a socket file is removed at the end, filtered or not', { skip: sanitized && 'skipped under a sanitizer' }, async () => {
  for (const word of ['off', 'on']) {
    const path = join(folder, word);
    const service = await start(['--seccomp', word, '--bind', `unix:${path}`]);
    assert.ok(existsSync(path));
    await service.stop();
    assert.ok(!existsSync(path), word);
  }
});

test('threat 122: it leaves no core dump, and others of its user cannot read its memory', async () => {
  for (const [word, soft] of [['off', '0'], ['on', /.*/]]) {
    const service = await start(['--core-dumps', word]);
    const limit = /^Max core file size\s+(\S+)/m.exec(readFileSync(`/proc/${service.pid}/limits`, 'utf8'))[1];
    assert.match(limit, new RegExp(soft));
    await service.stop();
  }
});

test('threat 121: a file of settings that anybody may write is warned of', async () => {
  const conf = join(folder, 'open.conf');
  writeFileSync(conf, 'workers = 1\n');
  chmodSync(conf, 0o666);
  const service = await start(['--config', conf]);
  assert.match(service.log, /level=warn event=writable_by_all file=\S*open\.conf /);
  await service.stop();
});
