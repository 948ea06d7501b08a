// The servers of the whole job, all started before any is measured, so that they can be
// measured in turn; and a look at whether they answer the same.
import { binary } from '../../api/support/service.js';
import { program, serve } from './children.js';
import { ort, peer, python, torch } from './peers.js';

const cores = 2;

// Without its line a request on stderr: the others write none, and who reads the lines
// would take a core from whoever is measured.
export const ours = (flags = []) =>
  serve(binary, (port) => ['--port', String(port), '--log-level', 'warn', ...flags]);
export const empty = () => serve(program('empty_server'), (port) => [String(port), '2']);
export const node = () => serve(process.execPath, (port) => [peer('ort_server.js'), String(port), String(cores)]);
export const fastapi = () => serve(python, (port) => [peer('torch_server.py'), String(port), String(cores)]);

// {name: server}; whoever cannot be had is told to `report`.
export async function startAll(report) {
  const servers = { ours: await ours(), empty: await empty() };
  for (const [name, found, make] of [['node', ort, node], ['torch', torch, fastapi]])
    if (found.missing) report.skip(name === 'node' ? 'Node + ONNX Runtime' : 'FastAPI + PyTorch', found.missing);
    else servers[name] = await make();
  return servers;
}

export const stopAll = (servers) => Promise.all(Object.values(servers).map((server) => server.stop()));

export async function post(server, text, path = '/v1/attention') {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(server.url + path, { method: 'POST', body: text, headers });
  if (!answer.ok) throw new Error(`${server.url} answers ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
  return answer.json();
}

// The same outputs and maps to three digits, or it is not the same job.
export async function checkSame(servers, text) {
  const { ours: first, empty: _, ...others } = servers;
  const flat = ({ outputs, attention_maps: maps }) => [outputs, maps].flat(Infinity);
  const expected = flat(await post(first, text));
  for (const [name, server] of Object.entries(others)) {
    const found = flat(await post(server, text));
    const far = expected.length !== found.length || expected.some((x, n) => Math.abs(x - found[n]) > 1e-3);
    if (far) throw new Error(`${name} does not answer what attentiond answers`);
  }
}

export const memoryMiB = (server, field, read) =>
  Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(read(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024;
