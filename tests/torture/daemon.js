// The service under torture, with faults.so in it, and what it holds of the machine.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Control } from './control.js';
import { keys } from './scenarios.js';
import { sleep } from './wire.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const binary = process.env.ATTENTIOND ?? `${root}build/release/attentiond`;
const faults = process.env.FAULTS ?? `${root}build/release/tests/torture/faults.so`;
export const sanitized = readFileSync(binary).includes('__asan_init');
export const slower = sanitized ? 4 : 1;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

const environment = (control) => ({
  PATH: process.env.PATH,
  OPENBLAS_NUM_THREADS: '1', // or it starts itself once more
  TORTURE_CONTROL: control.path,
  LD_PRELOAD: faults,
  // faults.so stands before it, and counts the blocks itself: where each was taken from it hides.
  ASAN_OPTIONS: `verify_asan_link_order=0:allocator_may_return_null=1:detect_leaks=0:${process.env.ASAN_OPTIONS ?? ''}`,
});

export class Daemon {
  // Does not wait for anything.
  constructor(control, flags, { variables = {} } = {}) {
    this.control = control;
    this.log = this.out = '';
    this.tls = flags.includes('--tls-certificate');
    this.key = flags.includes('--keys-file') ? keys.all : null;
    this.exited = null;
    this.child = spawn(binary, flags, { env: { ...environment(control), ...variables }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    this.pid = this.child.pid;
    this.child.stdout.on('data', (text) => (this.out += text));
    this.child.stderr.on('data', (text) => this.hear(`${text}`));
    this.ended = new Promise((resolve) =>
      this.child.on('close', (code, signal) => {
        running.delete(this.child);
        resolve((this.exited = { code, signal }));
      }),
    );
  }

  hear(text) {
    this.log = (this.log + text).slice(-65536);
    const ready = /\bready\b.*?\baddress"?[=:]\s*"?(?:unix:([^\s"]+)|[^\s"]*:(\d+))(?:.*?metrics_address"?[=:]\s*"?[^\s"]*:(\d+))?.*\n/.exec(this.log);
    if (!ready || this.ready) return;
    this.ready = true;
    this.socketPath = ready[1];
    this.port = Number(ready[2]);
    this.metricsPort = ready[3] ? Number(ready[3]) : this.port;
  }

  // True once `condition` holds; false when that takes longer.
  async until(condition, ms) {
    for (const end = Date.now() + ms * slower; Date.now() < end; await sleep(1)) if (condition()) return true;
    return condition();
  }

  get metricsDoor() {
    return this.metricsPort ? { port: this.metricsPort, tls: this.tls, key: this.key } : this;
  }

  blocks() {
    return this.control.read().blocks;
  }

  descriptors() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  threads() {
    return Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'latin1'))[1]);
  }

  threadsOrNone() {
    try {
      return this.threads();
    } catch {
      return 0; // it has ended
    }
  }

  residentMiB() {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'latin1'))[1]) / 1024;
  }

  // What its threads do, where there is a debugger: of one that hangs.
  stacks() {
    const { stdout } = spawnSync('gdb', ['-batch', '-p', `${this.pid}`, '-ex', 'thread apply all bt 12'], { encoding: 'utf8', timeout: 20000 });
    return (stdout ?? '').split('\n').filter((line) => /^(#|Thread)/.test(line)).join('\n');
  }

  async kill() {
    if (!this.exited) this.child.kill('SIGKILL');
    await this.ended;
  }

  // SIGTERM; what was wrong with its end, or null.
  async stop() {
    this.control.disarm();
    this.child.kill('SIGTERM');
    return this.goodEnd();
  }

  async goodEnd(ms = 8000) {
    if (!(await this.until(() => this.exited, ms))) {
      const stacks = this.stacks();
      await this.kill();
      return `did not end after SIGTERM\n${stacks}\n${this.log.slice(-2000)}`;
    }
    if (this.exited.code !== 0) return `ended with ${this.exited.code ?? this.exited.signal}\n${this.log.slice(-8000)}`;
    return /Sanitizer|runtime error:/.test(this.log) ? this.log.slice(-8000) : null;
  }
}

export async function startDaemon(control, flags) {
  const daemon = new Daemon(control, flags);
  await daemon.until(() => daemon.ready || daemon.exited, 10000);
  if (!daemon.ready) throw new Error(`the service does not start:\n${daemon.log}`);
  return daemon;
}

let controls = 0;
export const newControl = (folder) => new Control(`${folder}/control-${++controls}`);
