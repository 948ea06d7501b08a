// What the system gives the process, and what it makes of that.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { binary, checkEnd, cleanEnvironment, sanitized, until } from './support/service.js';

test('what cannot be printed is said, and fails', () => {
  const { status, stderr } = spawnSync('sh', ['-c', 'exec "$0" --help >/dev/full', binary], {
    env: cleanEnvironment(),
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.equal(stderr, 'attentiond: this cannot be printed\n');
});

// Each connection is a descriptor, and some are needed besides.
for (const [descriptors, connections] of [
  [100, 50],
  [300, 236],
])
  test(`of ${descriptors} descriptors ${connections} are for connections, and that is said`, async () => {
    const child = spawn('sh', ['-c', `ulimit -n ${descriptors} && exec "$0" --port 0 --log-format json`, binary], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const service = { log: '' };
    const ended = new Promise((resolve) =>
      child.on('close', (code, signal) => resolve((service.exited = { code, signal }))),
    );
    child.stderr.on('data', (text) => (service.log += text));
    await until('it is ready', () => /"event":"ready"/.test(service.log) || service.exited);
    child.kill('SIGTERM');
    await ended;
    checkEnd(service);
    const lines = service.log.trim().split('\n').map((line) => JSON.parse(line));
    const said = lines.find(({ event }) => event === 'descriptors');
    assert.equal(said?.limit, descriptors, service.log);
    assert.equal(said.connection_limit, connections);
  });

// With as many flags as take some 200 ms of CPU to read, so that there is time to hit it
// there; given back when it has begun to. Before its first instruction a signal is the
// loader's, and ends it as it would any program.
async function startReading(more) {
  const flags = Array(sanitized ? 20000 : 40000).fill('--log-level=info');
  const child = spawn(binary, [...flags, ...more], { env: cleanEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] });
  const service = { child, log: '', exited: null };
  service.ended = new Promise((resolve) =>
    child.on('close', (code, signal) => resolve((service.exited = { code, signal }))),
  );
  child.stderr.on('data', (text) => (service.log += text));
  const about = (file) => readFileSync(`/proc/${child.pid}/${file}`, 'latin1');
  const hangupIsBlocked = () => Number(/^SigBlk:\s*[0-9a-f]*([0-9a-f])$/m.exec(about('status'))[1]) & 1;
  const cpuMs = () => 10 * about('stat').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0);
  await until('it has begun', () => service.exited || hangupIsBlocked() || cpuMs() > (sanitized ? 250 : 80));
  if (!service.exited && hangupIsBlocked()) return service;
  child.kill('SIGKILL');
  return assert.fail('it reads its settings, and a SIGHUP would end it');
}

test('a SIGHUP waits from the first instruction on, however often it comes', async () => {
  const service = await startReading(['--port', '0']);
  await until('it is ready', () => {
    service.child.kill('SIGHUP');
    return /event=ready/.test(service.log) || service.exited;
  });
  await until('it has re-read its settings', () => /event=reloaded/.test(service.log) || service.exited);
  service.child.kill('SIGTERM');
  await service.ended;
  checkEnd(service);
});

test('who only asks for a text can be interrupted', async () => {
  const service = await startReading(['--print-config']);
  service.child.kill('SIGINT');
  assert.deepEqual(await service.ended, { code: null, signal: 'SIGINT' });
});
