// Flags, variables and the file; what the command line answers by itself.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { compute, get, request } from './support/client.js';
import { binary, checkEnd, cleanEnvironment, start, until } from './support/service.js';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text) {
  const path = join(folder, `${files++}.conf`);
  writeFileSync(path, text);
  return path;
}

function run(args, environment = {}) {
  const env = cleanEnvironment(environment);
  const { status, stdout, stderr } = spawnSync(binary, args, { env, encoding: 'utf8', timeout: 10000 });
  return { status, stdout, stderr };
}

// The table of --print-config: {queue_depth: [value, source]}
function printed(args, environment) {
  const { status, stdout, stderr } = run(['--print-config', ...args], environment);
  assert.equal(status, 0, stderr);
  return Object.fromEntries(
    stdout
      .split('\n')
      .map((line) => /^(\w+) *= *(.*?) *# *(.*)$/.exec(line))
      .filter(Boolean)
      .map(([, key, value, source]) => [key, [value.replace(/^"(.*)"$/, '$1'), source]]),
  );
}

describe('what is asked of the program alone', () => {
  test('--version', () => {
    const { status, stdout } = run(['--version']);
    assert.equal(status, 0);
    assert.match(stdout, /^attentiond \d+\.\d+\.\d+\n/);
  });

  test('--help names every setting with its flag', () => {
    const { status, stdout } = run(['--help']);
    assert.equal(status, 0);
    for (const key of Object.keys(printed([])))
      assert.match(stdout, new RegExp(`--${key.replaceAll('_', '-')}\\b`));
    for (const flag of ['config', 'help', 'version', 'check-config', 'print-config', 'probe'])
      assert.match(stdout, new RegExp(`--${flag}\\b`));
    for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
  });

  test('--check-config says that it is well', () => {
    assert.equal(run(['--check-config']).status, 0);
    assert.equal(run(['--check-config', '--workers', '3']).status, 0);
  });

  test('--probe asks the service that its settings name', async () => {
    const service = await start();
    const port = `${service.port}`;
    assert.equal(run(['--probe', '--port', port]).status, 0);
    assert.equal(run(['--probe'], { ATTENTIOND_PORT: port }).status, 0);
    await service.stop();
    const { status, stdout } = run(['--probe', '--port', port]);
    assert.notEqual(status, 0);
    assert.match(stdout, /^not ready: .*\n$/);
  });

  test('--probe is not well while it drains', async () => {
    const service = await start(['--drain-delay', '1s']);
    service.signal('SIGTERM');
    await until('it drains', () => /draining/.test(service.log));
    assert.notEqual(run(['--probe', '--port', `${service.port}`]).status, 0);
    await service.ended;
    checkEnd(service);
  });
});

describe('precedence', () => {
  const conf = file('workers = 2\nqueue_depth = 5 # few\nlog_format = "json"\n');

  test('flag beats variable beats file beats default', () => {
    const config = printed(['--config', conf, '--workers', '4'], {
      ATTENTIOND_WORKERS: '3',
      ATTENTIOND_QUEUE_DEPTH: '6',
    });
    assert.equal(config.workers[0], '4');
    assert.match(config.workers[1], /--workers/);
    assert.equal(config.queue_depth[0], '6');
    assert.match(config.queue_depth[1], /ATTENTIOND_QUEUE_DEPTH|environment|variable/);
    assert.equal(config.log_format[0], 'json');
    assert.match(config.log_format[1], /file|\.conf/);
    assert.match(config.timeout[1], /default/);
  });

  test('--name=value and ATTENTIOND_CONFIG', () => {
    const config = printed(['--timeout=1500ms'], { ATTENTIOND_CONFIG: conf });
    assert.equal(config.queue_depth[0], '5');
    assert.match(config.timeout[0], /^1500 ?ms$/);
  });

  test('sizes and times have units', () => {
    const config = printed([
      '--body-limit',
      '2MiB',
      '--timeout',
      '1min',
      '--header-limit',
      '2048',
      '--queue-wait',
      '3s',
    ]);
    assert.match(config.body_limit[0], /^2 ?MiB$/);
    assert.match(config.timeout[0], /^(1 ?min|60 ?s)$/);
    assert.match(config.header_limit[0], /^2 ?KiB$/);
  });

  test('what is printed is a file that says the same', () => {
    const text = run(['--print-config', '--workers', '5', '--timeout', '7s']).stdout;
    const again = printed(['--config', file(text)]);
    assert.equal(again.workers[0], '5');
    assert.match(again.workers[1], /file|\.conf/);
  });

  test('the shipped file holds every setting, commented out', () => {
    const shipped = new URL('../../config/attentiond.conf', import.meta.url).pathname;
    assert.equal(run(['--check-config', '--config', shipped]).status, 0);
    const text = readFileSync(shipped, 'utf8');
    const config = printed(['--config', shipped]);
    for (const [key, [, source]] of Object.entries(config)) {
      assert.match(text, new RegExp(`^# *${key} *=`, 'm'));
      assert.match(source, /default/);
    }
    const uncommented = file(text.replace(/^# *(\w+ *=)/gm, '$1'));
    assert.equal(run(['--check-config', '--config', uncommented]).status, 0);
  });

  test('the settings reach the service', async () => {
    const service = await start(['--config', file('max_tokens = 7\nmax_heads = 3\n'), '--timeout', '9s'], {
      ATTENTIOND_WORKERS: '3',
    });
    const { json } = await get(service, '/v1/info');
    assert.equal(json.limits.max_tokens, 7);
    assert.equal(json.limits.max_heads, 3);
    assert.equal(json.limits.timeout_ms, 9000);
    assert.equal(json.workers, 3);
    await service.stop();
  });
});

test('settings that are wrong by the time of a SIGHUP are said, and change nothing', async () => {
  const path = file('max_tokens = 9\n');
  const service = await start(['--config', path]);
  writeFileSync(path, 'max_tokens = 3\nlog_levle = warn\n');
  service.signal('SIGHUP');
  const line = await until('it is said', () => /^.*event=reload .*$/m.exec(service.log)?.[0]);
  assert.match(line, /level=error .*log_levle.*did you mean log_level\?/);
  assert.equal((await get(service, '/v1/info')).json.limits.max_tokens, 9);
  await service.stop();
});

describe('threat 120: a wrong setting stops the start with exit code 78 and one line', () => {
  const cases = {
    'an unknown flag': [['--queue-dept', '5'], {}, /queue.depth/],
    'an unknown variable': [[], { ATTENTIOND_WORKER: '5' }, /workers|WORKERS/],
    'an unknown key in the file': [['--config', file('body_limt = 5MiB\n')], {}, /body_limit/],
    'a flag without value': [['--workers'], {}, /workers/],
    'a word that is no flag': [['serve'], {}, /serve/],
    'too many workers': [['--workers', '257'], {}, /256/],
    'no workers': [['--workers', '0'], {}, /\b1\b/],
    'half a worker': [['--workers', '1.5'], {}, /workers/],
    'minus one': [['--queue-depth', '-1'], {}, /queue.depth/],
    nothing: [['--workers', ''], {}, /workers/],
    'a port beyond 65535': [['--port', '65536'], {}, /65535/],
    'a size without a unit we know': [['--body-limit', '5MB'], {}, /MiB/],
    'a size beyond 64 bits': [['--body-limit', '99999999999999999999GiB'], {}, /body.limit/],
    'a time without a unit': [['--timeout', '30'], {}, /timeout/],
    'another log level': [['--log-level', 'loud'], {}, /debug.*info.*warn.*error/],
    'a variable out of bounds': [[], { ATTENTIOND_MAX_HEADS: '0' }, /ATTENTIOND_MAX_HEADS|max_heads/],
    'a value out of bounds in the file': [
      ['--config', file('\nworkers = 1000\n')],
      {},
      /\b2\b.*workers|workers.*\b2\b|256/,
    ],
    'a line that is none': [['--config', file('workers\n')], {}, /1/],
    'a key twice': [['--config', file('workers = 1\nworkers = 2\n')], {}, /workers/],
    'a file that is not there': [['--config', join(folder, 'none.conf')], {}, /none\.conf/],
    'a socket file without a path': [['--bind', 'unix:'], {}, /bind: unix: needs a path of 1 to 107 bytes/],
    'an address that is none': [['--bind', '300.1.1.1'], {}, /^attentiond: bind: 300\.1\.1\.1 is neither/],
    'an address and its port in one': [['--bind', '127.0.0.1:8080'], {}, /^attentiond: bind: /],
    'half an address in brackets': [[], { ATTENTIOND_BIND: '[::1' }, /^attentiond: bind: \[::1 /],
    'metrics at an address that is none': [['--metrics-bind', '1.2.3.4.5'], {}, /^attentiond: metrics_bind: 1\.2\.3\.4\.5 /],
    'metrics at a path that is too long': [['--metrics-bind', `unix:/${'x'.repeat(107)}`], {}, /^attentiond: metrics_bind: unix: /],
    'a folder as file': [['--config', folder], {}, /./],
  };
  for (const [name, [args, environment, says]] of Object.entries(cases))
    test(name, () => {
      for (const more of [[], ['--check-config']]) {
        const { status, stdout, stderr } = run([...args, ...more], environment);
        assert.equal(status, 78, stderr);
        assert.equal(stdout, '');
        assert.equal(stderr.trim().split('\n').length, 1, stderr);
        assert.match(stderr, says);
      }
    });

  test('a name that is not resolved, or an address of another machine, is no wrong setting, but stops the start, too', () => {
    for (const address of ['nowhere.invalid', '192.0.2.1', '2001:db8::1']) {
      const { status, stderr } = run(['--bind', address, '--port', '0']);
      assert.equal(status, 1, stderr);
      assert.ok(stderr.includes(address), stderr);
      assert.equal(stderr.trim().split('\n').length, 1);
      assert.equal(run(['--check-config', '--bind', address]).status, 0);
    }
  });

  test('a port that is taken is no wrong setting, but stops the start, too', async () => {
    const service = await start();
    const { status, stderr } = run(['--port', `${service.port}`]);
    assert.equal(status, 1, stderr);
    assert.match(stderr, new RegExp(`${service.port}`));
    await compute(service, { sequences: [[1]] });
    await service.stop();
  });
});

test('the variables Kubernetes sets for a service of this name are passed over', async () => {
  const environment = {
    ATTENTIOND_PORT: 'tcp://10.0.0.1:8080',
    ATTENTIOND_SERVICE_HOST: '10.0.0.1',
    ATTENTIOND_SERVICE_PORT: '8080',
  };
  assert.equal(run(['--check-config'], environment).status, 0);
});

test('a socket file is listened on', async () => {
  const path = join(folder, 'socket');
  const child = spawn(binary, ['--bind', `unix:${path}`], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  const service = { url: 'http://localhost' };
  const answer = await until('an answer', () =>
    request(service, 'GET', '/readyz', { args: ['--unix-socket', path] }).catch(() => null),
  );
  child.kill('SIGTERM');
  checkEnd({ log, exited: await ended });
  assert.equal(answer.json.status, 'ready');
});
