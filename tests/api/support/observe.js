// What the service is seen to use, from outside (proc(5)) and by its own metrics.
import { readFileSync, readdirSync } from 'node:fs';
import { get } from './client.js';

const status = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

export const residentMiB = (pid) => status(pid, 'VmRSS') / 1024;
export const threads = (pid) => status(pid, 'Threads');
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

// Of all its threads so far; ticks are 10 ms.
export function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

// Values of the series with these names, labels and all; one that is not there is NaN.
export async function series(service, ...names) {
  const { text } = await get(service, '/metrics');
  const escaped = (name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return names.map((name) => Number(new RegExp(`^${escaped(name)} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN));
}
