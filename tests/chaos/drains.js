// Stops the service in the middle of full load, TIMES times in a row, and looks at every
// request that was written: it must be answered whole, or refused in words. Every tenth
// time it is killed as well and started again at once, on the same port and socket file.
//
//   node tests/chaos/drains.js [TIMES]        make drains TIMES=200
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generator } from '../api/support/numbers.js';
import { binary, checkEnd, cleanEnvironment, sanitized, sleep, start } from '../api/support/service.js';

const clients = 40; // half of them keep their connection
const drainTimeoutMs = 10000;
const longestLoadMs = 400;
const patienceMs = 30000;

const r = generator(21);
const request = (body, path = '/v1/attention') => {
  const text = JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
  return { head, text };
};
// Answered where it arrives, by a worker, by several.
const requests = [
  request({ sequences: r.tensor(3, 4) }),
  request({ sequences: r.tensor(60, 16), heads: 4 }),
  request({ sequences: r.tensor(300, 32), heads: 4, maps: 'none' }),
];

const answered = /^HTTP\/1\.1 (\d{3}) /;
const lengthOf = (head) => Number(/\r\nContent-Length: (\d+)\r\n/i.exec(head)?.[1]);

// One answer out of what a connection has received, or null while it is not whole.
function takeAnswer(connection) {
  const end = connection.bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = connection.bytes.subarray(0, end + 4).toString('latin1');
  const length = lengthOf(head);
  assert.ok(Number.isInteger(length), `no length in: ${head}`);
  if (connection.bytes.length < end + 4 + length) return null;
  const body = connection.bytes.subarray(end + 4, end + 4 + length);
  connection.bytes = connection.bytes.subarray(end + 4 + length);
  return { status: Number(answered.exec(head)[1]), body, close: /\r\nConnection: close\r\n/i.test(head) };
}

// Resolves to null when the service takes no more connections.
function connect(where, gone) {
  return new Promise((resolve) => {
    const socket = net.connect(where);
    const connection = { socket, bytes: Buffer.alloc(0), ended: null, wake: () => {} };
    const end = (how) => {
      connection.ended ??= how;
      connection.wake();
    };
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      connection.bytes = connection.bytes.length ? Buffer.concat([connection.bytes, chunk]) : chunk;
      connection.wake();
    });
    socket.on('end', () => end('closed'));
    socket.on('error', (error) => {
      resolve(null);
      end(error.code);
    });
    socket.on('close', () => end('closed'));
    socket.on('connect', () => resolve(connection));
    // A handshake that the kernel no longer answers: nothing was written over it.
    gone.then(() => {
      if (socket.connecting) socket.destroy(), resolve(null);
    });
  });
}

// Writes a request and waits for its answer: its status, or how it was lost.
async function exchange(connection, { head, text }, inTwo) {
  if (inTwo) {
    connection.socket.write(head);
    await sleep(3);
    connection.socket.write(text);
  } else connection.socket.write(head + text);

  const late = Date.now() + patienceMs;
  for (;;) {
    const answer = takeAnswer(connection);
    if (answer) return answer;
    if (connection.ended) return { lost: connection.bytes.length ? 'truncated' : connection.ended };
    if (Date.now() > late) return { lost: 'no answer in time' };
    await new Promise((resolve) => {
      connection.wake = resolve;
      setTimeout(resolve, patienceMs).unref();
    });
  }
}

// What an answer may be: the result, or a refusal that says why.
function kindOf(answer) {
  if (answer.lost) return `lost: ${answer.lost}`;
  const json = JSON.parse(answer.body);
  if (answer.status === 200) return Array.isArray(json.outputs) ? 'answered' : 'lost: no outputs';
  return answer.status === 503 && json.type === 'urn:attentiond:problem:shutting-down'
    ? 'refused'
    : `lost: status ${answer.status}`;
}

// How long this process was too busy to see what came, at most, since it was reset. A kept
// connection may be closed for resting meanwhile.
const lag = { ms: 0, last: Date.now() };
setInterval(() => {
  lag.ms = Math.max(lag.ms, Date.now() - lag.last - 10);
  lag.last = Date.now();
}, 10).unref();

async function client(number, where, gone, counts) {
  const keeps = number % 2 === 0;
  for (let n = number, connection = null; ; n++) {
    connection ??= await connect(where, gone);
    if (!connection) return;
    if (connection.ended) { // while nothing was under way: a plain close
      connection.socket.destroy();
      connection = null;
      continue;
    }
    const answer = await exchange(connection, requests[n % requests.length], n % 7 === 0);
    const closed = ['lost: closed', 'lost: ECONNRESET', 'lost: EPIPE'].includes(kindOf(answer));
    const kind = closed && lag.ms > 250 ? 'rested' : kindOf(answer);
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (!keeps || answer.lost || answer.close || connection.ended) {
      connection.socket.destroy();
      connection = null;
    }
  }
}

// Full load until the service is gone; `stop` is called after `ms` of it.
async function load(service, where, ms, stop) {
  const counts = {};
  lag.ms = 0;
  const all = Promise.all(
    Array.from({ length: clients }, (_, number) => client(number, where, service.ended, counts)),
  );
  await sleep(ms);
  const begun = Date.now();
  stop();
  await service.ended;
  const took = Date.now() - begun;
  await all;
  return { counts, took };
}

// A stop that comes while the service is only starting: it ends as well, by the signal or
// as soon as it is ready.
async function stopEarly() {
  const child = spawn(binary, ['--port', '0'], { env: cleanEnvironment(), stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)));
  await sleep(Math.random() * 25);
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), drainTimeoutMs);
  assert.match(`${await ended}`, /^(0|SIGTERM)$/);
  clearTimeout(late);
}

async function startOn(where) {
  const flags = where.path ? ['--bind', `unix:${where.path}`] : ['--port', `${where.port}`];
  return start([...flags, '--drain-timeout', `${drainTimeoutMs}ms`, '--queue-wait', '60s']);
}

async function stopUnderLoad(where, totals) {
  const service = await startOn(where);
  const ms = Math.random() * longestLoadMs;
  const { counts, took } = await load(service, where, ms, () => service.signal('SIGTERM'));
  for (const [kind, count] of Object.entries(counts)) totals.counts[kind] = (totals.counts[kind] ?? 0) + count;
  totals.slowest = Math.max(totals.slowest, took);
  const lost = Object.keys(counts).filter((kind) => kind.startsWith('lost'));
  assert.deepEqual(lost, [], `after ${ms.toFixed(0)} ms: ${JSON.stringify(counts)}\n${service.log.slice(-3000)}`);
  checkEnd(service);
  assert.match(service.log, /\bunanswered=0\b/);
  assert.ok(took < drainTimeoutMs, `it took ${took} ms to stop`);
}

// What is left behind by a service that could say nothing does not keep the next from
// starting at once.
async function killUnderLoad(where) {
  const service = await startOn(where);
  const { counts } = await load(service, where, 100, () => service.signal('SIGKILL'));
  assert.ok(counts.answered > 0);
  const next = await startOn(where);
  const connection = await connect(where, next.ended);
  assert.equal(kindOf(await exchange(connection, requests[1], false)), 'answered');
  connection.socket.destroy();
  await next.stop();
}

export async function drains(times, say = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'attentiond-'));
  const file = { path: join(folder, 'socket') };
  const free = await start(); // its port is the one of all rounds
  const tcp = { host: '127.0.0.1', port: free.port };
  await free.stop();
  const totals = { counts: {}, slowest: 0, kills: 0 };
  try {
    for (let round = 0; round < times; round++) {
      await stopUnderLoad(round % 5 === 4 ? file : tcp, totals);
      if (round % 2 === 0) await stopEarly();
      if (round % 10 === 0) {
        await killUnderLoad(tcp);
        await killUnderLoad(file);
        totals.kills += 2;
      }
      if (round % 20 === 19) say(`${round + 1} times: ${JSON.stringify(totals.counts)}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return totals;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const times = Number(process.argv[2] ?? 10);
  const begun = Date.now();
  const { counts, slowest, kills } = await drains(times, console.log);
  console.log(
    `drains: ${times} of ${times} stops under load lost nothing: ${counts.answered} requests answered, ` +
      `${counts.refused ?? 0} refused; the slowest took ${slowest} ms; ${kills} kills and restarts` +
      `${sanitized ? ' (sanitized)' : ''}; ${Math.round((Date.now() - begun) / 1000)} s`,
  );
}
