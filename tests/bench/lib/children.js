// Programs that are measured: started without what would pin OpenBLAS to a processor it
// does not run on, or set attentiond up. Every command that ran is kept for the report.
import { execFile, execFileSync, spawn } from 'node:child_process';
import net from 'node:net';
import { promisify } from 'node:util';
import { cleanEnvironment, sleep } from '../../api/support/service.js';

export const root = new URL('../../..', import.meta.url).pathname;
export const program = (name) => `${root}build/release/tests/bench/${name}`;
export const commands = new Set();

const environment = cleanEnvironment();

// What differs from call to call is left out, so that a kind of call is told once.
const shown = (command, args) =>
  [command, ...args]
    .join(' ')
    .replaceAll(root, '')
    .replace(/\S*\/attentiond-bench-\w+\//g, '')
    .replace(/--shapes \S+/, '--shapes T,H,d')
    .replace(/127\.0\.0\.1:\d+/, '127.0.0.1:PORT')
    .replace(/bench_client \d+ (\S+) \S+/, 'bench_client PORT $1 BODY');


export async function run(command, args = [], more = {}) {
  commands.add(shown(command, args));
  const env = { ...environment, ...more };
  const { stdout } = await promisify(execFile)(command, args, { env, maxBuffer: 1 << 26 });
  return stdout;
}

// Lines of JSON.
export const runLines = async (command, args) =>
  (await run(command, args)).trim().split('\n').map((line) => JSON.parse(line));

// What a command prints, or '' where it cannot be run.
export function ask(command, ...args) {
  try {
    return execFileSync(command, args, { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

// A server that takes its port as one of `args(port)`; resolves when that port answers.
export async function serve(command, args) {
  const port = await freePort();
  commands.add(shown(command, args('PORT')));
  const child = spawn(command, args(port), { env: environment, stdio: ['pipe', 'ignore', 'pipe'] });
  running.add(child);
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  child.on('error', (error) => (log += error.message));
  const ended = new Promise((resolve) => child.on('close', resolve));
  ended.then(() => running.delete(child));
  for (const end = Date.now() + 30000; !(await answers(port)); await sleep(50))
    if (!running.has(child) || Date.now() > end) throw new Error(`${command} does not serve: ${log.slice(-300)}`);
  const stop = () => (child.kill(), ended);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop };
}
