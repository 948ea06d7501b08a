// make chaos: clients that mean harm or know no better, one kind after another. Meanwhile
// a good client asks and has to be answered; afterwards everything has to be as it was
// within 5 s. CHAOS=short is for CI.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import net from 'node:net';
import { readFileSync } from 'node:fs';
import { connections, fetchAnswer } from '../api/support/client.js';
import { cpuMs, descriptors, residentMiB, threads } from '../api/support/observe.js';
import { sanitized, sleep, start } from '../api/support/service.js';

const short = process.env.CHAOS === 'short' || sanitized;
const scale = short ? 0.25 : 1; // of the number of clients
const seconds = short ? 2 : 15; // of an attack
const goals = short
  ? { p99Ms: 250, cpu: 0.6, recoverMs: 5000, rssMiB: 48 }
  : { p99Ms: 100, cpu: 0.3, recoverMs: 5000, rssMiB: 48 };
const example = readFileSync(new URL('../../config/demo/worked_example.json', import.meta.url));

const head = (length, more = '') =>
  `POST /v1/attention HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${more}Content-Length: ${length}\r\n\r\n`;

// Everybody who is connected at a time; gone after the attack.
const crowd = new Set();
function join(service, onConnect) {
  return new Promise((resolve) => {
    const socket = net.connect(service.port, '127.0.0.1');
    crowd.add(socket);
    socket.on('connect', () => onConnect?.(socket));
    socket.on('connect', () => resolve(socket));
    socket.on('error', () => resolve(socket)); // refused, cut: as it should be
    socket.on('close', () => crowd.delete(socket));
  });
}
async function gather(service, count, onConnect) {
  for (let i = 0; i < count; i += 100)
    await Promise.all(Array.from({ length: Math.min(100, count - i) }, () => join(service, onConnect)));
}
function disperse() {
  crowd.forEach((socket) => socket.destroy());
}

const until = (end, everyMs, act) =>
  (async () => {
    while (Date.now() < end) {
      await act();
      await sleep(everyMs);
    }
  })();

// slowhttptest's four modes; it tells itself whether the service was there.
const slowhttptest = (...args) => async (service, end) => {
  const time = Math.ceil((end - Date.now()) / 1000);
  const all = [...args, '-c', `${Math.round(1000 * scale)}`, '-r', '500', '-l', `${time}`, '-p', '2'];
  const child = spawn('slowhttptest', [...all, '-u', `${service.url}${args.includes('-B') ? '/v1/attention' : '/openapi.json'}`], { stdio: 'ignore' });
  await new Promise((resolve) => child.on('close', resolve));
};
const hasSlowhttptest = spawnSync('slowhttptest', ['-h']).error === undefined;

// `idle`: such clients may cost nothing. What a good client sees is checked for all.
const attacks = [
  { name: 'slowhttptest: slow heads', skip: !hasSlowhttptest, idle: true, run: slowhttptest('-H', '-i', '1') },
  { name: 'slowhttptest: slow bodies', skip: !hasSlowhttptest, idle: true, run: slowhttptest('-B', '-i', '1', '-s', '8192', '-f', 'application/json') },
  { name: 'slowhttptest: ranges', skip: !hasSlowhttptest, run: slowhttptest('-R', '-a', '5', '-b', '3000') },
  { name: 'slowhttptest: slow reading', skip: !hasSlowhttptest, idle: true, run: slowhttptest('-X', '-w', '512', '-y', '1024', '-n', '1', '-z', '32', '-k', '10') },
  {
    name: `${4000 * scale} connections that say nothing`,
    idle: true,
    run: async (service, end) => {
      await gather(service, 4000 * scale);
      await sleep(end - Date.now());
    },
  },
  {
    name: `${1000 * scale} slow readers of large answers`,
    idle: true,
    run: async (service, end) => {
      const ask = 'GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(40);
      await gather(service, 1000 * scale, (socket) => {
        socket.pause();
        socket.write(ask);
        until(end, 1000, () => socket.read(1024));
      });
      await sleep(end - Date.now());
    },
  },
  {
    name: 'connections that are reset at once',
    run: (service, end) =>
      until(end, 1, async () => {
        const sockets = await Promise.all(Array.from({ length: 20 }, () => join(service)));
        sockets.forEach((socket, i) => {
          if (i % 2) socket.write(i % 4 === 1 ? 'POST /v1/att' : head(example.length) + example);
          socket.resetAndDestroy();
        });
      }),
  },
  {
    name: 'clients that stop sending and wait for their answer',
    run: async (service, end) => {
      const lost = [];
      await until(end, 1, async () => {
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => new Promise((resolve) => {
            const socket = net.connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true });
            let text = '';
            socket.on('error', () => {}).on('data', (bytes) => (text += bytes));
            socket.on('end', () => socket.end()).on('close', () => resolve(text));
            socket.end(head(example.length) + example);
          })),
        );
        lost.push(...answers.filter((text) => !/^HTTP\/1\.1 200 /.test(text)));
      });
      if (lost.length) return `${lost.length} of them were not answered: ${lost[0].slice(0, 100)}`;
    },
  },
  {
    name: 'no descriptors left',
    idle: true,
    served: false, // new connections wait; what is open is served
    run: async (service, end) => {
      const limit = /Max open files\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/limits`, 'utf8'))[1];
      execFileSync('prlimit', ['--pid', `${service.pid}`, `--nofile=${descriptors(service.pid) + 20}:${limit}`]);
      const gathered = gather(service, 200);
      await sleep(end - Date.now());
      execFileSync('prlimit', ['--pid', `${service.pid}`, `--nofile=${limit}:${limit}`]);
      await gathered;
    },
  },
];

// Asks 20 times a second, half of the time over a new connection.
async function goodClient(service, going) {
  const kept = connections(1);
  const fresh = connections(4, false);
  const found = { ms: [], bad: {} };
  for (let i = 0; going(); i++) {
    try {
      const answer = await fetchAnswer(service, i % 2 && going.fresh ? fresh : kept, ...(i % 4 < 2 ? ['POST', '/v1/attention', example] : ['GET', '/readyz']));
      if (answer.status === 200) found.ms.push(answer.ms);
      else found.bad[answer.status] = (found.bad[answer.status] ?? 0) + 1;
    } catch (error) {
      const name = error.code ?? error.message;
      found.bad[name] = (found.bad[name] ?? 0) + 1;
    }
    await sleep(50);
  }
  kept.destroy();
  fresh.destroy();
  found.ms.sort((a, b) => a - b);
  return found;
}

const service = await start(['--workers', '2', ...(short ? ['--header-timeout', '3s', '--body-timeout', '3s'] : [])]);
const state = () => ({ fds: descriptors(service.pid), threads: threads(service.pid), rss: residentMiB(service.pid) });
const isAsBefore = (now, before) => now.fds <= before.fds + 2 && now.threads === before.threads;

async function withstand(attack) {
  const before = state();
  let running = true;
  const going = Object.assign(() => running, { fresh: attack.served !== false });
  const good = goodClient(service, going);
  const end = Date.now() + 1000 * seconds;
  const attacking = attack.run(service, end);
  await sleep(500 * seconds); // settled
  const cpu = cpuMs(service.pid);
  const began = Date.now();
  await sleep(Math.max(0, end - 200 - Date.now()));
  const load = (cpuMs(service.pid) - cpu) / (Date.now() - began);
  const complaint = await attacking;
  disperse();
  const over = Date.now();
  let now = state();
  while (!isAsBefore(now, before) && Date.now() < over + 2 * goals.recoverMs) {
    await sleep(20);
    now = state();
    now.fds -= 1; // the good client's
  }
  const recoverMs = Date.now() - over;
  running = false;
  const { ms, bad } = await good;
  const p99 = ms[Math.floor(0.99 * (ms.length - 1))];
  const told = `p99 ${p99?.toFixed(1)} ms of ${ms.length}, ${(100 * load).toFixed(0)} % of a CPU, recovered in ${recoverMs} ms, ${now.rss.toFixed(0)} MiB`;
  const faults = [
    complaint,
    Object.keys(bad).length && `not answered 200: ${JSON.stringify(bad)}`,
    !(p99 < goals.p99Ms) && !sanitized && 'the good client waited',
    attack.idle && load > goals.cpu && !sanitized && 'it was busy',
    recoverMs > goals.recoverMs && `it did not recover: ${JSON.stringify({ before, now })}`,
  ].filter(Boolean);
  console.log(`${faults.length ? 'MISSED ' : 'holds  '} ${attack.name}: ${told}${faults.map((text) => `\n         ${text}`).join('')}`);
  return faults.length === 0;
}

await goodClient(service, ((end) => () => Date.now() < end)(Date.now() + 500)); // warm
await sleep(200);
const first = state();
let held = true;
for (const attack of attacks) {
  if (attack.skip) {
    console.log(`skipped ${attack.name}: it is not installed`);
    continue;
  }
  held = (await withstand(attack)) && held;
  await sleep(200);
}
const last = state();
const grown = last.rss - first.rss;
const same = isAsBefore(last, first) && (sanitized || grown < goals.rssMiB);
console.log(`${same ? 'holds  ' : 'MISSED '} in the end: ${last.fds} descriptors of ${first.fds}, ${last.threads} threads of ${first.threads}, ${last.rss.toFixed(0)} MiB of ${first.rss.toFixed(0)}`);
await service.stop();
process.exit(held && same ? 0 : 1);
