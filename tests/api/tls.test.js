// TLS: as over a plain connection, whatever happens to certificates meanwhile.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  attention, compute, connections, fetchAnswer, get, postAndLeave, postAndWait, raw, readOn, request,
} from './support/client.js';
import { makeCertificate } from './support/certificates.js';
import { generator, heavyRequest } from './support/numbers.js';
import { binary, checkEnd, cleanEnvironment, sanitized, sleep, start, until } from './support/service.js';
import { agree, hear } from './support/sockets.js';

const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
after(() => rmSync(folder, { recursive: true }));

const at = (name) => join(folder, name);

// `name` in the place of what is in use, as one who renews it does.
function install(name) {
  for (const end of ['pem', 'key']) {
    copyFileSync(at(`${name}.${end}`), at('fresh'));
    renameSync(at('fresh'), at(`used.${end}`));
  }
}

makeCertificate(folder, 'one');
makeCertificate(folder, 'two');
install('one');
const flags = ['--tls-certificate', at('used.pem'), '--tls-key', at('used.key')];

const r = generator(31);
const small = JSON.stringify({ sequences: r.tensor(40, 16), heads: 4, id: 'small' });
const map = { sequences: r.tensor(1400, 8), id: 'large' };

// Its client trusts a certificate of its own, so that the one in use can be replaced.
async function startSecure(more = []) {
  const service = await start([...flags, ...more]);
  service.certificate = at('both.pem');
  return service;
}
writeFileSync(at('both.pem'), readFileSync(at('one.pem'), 'utf8') + readFileSync(at('two.pem'), 'utf8'));

// The common name that a new connection is shown.
const shown = async (service) => (await agree(service, { rejectUnauthorized: false })).name;

const series = async (service, name) =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get(service, '/metrics')).text)[1]);

// But for the times they took.
const alike = (one, other) => {
  const [a, b] = [one, other].map(({ text }) => text.replace(/"timing":\{[^}]*\}/, ''));
  assert.ok(a === b, `${a.slice(0, 200)}\n${b.slice(0, 200)}`);
};

describe('a service with a certificate', () => {
  let service, plain;
  before(async () => {
    const short = ['--header-timeout', '600ms', '--body-timeout', sanitized ? '4s' : '1s'];
    const filtered = ['--seccomp', sanitized ? 'off' : 'on'];
    service = await startSecure([...short, ...filtered, '--workers', '2', '--queue-wait', '60min']);
    plain = await start(['--workers', '2']);
  });
  after(async () => {
    await service.stop();
    await plain.stop();
    assert.doesNotMatch(service.log, /PRIVATE|BEGIN/);
  });

  test('answers with the same bytes as a plain one', async () => {
    const worked = { sequences: [[1, 0], [0, 1], [1, 1]], heads: 1, id: 'worked' };
    for (const body of [worked, small]) alike(await compute(service, body), await compute(plain, body));
    for (const path of ['/', '/livez', '/v1/attention', '/v1/nothing'])
      assert.equal((await get(service, path)).status, (await get(plain, path)).status);
  });

  test('streams an answer of over 20 MiB, and reads a body of 12 MiB', async () => {
    const large = await readOn(await postAndWait(service, map));
    assert.ok(large.text.length > 20 << 20, `${large.text.length}`);
    alike(large, await readOn(await postAndWait(plain, map)));
    alike(await compute(service, small + ' '.repeat(12 << 20)), await compute(plain, small));
  });

  test('keeps connections, and negotiates HTTP/1.1', async () => {
    const twice = [`${service.url}/livez`, '-o', '/dev/null', `${service.url}/livez`, '-o', '/dev/null'];
    const out = execFileSync('curl', ['-sv', '--cacert', service.certificate, ...twice, '-w', '%{num_connects}\n'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.equal(out, '1\n0\n');
    const options = { ca: readFileSync(service.certificate), ALPNProtocols: ['h2', 'http/1.1'] };
    const { alpn, protocol } = await agree(service, options);
    assert.deepEqual([alpn, protocol], ['http/1.1', 'TLSv1.3']);
  });

  test('speaks TLS 1.2 and 1.3, nothing older, and no weak suites', () => {
    const connect = (...args) =>
      spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${service.port}`, ...args], {
        input: '',
        encoding: 'utf8',
        timeout: 5000,
      }).status;
    assert.equal(connect('-tls1_3'), 0);
    assert.equal(connect('-tls1_2'), 0);
    assert.notEqual(connect('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'), 0);
    assert.notEqual(connect('-tls1', '-cipher', 'DEFAULT@SECLEVEL=0'), 0);
    for (const suite of ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'AES128-GCM-SHA256'])
      assert.notEqual(connect('-tls1_2', '-cipher', suite), 0, suite);
    assert.equal(connect('-tls1_2', '-cipher', 'ECDHE-ECDSA-CHACHA20-POLY1305'), 0);
  });

  test('cuts handshakes that stall, for next to no CPU; others are served (threat 92)', async (t) => {
    const cpuMs = () => {
      const fields = readFileSync(`/proc/${service.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return 10 * (Number(fields[11]) + Number(fields[12]));
    };
    const failed = await series(service, 'attentiond_tls_handshakes_failed_total');
    const beganCpu = cpuMs();
    // The start of a client's first record, of which the rest never comes.
    const begun = Buffer.from('1603010200010001', 'hex');
    const closed = Array.from({ length: 40 }, async () => (await hear(service, begun)).ms);
    assert.equal((await get(service, '/livez')).status, 200);
    const times = await Promise.all(closed);
    const used = cpuMs() - beganCpu;
    t.diagnostic(`cut after ${Math.min(...times)} to ${Math.max(...times)} ms, ${used} ms of CPU`);
    assert.ok(Math.min(...times) > 550 && Math.max(...times) < (sanitized ? 8000 : 2500), `${times}`);
    assert.ok(sanitized || used < 300, `${used} ms`);
    assert.equal(await series(service, 'attentiond_tls_handshakes_failed_total'), failed + 40);
  });

  test('tells who sends too slowly, through the session (threats 14, 92)', async () => {
    const head = 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
    const beginnings = [`${head}Content-Length: 9\r\n\r\n{`, `${head}X-A: `];
    for (const answer of await Promise.all(beginnings.map((bytes) => raw(service, bytes, { silenceMs: 5000 })))) {
      assert.equal(answer.status, 408);
      assert.ok(answer.closed);
      assert.equal(answer.after.length, 0);
    }
  });

  test('closes what is plain HTTP', async () => {
    const { bytes } = await hear(service, 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.ok(bytes.length < 16 && !bytes.includes('HTTP'), bytes.toString('latin1'));
  });

  test('refuses what can be read in two ways, and runs nothing behind it (threats 1, 17)', async () => {
    const head = 'POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
    const hidden = `${head}Content-Length: ${small.length}\r\n\r\n${small}`;
    const counted = () => series(service, 'attentiond_sequences_total');
    const before = await counted();
    for (const framing of ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n']) {
      const answer = await raw(service, head + framing + hidden);
      assert.equal(answer.status, 400);
      assert.ok(answer.closed);
      assert.equal(answer.after.length, 0);
    }
    assert.equal(await counted(), before);
  });

  test('cancels the work of who leaves (threat 95)', async () => {
    const cancelled = () => series(service, 'attentiond_requests_total\\{route="/v1/attention",code="499"\\}');
    const before = await cancelled();
    const body = heavyRequest(sanitized ? 1 / 20 : 1);
    const leave = Array.from({ length: 3 }, () => postAndLeave(service, body));
    await until('they are there', async () => (await series(service, 'attentiond_in_flight_requests')) >= 4);
    leave.forEach((one) => one());
    await until('their work is dropped', async () => (await cancelled()) === before + 3);
    await until('nothing is left', async () => (await series(service, 'attentiond_in_flight_requests')) === 1);
  });

  test('is asked by --probe over TLS', () => {
    const ask = (...args) =>
      spawnSync(binary, ['--probe', '--port', `${service.port}`, ...args], { env: cleanEnvironment(), encoding: 'utf8' });
    assert.deepEqual([ask(...flags).status, ask(...flags).stdout], [0, 'ready\n']);
    assert.equal(ask().status, 1);
  });
});

test('a certificate is replaced under load, and nobody notices', async (t) => {
  const service = await startSecure(['--seccomp', sanitized ? 'off' : 'on']);
  const agent = connections(8, true, service);
  let going = true;
  const counts = { kept: 0, fresh: 0 };
  const client = async (which, chosen) => {
    for (; going; counts[which]++) {
      const answer = await fetchAnswer(service, chosen, 'POST', '/v1/attention', small);
      assert.equal(answer.status, 200);
    }
  };
  const all = [
    ...Array.from({ length: 6 }, () => client('kept', agent)),
    ...Array.from({ length: 3 }, () => client('fresh', connections(1, false, service))),
  ];
  const reload = async (name, lines) => {
    install(name);
    service.signal('SIGHUP');
    await until('it is reloaded', () => service.log.split('event=reloaded tls_certificate').length === lines);
    assert.equal(await shown(service), name);
  };
  assert.equal(await shown(service), 'one');
  for (let round = 1; round <= 8; round++) {
    await reload(round % 2 ? 'two' : 'one', round + 1);
    await sleep(100);
  }
  await until('both kinds were served', () => counts.kept > 20 && counts.fresh > 10);
  going = false;
  await Promise.all(all);
  agent.destroy();
  t.diagnostic(JSON.stringify(counts));

  copyFileSync(at('two.key'), at('used.key')); // of another certificate
  service.signal('SIGHUP');
  await until('it says so', () => /level=error event=reload error="tls_key: .*used\.key: is not the key/.test(service.log));
  assert.equal(await shown(service), 'one');
  await compute(service, small);
  install('one');
  await service.stop();
});

test('SIGTERM under load over TLS: every accepted request is answered', async (t) => {
  const service = await startSecure();
  const outcomes = {};
  const count = (what) => (outcomes[what] = (outcomes[what] ?? 0) + 1);
  const agent = connections(12, true, service);
  let gone = false;
  const client = async (chosen) => {
    while (!gone) {
      try {
        count((await fetchAnswer(service, chosen, 'POST', '/v1/attention', small)).status);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        // A kept connection may be closed for resting just while something is sent over it.
        const rested = error.reused && ['ECONNRESET', 'EPIPE'].includes(error.code);
        count(rested ? 'rested' : (error.code ?? error.message));
        gone ||= error.code === 'ECONNREFUSED';
      }
    }
  };
  const all = Array.from({ length: 16 }, (_, i) => client(i < 12 ? agent : connections(1, false, service)));
  await until('it is busy', () => outcomes[200] > 20);
  service.signal('SIGTERM');
  await Promise.all(all);
  agent.destroy();
  await service.ended;
  checkEnd(service);
  t.diagnostic(JSON.stringify(outcomes));
  const { 200: computed, 503: refused, ECONNREFUSED, rested, ...lost } = outcomes;
  assert.match(service.log, /\bunanswered=0\b/);
  if (sanitized) delete lost.ECONNRESET; // a handshake may take longer than the service waits
  assert.deepEqual(lost, {}, 'requests that were accepted and not answered');
});

test('the listener of the metrics speaks TLS, too', async () => {
  const service = await startSecure(['--metrics-port', '0']);
  const port = Number(/metrics_address=127\.0\.0\.1:(\d+)/.exec(service.log)[1]);
  const metrics = { ...service, url: `https://127.0.0.1:${port}` };
  const { text } = await request(metrics, 'GET', '/metrics');
  const expiry = Number(/^attentiond_tls_certificate_expiry_timestamp_seconds (\S+)$/m.exec(text)[1]);
  assert.ok(Math.abs(expiry - Date.now() / 1000 - 2 * 86400) < 600, `${expiry}`);
  await service.stop();
});

describe('what cannot be used ends the start with exit code 78 and one line', () => {
  writeFileSync(at('nothing'), 'nothing\n');
  makeCertificate(folder, 'rsa', ['-newkey', 'rsa:2048']);
  const cases = [
    [['--tls-key', at('one.key')], /^attentiond: tls_certificate and tls_key belong together: set both, or neither\n$/],
    [['--tls-certificate', at('one.pem')], /^attentiond: tls_certificate and tls_key belong together/],
    [['--tls-certificate', at('none'), '--tls-key', at('one.key')], /^attentiond: tls_certificate: .*none: No such file or directory\n$/],
    [['--tls-certificate', at('one.pem'), '--tls-key', at('nothing')], /^attentiond: tls_key: .*nothing: is not a private key in PEM/],
    [['--tls-certificate', at('nothing'), '--tls-key', at('one.key')], /^attentiond: tls_certificate: .*nothing: is not a certificate in PEM\n$/],
    [['--tls-certificate', at('one.pem'), '--tls-key', at('rsa.key')], /^attentiond: tls_key: .*rsa\.key: is not the key of the first certificate in .*one\.pem\n$/],
  ];
  for (const [args, expected] of cases)
    test(`${args.map((arg) => arg.replace(/.*\//, '')).join(' ')} (threat 120)`, () => {
      for (const more of [['--check-config'], ['--port', '0']]) {
        const options = { env: cleanEnvironment(), encoding: 'utf8', timeout: 10000 };
        const { status, stderr } = spawnSync(binary, [...args, ...more], options);
        assert.equal(status, 78, stderr);
        assert.match(stderr, expected);
      }
    });

  test('a key of the other kind works', async () => {
    const service = await start(['--tls-certificate', at('rsa.pem'), '--tls-key', at('rsa.key')]);
    assert.equal((await attention(service, small)).status, 200);
    await service.stop();
  });
});
