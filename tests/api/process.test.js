// What the system gives the process, and what it makes of that.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { binary, checkEnd, cleanEnvironment, until } from './support/service.js';

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
