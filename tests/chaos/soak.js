// make soak: SOAK_SECONDS of good, bad and cancelled requests, all mixed. Every answer has
// the status that is due, descriptors and threads stay as they are, memory does not grow,
// and the last answers are, byte for byte, the first ones.
import net from 'node:net';
import { connections, fetchAnswer, postAndLeave, raw } from '../api/support/client.js';
import { generator, toBase64 } from '../api/support/numbers.js';
import { descriptors, residentMiB, series, threads } from '../api/support/observe.js';
import { sanitized, sleep, start, until } from '../api/support/service.js';

const seconds = Number(process.env.SOAK_SECONDS ?? 600);
// Freed memory is kept for the next request, up to a bound, so what is resident comes and
// goes. It is compared in rests between rounds, when the service has given that back.
const rounds = seconds >= 300 ? 12 : 4;
const restMs = 2500;
const clients = 16;
// In seconds only what is large can be seen: one step of a thread's heap, 4 MiB, is 20 a minute.
const goals = { slopeMiB: seconds >= 300 ? 0.5 : 60 };

const r = generator(31);
const packed = (T, d) => toBase64(r.tensor(T, d));
const good = [
  { sequences: r.tensor(3, 4) },
  { sequences: r.tensor(40, 16), heads: 4 },
  { sequences: [r.tensor(5, 8), r.tensor(9, 8)], causal: true },
  { sequences: packed(128, 64), heads: 4, tensor_format: 'base64' },
  { sequences: packed(700, 16), tensor_format: 'base64', maps: 'none' },
  { sequences: r.tensor(400, 8) }, // nested maps: megabytes of text
].map((body) => JSON.stringify({ ...body, id: 'soak' }));
const long = JSON.stringify({ sequences: packed(3000, 16), heads: 8, tensor_format: 'base64', maps: 'none' });
const streamed = JSON.stringify({ sequences: r.tensor(1000, 4) });
const text = good[1];

const head = (length, ...more) =>
  ['POST /v1/attention HTTP/1.1', 'Host: a', 'Content-Type: application/json', ...more, ...(length === undefined ? [] : [`Content-Length: ${length}`]), '', ''].join('\r\n');
const pick = (list) => list[Math.floor(Math.random() * list.length)];

// The timing of an answer is another each time.
const lasting = (answer) => answer.body.toString('latin1').replace(/"timing":\{[^}]*\}/, '');

const agent = connections(clients);
let service;
const ask = (body, path = '/v1/attention', method = 'POST') => fetchAnswer(service, agent, method, path, body);
const expect = (answer, ...statuses) => {
  if (!statuses.includes(answer.status)) throw new Error(`status ${answer.status}, not ${statuses}: ${answer.failure ?? ''} ${answer.closed ?? ''} ${(answer.json?.detail ?? '').slice(0, 200)}`);
};

// A socket that is left, in the middle or at once.
async function leave(bytes, reset, waitMs) {
  const socket = net.connect(service.port, '127.0.0.1');
  socket.on('error', () => {}).resume();
  socket.write(bytes);
  await sleep(waitMs);
  if (reset) socket.resetAndDestroy();
  else socket.destroy();
}

// All that is said until the connection closes.
const hear = (bytes) =>
  new Promise((resolve) => {
    let text = '';
    const socket = net.connect(service.port, '127.0.0.1', () => socket.write(bytes));
    socket.setTimeout(8000, () => resolve(`nothing, and stays open: ${text}`) || socket.destroy());
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.on('error', () => {}).on('close', () => resolve(text));
  });

// What a client may do, and how often.
const deeds = {
  good: [12, async () => expect(await ask(pick(good)), 200, 503)],
  probe: [2, async () => expect(await ask(undefined, pick(['/readyz', '/livez', '/v1/info', '/metrics/requests']), 'GET'), 200)],
  metrics: [1, async () => expect(await ask(undefined, '/metrics', 'GET'), 200)],
  'bad JSON': [2, async () => expect(await ask(text.slice(0, 1 + Math.floor(Math.random() * (text.length - 1)))), 400)],
  'a flipped byte': [2, async () => {
    const bytes = Buffer.from(text);
    bytes[Math.floor(Math.random() * bytes.length)] ^= 1 << Math.floor(Math.random() * 8);
    expect(await ask(bytes), 200, 400, 413, 422, 503);
  }],
  'wrong shapes': [2, async () => expect(await ask(pick(['{"sequences":[[1,2],[3]]}', '{"sequences":[]}', '{"sequences":[[1]],"heads":3}', '{"sequences":[["a"]]}', '{"sequences":[[1e39]]}'])), 422)],
  'too large': [1, async () => expect(await ask(' '.repeat(530000)), 413)],
  'no such path': [1, async () => expect(await ask(undefined, '/nothing', 'GET'), 404)],
  framing: [2, async () => {
    const answer = await raw(service, pick([
      head(7, 'Transfer-Encoding: chunked') + '0\r\n\r\n',
      head(undefined) + '{"a":1}',
      head(undefined, 'Transfer-Encoding: gzip') + '0\r\n\r\n',
      'GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      'GET /livez HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n',
    ]), { silenceMs: 5000 });
    if (answer.status) expect(answer, 400, 411, 501, 505);
    if (!answer.closed) throw new Error('ambiguous framing, and the connection is open');
  }],
  'no HTTP': [1, async () => {
    const answer = await hear(pick([
      head('7, 7') + '{"a":1}',
      head('+7') + '{"a":1}',
      head(undefined, 'Transfer-Encoding: chunked') + 'zz\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
      'HELO a\r\n\r\n',
      '\0\0\0\0\r\n\r\n',
    ]));
    if (!/^(HTTP\/1\.[01] [45]\d\d |$)/.test(answer)) throw new Error(`answered ${answer.slice(0, 50)}`);
  }],
  pipelined: [1, async () => {
    const last = head(good[0].length, 'Connection: close') + good[0];
    const answer = await raw(service, (head(good[0].length) + good[0]).repeat(9) + last, { sent: good[0], silenceMs: 8000 });
    expect(answer, 200);
    const following = [...`${answer.after}`.matchAll(/HTTP\/1\.1 200 /g)].length;
    if (following !== 9) throw new Error(`${following + 1} of 10 were answered`);
  }],
  'slow to send': [1, async () => {
    const answer = await raw(service, head(good[0].length, 'Connection: close'), {
      sent: good[0],
      silenceMs: 8000,
      meanwhile: async (socket) => {
        for (let i = 0; i < good[0].length; i += 32) {
          socket.write(good[0].slice(i, i + 32), () => {});
          await sleep(20);
        }
      },
    });
    expect(answer, 200);
  }],
  'too slow': [0.2, async () => {
    const answer = await raw(service, pick(['POST /v1', head(20), head(20) + '{"seq']), { silenceMs: 20000 });
    expect(answer, 408);
  }],
  'leaves while sending': [1, () => leave(head(5000) + '{"seq', Math.random() < 0.5, 20)],
  'leaves while it is computed': [1, () => leave(head(long.length) + long, Math.random() < 0.5, 1 + Math.random() * 60)],
  'leaves while it is sent': [1, () => leave(head(streamed.length) + streamed, Math.random() < 0.5, 30 + Math.random() * 100)],
  'leaves with curl': [0.5, async () => {
    const go = postAndLeave(service, long);
    await sleep(30 * Math.random());
    go();
  }],
  'late': [0.5, async () => expect(await ask(JSON.stringify({ ...JSON.parse(long), timeout_ms: 5 })), 504, 503)],
};
const all = Object.entries(deeds).map(([name, [weight, run]]) => ({ name, weight, run }));
const total = all.reduce((sum, deed) => sum + deed.weight, 0);
function choose() {
  let at = Math.random() * total;
  return all.find((deed) => (at -= deed.weight) < 0) ?? all[0];
}

const faults = new Map();
const count = {};
async function client(end) {
  while (Date.now() < end) {
    const deed = choose();
    try {
      await deed.run();
      count[deed.name] = (count[deed.name] ?? 0) + 1;
    } catch (error) {
      // A kept connection that is closed as the next request is sent: both are right.
      if (error.reused && /ECONNRESET|EPIPE|socket hang up/.test(`${error.code} ${error.message}`)) continue;
      const text = `${deed.name}: ${error.message}`.slice(0, 200);
      faults.set(text, (faults.get(text) ?? 0) + 1);
    }
  }
}

// Least squares, of what was resident a minute.
function slope(samples) {
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const [t, m] = [mean(samples.map((s) => s.minute)), mean(samples.map((s) => s.rss))];
  return samples.reduce((sum, s) => sum + (s.minute - t) * (s.rss - m), 0) / samples.reduce((sum, s) => sum + (s.minute - t) ** 2, 0);
}

const quiet = () =>
  until('nothing is under way', async () => {
    const [flight, open] = await series(service, 'attentiond_in_flight_requests', 'attentiond_connections');
    return flight === 1 && open <= 1 + clients; // the kept ones
  }, 20000);

async function fingerprint() {
  const found = [];
  for (const body of good) {
    const answer = await ask(body);
    expect(answer, 200);
    found.push(lasting(answer));
  }
  return found;
}

service = await start(['--workers', '2', '--body-limit', '512KiB', '--header-timeout', '2s', '--body-timeout', '6s', '--log-format', 'json']);
service.child.stderr.removeAllListeners('data').resume(); // its log would fill this process
const first = await fingerprint();
const before = { descriptors: descriptors(service.pid), threads: threads(service.pid) };
const begun = Date.now();
const floors = [];
let [mostThreads, mostMiB] = [0, 0];
for (let round = 1; round <= rounds; round++) {
  const end = begun + (round * 1000 * seconds) / rounds - restMs;
  const running = Promise.all(Array.from({ length: clients }, () => client(end)));
  while (Date.now() < end) {
    await sleep(200);
    mostThreads = Math.max(mostThreads, threads(service.pid));
    mostMiB = Math.max(mostMiB, residentMiB(service.pid));
  }
  await running;
  await quiet();
  await sleep(restMs);
  floors.push({ minute: (Date.now() - begun) / 60000, rss: residentMiB(service.pid) });
}
const last = await fingerprint();
agent.destroy();
await until('connections are closed', () => descriptors(service.pid) <= before.descriptors, 20000).catch(() => {});

const after = { descriptors: descriptors(service.pid), threads: threads(service.pid) };
// Heaps grow in steps until they have seen every crowd of requests: some minutes.
const growth = slope(floors.slice(seconds >= 300 ? rounds / 2 : 1));
const requests = Object.values(count).reduce((a, b) => a + b, 0);
console.log(`soak: ${seconds} s, ${clients} clients, ${requests} deeds`);
console.log(`  ${Object.entries(count).map(([name, n]) => `${name} ${n}`).join(', ')}`);
console.log(`  MiB, in the rests: ${floors.map((s) => s.rss.toFixed(1)).join(' ')}; at most ${mostMiB.toFixed(0)}`);
for (const [text, n] of faults) console.log(`  unexpected, ${n} times: ${text}`);
const held = [
  [`${faults.size} kinds of unexpected answers`, faults.size === 0],
  [`memory: ${growth.toFixed(2)} MiB a minute, at most ${goals.slopeMiB}`, sanitized || growth < goals.slopeMiB],
  [`descriptors: ${before.descriptors} before, ${after.descriptors} after`, after.descriptors <= before.descriptors],
  [`threads: ${before.threads} before, ${mostThreads} at most, ${after.threads} after`, after.threads === before.threads && mostThreads === before.threads],
  [`the last answers are the first ones`, last.every((answer, i) => answer === first[i])],
];
for (const [text, holds] of held) console.log(`${holds ? 'holds  ' : 'MISSED '} ${text}`);
await service.stop();
process.exit(held.every(([, holds]) => holds) ? 0 : 1);
