// Clients that are slow, leave, or are too many.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { attention, compute, connections, fetchAnswer, get, postAndLeave, postAndWait, raw } from './support/client.js';
import { generator, heavyRequest, toBase64 } from './support/numbers.js';
import { cpuMs, descriptors, residentMiB, series } from './support/observe.js';
import { open } from './support/sockets.js';
import { sanitized, sleep, start, until } from './support/service.js';

const slack = sanitized ? 5 : 1; // of times
const heavy = heavyRequest(sanitized ? 1 / 20 : 1 / 2);
const small = '{"sequences":[[1,2],[3,4]]}';
const head = (...lines) =>
  ['POST /v1/attention HTTP/1.1', 'Host: a', 'Content-Type: application/json', ...lines, '', ''].join('\r\n');
const post = (body) => head(`Content-Length: ${body.length}`) + body;

let service; // whose times are short
before(async () => {
  const times = '--header-timeout 600ms --body-timeout 1200ms --write-timeout 600ms --idle-timeout 1500ms';
  service = await start([...times.split(' '), '--workers', '2', '--connection-requests', '5', '--body-limit', '1MiB']);
});
after(() => service.stop());

// The answer's id is found in the log, once.
async function timedOut(answer, atLeastMs, setting) {
  assert.ok(answer.closed);
  assert.equal(answer.status, 408, answer.text);
  assert.equal(answer.json.type, 'urn:attentiond:problem:request-timeout');
  assert.match(answer.json.detail, new RegExp(setting));
  assert.ok(answer.ms >= 0.8 * atLeastMs && answer.ms < slack * (atLeastMs + 2500), `${answer.ms} ms`);
  const line = new RegExp(`event=request id=${answer.headers['x-request-id']} .*status=408.*error=request-timeout`, 'g');
  await until('its line', () => service.log.match(line)?.length === 1);
}

const trickle = (text, everyMs) => async (socket) => {
  while (!socket.destroyed && socket.writable) {
    socket.write(text, () => {});
    await sleep(everyMs);
  }
};

describe('deadlines and rests', { concurrency: true }, () => {
  test('threats 14, 92: a body that stops coming is answered 408', async () => {
    await timedOut(await raw(service, head('Content-Length: 20') + '{"seq', { silenceMs: 9000 }), 1200, 'body_timeout');
  });

  test('threat 92: a body that trickles is cut at its deadline', async () => {
    const answer = await raw(service, head('Content-Length: 1000'), { silenceMs: 9000, meanwhile: trickle(' ', 100) });
    await timedOut(answer, 1200, 'body_timeout');
  });

  test('threat 92: a head that trickles is cut at its deadline', async () => {
    const first = 'POST /v1/attention HTTP/1.1\r\nHost: a\r\n';
    await timedOut(await raw(service, first, { silenceMs: 9000, meanwhile: trickle('X: y\r\n', 100) }), 600, 'header_timeout');
  });

  test('threat 92: so is a request line', async () => {
    await timedOut(await raw(service, 'POST /v1/at', { silenceMs: 9000 }), 600, 'header_timeout');
  });

  test('threat 27: a TLS hello on the plain port is closed at the header deadline', async () => {
    const hello = Buffer.from(`16030100c8010000c40303${'5a'.repeat(32)}20${'a5'.repeat(40)}`, 'hex');
    const begun = Date.now();
    const socket = await open(service);
    socket.on('error', () => {});
    socket.write(hello);
    socket.resume();
    await new Promise((resolve) => socket.on('close', resolve));
    assert.ok(Date.now() - begun < slack * 3000);
  });

  test('threat 92: one that never sends a byte is closed without a word', async () => {
    const { closed, status, ms } = await raw(service, '', { silenceMs: 9000 });
    assert.ok(closed && status === undefined && ms >= 500 && ms < slack * 3000, `${ms} ms`);
  });

  test('threat 98: a connection rests for idle_timeout, and has so many requests', async () => {
    const rests = await raw(service, post(small), { sent: small, silenceMs: 9000 });
    assert.equal(rests.status, 200);
    assert.ok(rests.closed && rests.ms >= 1400 && rests.ms < slack * 4000, `${rests.ms} ms`);

    const many = await raw(service, post(small).repeat(7), { sent: small, silenceMs: 9000 });
    assert.ok(many.closed && many.ms < 1400 * slack, `${many.ms} ms`);
    assert.equal([...`${many.after}`.matchAll(/HTTP\/1\.1 200 /g)].length, 4);
    assert.equal([...`${many.after}`.matchAll(/Connection: close/g)].length, 1);
  });

  test('threat 93: a client that takes nothing of its answer is cut', async () => {
    const [before] = await series(service, 'attentiond_connections_cut_total');
    const response = await postAndWait(service, { sequences: generator(1).tensor(1000, 4) }); // 12 MB
    response.pause();
    response.on('error', () => {});
    const begun = Date.now();
    const cut = async () => (await series(service, 'attentiond_cancelled_total{stage="send"}'))[0] > 0;
    await until('it is cut', cut, 9000 * slack);
    assert.ok(Date.now() - begun >= 500, `${Date.now() - begun} ms`);
    assert.ok((await series(service, 'attentiond_connections_cut_total'))[0] > before);
    response.destroy();
  });

  test('threats 14, 92: a body below body_rate is cut long before its deadline', async () => {
    const patient = await start(['--workers', '1', '--body-timeout', '1min']);
    const bytes = ' '.repeat(820);
    const answer = await raw(patient, head('Content-Length: 10000000'), {
      silenceMs: 9000,
      meanwhile: trickle(bytes, 100), // 8 KiB/s
    });
    assert.equal(answer.status, 408);
    assert.match(answer.json.detail, /body_rate/);
    assert.ok(answer.ms >= 5000 && answer.ms < slack * 9000, `${answer.ms} ms`);
    await patient.stop();
  });

  test('threat 19: a million chunks of a byte are read, in little memory', async () => {
    const million = small.padEnd(sanitized ? 1e5 : 1e6);
    const some = [...small].map((c) => `1\r\n${c}\r\n`).join('');
    const bytes = some + '1\r\n \r\n'.repeat(million.length - small.length) + '0\r\n\r\n';
    const patient = await start(['--workers', '1']);
    await compute(patient, small);
    const before = residentMiB(patient.pid);
    const answer = await raw(patient, head('Transfer-Encoding: chunked', 'Connection: close') + bytes, { sent: million, silenceMs: 15000 * slack });
    assert.equal(answer.status, 200);
    if (!sanitized) assert.ok(residentMiB(patient.pid) - before < 24, `${residentMiB(patient.pid) - before} MiB`);
    await patient.stop();
  });

  test('threat 94: connections at rest give way to who asks', async () => {
    const narrow = await start(['--workers', '1', '--connection-limit', '64']);
    const idle = await Promise.all(Array.from({ length: 64 }, () => open(narrow)));
    idle.forEach((socket) => socket.on('error', () => {}).resume());
    await sleep(1200);
    const statuses = [];
    for (let i = 0; i < 5; i++) {
      statuses.push((await attention(narrow, small)).status);
      await sleep(50);
    }
    assert.deepEqual(statuses.slice(1), [200, 200, 200, 200], `${statuses}`);
    assert.ok((await series(narrow, 'attentiond_connections'))[0] <= 64);
    idle.forEach((socket) => socket.destroy());
    await narrow.stop();
  });

  test('threat 89: out of descriptors accepting pauses, without spinning', async () => {
    const poor = await start(['--workers', '1']);
    await compute(poor, small);
    execFileSync('prlimit', ['--pid', `${poor.pid}`, `--nofile=${descriptors(poor.pid) + 8}`]);
    const many = await Promise.all(Array.from({ length: 40 }, () => open(poor)));
    many.forEach((socket) => socket.on('error', () => {}).resume());
    await until('it is noticed', () => /event=accept\b/.test(poor.log));
    const begun = cpuMs(poor.pid);
    await sleep(1000);
    if (!sanitized) assert.ok(cpuMs(poor.pid) - begun <= 100, `${cpuMs(poor.pid) - begun} ms of CPU in a second`);
    many.forEach((socket) => socket.destroy());
    await compute(poor, small);
    await poor.stop();
  });
});

describe('leaving', () => {
  test('threat 15: a body that is cut off by a FIN is no work, and counted', async () => {
    const name = 'attentiond_cancelled_total{stage="receive"}';
    const [before, computed] = await series(service, name, 'attentiond_sequences_total');
    const cut = post(small).slice(0, -5);
    const answer = await raw(service, cut, { meanwhile: (socket) => socket.end() });
    assert.ok(answer.closed && answer.ms < 1100 * slack, `${answer.ms} ms`);
    await until('it is counted', async () => (await series(service, name))[0] === before + 1);
    assert.equal((await series(service, 'attentiond_sequences_total'))[0], computed);
  });

  test('threat 96: who only stops sending is answered', async () => {
    const answer = await raw(service, post(small), { sent: small, meanwhile: (socket) => socket.end() });
    assert.equal(answer.status, 200);
    assert.ok(answer.closed);
  });

  test('threat 95: a reset in upload, compute and answer is counted, and nothing stays', async () => {
    const stages = ['receive', 'compute', 'send'].map((stage) => `attentiond_cancelled_total{stage="${stage}"}`);
    const before = await series(service, ...stages);
    const upload = await open(service);
    upload.write(head('Content-Length: 1000') + '{"seq');
    await sleep(100);
    upload.resetAndDestroy();

    const leave = postAndLeave(service, heavy);
    await until('it is computed', async () => (await series(service, 'attentiond_workers_busy'))[0] > 0);
    await sleep(50);
    leave();

    const response = await postAndWait(service, { sequences: generator(1).tensor(1000, 4) });
    response.on('error', () => {});
    response.socket.resetAndDestroy();
    await until('all are counted', async () => {
      const now = await series(service, ...stages);
      return now.every((count, i) => count > before[i]);
    });
    await until('nothing stays', async () => {
      const [busy, flight] = await series(service, 'attentiond_workers_busy', 'attentiond_in_flight_requests');
      return busy === 0 && flight === 1; // the scrape itself
    });
  });

  test('threat 97: a storm of connects and resets leaves nothing behind', async () => {
    await until('the others are gone', async () => (await series(service, 'attentiond_connections'))[0] === 1);
    const before = descriptors(service.pid);
    for (let i = 0; i < 20; i++) {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => open(service)));
      sockets.forEach((socket, n) => {
        if (n % 3 === 1) socket.write('GET /livez HT');
        if (n % 3 === 2) socket.write(post(small));
        socket.on('error', () => {});
        socket.resetAndDestroy();
      });
    }
    await until('they are closed', () => descriptors(service.pid) <= before + 2);
    await compute(service, small);
  });
});

describe('sizes', () => {
  test('threat 21: chunks without an end are cut at a hard limit', async () => {
    const socket = await open(service);
    const chunk = Buffer.from(`4000\r\n${' '.repeat(0x4000)}\r\n`);
    let closed = false;
    socket.on('close', () => (closed = true));
    socket.on('error', () => {});
    socket.resume();
    socket.write(head('Transfer-Encoding: chunked'));
    for (let sent = 0; !closed && sent < 1e9; sent += chunk.length)
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
    await until('it is closed', () => closed);
    assert.ok(socket.bytesWritten < 16 << 20, `${socket.bytesWritten}`);
  });

  test('threat 84: a body of 16 MiB - 1, 16 MiB, and one byte more', async () => {
    const ordinary = await start(['--workers', '1']);
    for (const [more, status] of [[-1, 200], [0, 200], [1, 413]]) {
      const answer = await attention(ordinary, small.padEnd((16 << 20) + more));
      assert.equal(answer.status, status, `${more}: ${answer.text.slice(0, 200)}`);
      if (status === 413) assert.equal(answer.json.type, 'urn:attentiond:problem:too-large');
    }
    await ordinary.stop();
  });
});

describe('too much', () => {
  test('threats 85-87: full is said at once, and what is late is not computed', async (t) => {
    const narrow = await start(['--workers', '1', '--queue-depth', '1']);
    const late = attention(narrow, { ...JSON.parse(heavy), timeout_ms: 150 }); // while it computes
    const computed = await late;
    assert.equal(computed.status, 504);
    assert.match(computed.json.detail, /150 ms \(timeout_ms\)/);

    const leave = postAndLeave(narrow, heavyRequest(sanitized ? 1 / 10 : 1));
    await until('it is computed', async () => (await series(narrow, 'attentiond_workers_busy'))[0] === 1);
    const sequences = toBase64(generator(2).tensor(sanitized ? 2000 : 8000, 4)); // 0.2 s alone
    const waiting = JSON.stringify({ sequences, heads: 4, maps: 'none', tensor_format: 'base64', timeout_ms: 40 });
    const agent = connections(30);
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => fetchAnswer(narrow, agent, 'POST', '/v1/attention', waiting)),
    );
    leave();
    const by = (status) => answers.filter((answer) => answer.status === status);
    assert.equal(by(503).length + by(504).length, 30, `${answers.map((answer) => answer.status)}`);
    assert.ok(by(503).length >= 10 && by(504).length >= 1, `${by(503).length} ${by(504).length}`);
    const ms = by(503).map((answer) => answer.ms);
    t.diagnostic(`30 at once, ${ms.length} refused, after ${Math.min(...ms).toFixed(1)} to ${Math.max(...ms).toFixed(1)} ms`);
    assert.ok(Math.min(...ms) < 250 * slack);
    for (const { headers } of by(503)) assert.match(headers['retry-after'], /^([1-9]|[1-5]\d|60)$/);
    const { json } = await get(narrow, '/metrics/requests?limit=100');
    const refused = json.requests.filter((one) => one.status === 503);
    assert.ok(refused.length >= 10 && refused.every((one) => one.compute_ms === null || one.compute_ms === undefined));
    agent.destroy();
    await narrow.stop();
  });
});
