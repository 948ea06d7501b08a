// A worker that never comes back from a task: it is told of, counted, and does not keep the
// service from ending. OpenBLAS is made to hang by a library that is loaded before it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { attention, compute, get } from './support/client.js';
import { generator } from './support/numbers.js';
import { sanitized, start, until } from './support/service.js';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
after(() => rmSync(folder, { recursive: true }));
const library = join(folder, 'hanging.so');
const skip = sanitized && 'skipped: a sanitizer wants to be loaded first';

// The self test multiplies 128 rows; whoever multiplies others hangs.
const source = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <unistd.h>
  void cblas_sgemm(int o, int ta, int tb, int m, int n, int k, float al, const float *a, int la,
                   const float *b, int lb, float be, float *c, int lc)
  {
      void (*real)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                   float, float *, int) = dlsym(RTLD_NEXT, "cblas_sgemm");
      while (m != 128)
          pause();
      real(o, ta, tb, m, n, k, al, a, la, b, lb, be, c, lc);
  }`;

before(() => {
  if (skip) return;
  const path = join(folder, 'hanging.c');
  writeFileSync(path, source);
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', library, path], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

const r = generator(31);
const hanging = { sequences: r.tensor(100, 16), method: { name: 'nystrom', landmarks: 8 } };
const waiting = { sequences: r.tensor(300, 32), heads: 4 };

const series = async (service, name) =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get(service, '/metrics')).text)[1]);
const stuck = (service, count) =>
  until(`${count} stuck`, async () => (await series(service, 'attentiond_workers_stuck')) === count, 5000);

test('a stuck worker is reported once, and the exit still comes', { skip }, async () => {
  const service = await start(['--workers', '2', '--task-timeout', '200ms', '--drain-timeout', '300ms'], {
    LD_PRELOAD: library,
  });
  const first = attention(service, hanging, { 'X-Request-Id': 'the-first' });
  await stuck(service, 1);
  assert.match(service.log, /level=error event=worker_stuck worker=[12] id=the-first stage=compute ms=\d+\n/);
  assert.equal((await get(service, '/readyz')).status, 200);
  await compute(service, waiting); // by the other one

  const second = attention(service, hanging);
  await stuck(service, 2);
  const { status, json } = await get(service, '/readyz');
  assert.deepEqual([status, json.type], [503, 'urn:attentiond:problem:not-ready']);
  await compute(service, { sequences: [[1]] }); // where it arrived
  const third = attention(service, waiting);
  await until('it waits', async () => (await series(service, 'attentiond_queue_depth')) === 1);
  assert.equal(service.log.match(/event=worker_stuck/g).length, 2);

  const begun = Date.now();
  service.signal('SIGTERM');
  for (const answer of await Promise.all([first, second, third])) {
    assert.equal(answer.status, 503);
    assert.equal(answer.json.type, 'urn:attentiond:problem:shutting-down');
  }
  const { code, signal } = await service.ended;
  assert.deepEqual([code, signal], [70, null], service.log);
  assert.match(service.log, /event=hung exit_code=70\n$/);
  assert.ok(Date.now() - begun < 8000, `${Date.now() - begun} ms`);
});
