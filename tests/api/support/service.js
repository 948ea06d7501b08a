// The real service, on a free port of 127.0.0.1, as a child of the test.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
export const binary = process.env.ATTENTIOND ?? `${root}build/attentiond`;
export const shared = process.env.ATTENTIOND_SHARED ?? `${root}../shared`;
assert.ok(existsSync(binary), `no service at ${binary}: build it, or name it in ATTENTIOND`);

// Timings and sizes mean nothing under a sanitizer, or where lines are counted.
const image = readFileSync(binary);
export const sanitized = image.includes('__asan_init') || image.includes('__tsan_init') || image.includes('__gcov_');

// The environment of the test, without what would be a setting of the service.
export function cleanEnvironment(extra = {}) {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('ATTENTIOND_') && !name.startsWith('OPENBLAS_'),
  );
  return { ...Object.fromEntries(kept), ...extra };
}

// What the tests look up in /proc is root's otherwise.
const visible = process.getuid() === 0 ? [] : ['--core-dumps', 'on'];

const deadlineMs = sanitized ? 30000 : 10000;
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(what, condition, ms = deadlineMs) {
  for (const end = Date.now() + ms; ; await sleep(5)) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `waited ${ms} ms for: ${what}`);
  }
}

// Starts the service with these flags, e.g. ['--workers', '2'], and waits until it
// says that it is ready.
export async function start(flags = [], environment = {}) {
  const startedAt = process.hrtime.bigint();
  const child = spawn(binary, ['--port', '0', ...visible, ...flags], {
    env: cleanEnvironment(environment),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  const service = { child, pid: child.pid, log: '', exited: null };
  const ended = new Promise((resolve) =>
    child.on('close', (code, signal) => {
      running.delete(child);
      service.exited = { code, signal };
      resolve(service.exited);
    })
  );
  // Only who waits for its end keeps the test running: one that fails and leaves its
  // service behind ends, and takes it along.
  Object.defineProperty(service, 'ended', {
    get() {
      child.ref();
      child.stderr.ref();
      return ended;
    },
  });
  await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text) => {
      service.log += text;
      if (service.address) return; // to search in all of a long log would take a processor
      // event=ready ... address=127.0.0.1:40123 ..., as text or JSON
      const address = /\bready\b.*?\baddress"?[=:]\s*"?([^\s"]+).*\n/.exec(service.log)?.[1];
      if (!address) return;
      service.address = address;
      service.port = Number(/:(\d+)$/.exec(address)?.[1]); // NaN: a socket file
      service.startMs = Number(process.hrtime.bigint() - startedAt) / 1e6;
      resolve();
    });
    ended.then(({ code, signal }) =>
      reject(new Error(`it ended (${code ?? signal}) before it was ready:\n${service.log}`)),
    );
    setTimeout(() => reject(new Error(`not ready:\n${service.log}`)), deadlineMs).unref();
  });
  child.unref();
  child.stderr.unref();
  // One certificate, which is its own authority: client.js trusts it.
  const named = flags.indexOf('--tls-certificate');
  if (named >= 0) service.certificate = flags[named + 1];
  service.url = `${named >= 0 ? 'https' : 'http'}://127.0.0.1:${service.port}`;
  service.signal = (name) => child.kill(name);
  service.stop = () => stop(service);
  return service;
}

// SIGTERM, then: exit code 0 and nothing that a sanitizer reported.
async function stop(service) {
  if (!service.exited) service.signal('SIGTERM');
  const late = setTimeout(() => service.signal('SIGKILL'), 40000);
  await service.ended;
  clearTimeout(late);
  checkEnd(service);
}

export function checkEnd(service) {
  assert.doesNotMatch(service.log, /Sanitizer|runtime error:/, service.log.slice(-8000));
  assert.deepEqual(service.exited, { code: 0, signal: null }, service.log.slice(-4000));
}
