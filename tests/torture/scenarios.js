// What is done to the service while a call of it fails. A scenario is a few steps over one
// connection (wire.js) with the number of answers it has, or run(daemon, patience), which
// gives the outcomes of its connections; `loose`: nothing is expected to come back.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { exchange, sleep } from './wire.js';

const corpus = fileURLToPath(new URL('../fuzz/corpus/request/', import.meta.url));

export const keys = { all: 'a-key-for-everything-0123456789abcdef', infer: 'a-key-for-inference-0123456789abcdef' };
const hash = (key) => createHash('sha256').update(key).digest('hex');
const hasOpenssl = !spawnSync('openssl', ['version']).error;

// The files that their flags name.
export function writeFiles(folder) {
  writeFileSync(`${folder}/settings`, '# of the torture\nqueue_depth = 17\nbody_limit = 2MiB\nlog_format = json\nport = 0\n');
  writeFileSync(`${folder}/keys`, `all infer,admin,metrics ${hash(keys.all)}\none infer ${hash(keys.infer)} 4\n`, { mode: 0o600 });
  if (!hasOpenssl) return;
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-keyout', `${folder}/tls.key`, '-out', `${folder}/tls.pem`], { stdio: 'ignore' });
}

// The flags of the services that scenarios run against.
export const groups = (socket, folder) => ({
  plain: ['--port', '0', '--workers', '2'],
  tight: ['--port', '0', '--workers', '1', '--queue-depth', '1', '--connection-limit', '4', '--header-timeout', '150ms', '--body-timeout', '150ms', '--idle-timeout', '150ms', '--memory-limit', '1MiB', '--log-format', 'json'],
  apart: ['--bind', `unix:${socket}`, '--metrics-bind', '127.0.0.1', '--metrics-port', '0', '--workers', '2', '--log-level', 'debug', '--config', `${folder}/settings`],
  keys: ['--port', '0', '--workers', '2', '--keys-file', `${folder}/keys`],
  tls: ['--port', '0', '--workers', '2', '--tls-certificate', `${folder}/tls.pem`, '--tls-key', `${folder}/tls.key`],
});

const head = (first, fields = {}) =>
  Buffer.from(`${first}\r\n${Object.entries({ Host: 'a', ...fields }).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
const get = (path, fields) => head(`GET ${path} HTTP/1.1`, fields);
const json = { 'Content-Type': 'application/json' };
const post = (body, fields = {}, version = '1.1') => {
  const text = Buffer.from(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  return Buffer.concat([head(`POST /v1/attention HTTP/${version}`, { ...json, 'Content-Length': text.length, ...fields }), text]);
};
const chunked = (body, size) => {
  const parts = [head('POST /v1/attention HTTP/1.1', { ...json, 'Transfer-Encoding': 'chunked' })];
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n${part}\r\n`));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
};

// Numbers that depend on nothing.
const matrix = (rows, columns, salt = 1) =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => ((i * 31 + j * 17 + salt * 7) % 23) / 8 - 1));
const packed = (rows, columns) => ({
  dtype: 'f32',
  shape: [rows, columns],
  data: Buffer.from(new Float32Array(matrix(rows, columns).flat()).buffer).toString('base64'),
});
const small = { sequences: [matrix(3, 4)] };
const medium = { sequences: matrix(96, 32), heads: 4, causal: true, maps: 'none' }; // for the pool
const long = { sequences: packed(1500, 64), maps: 'none', precision: 2 }; // some 20 ms of work
const large = { sequences: matrix(720, 8, 3), maps: 'heads' }; // its answer is sent while it is written
const fine = get('/livez');

export const reference = { name: 'reference', steps: [post(small)], wanted: 1 };

const answered = (name, request, more) => ({ name, steps: [request].flat(), wanted: 1, ...more });
const refused = (name, request, more) => answered(`refused: ${name}`, request, more);

// Series by their names: what they count is another thing each time.
const series = (text) => [...new Set(text.split('\n').map((line) => line.replace(/ [^ ]+( # .*)?$/, '').replace(/^# EOF/, '')))].sort().join('\n');

const records = Object.assign((text) => `${Array.isArray(JSON.parse(text).requests)}`, { json: true });

const documents = [
  answered('livez', fine),
  answered('readyz', get('/readyz')),
  answered('HEAD', head('HEAD /livez HTTP/1.1'), { heads: true }),
  answered('OPTIONS', head('OPTIONS /v1/attention HTTP/1.1')),
  answered('info', get('/v1/info')),
  answered('openapi.yaml', get('/openapi.yaml')),
  answered('openapi.json', get('/openapi.json')),
  answered('metrics', get('/metrics'), { mask: series }),
  answered('openmetrics', get('/metrics', { Accept: 'application/openmetrics-text' }), { mask: series }),
  answered('request log', get('/metrics/requests?limit=3'), { mask: records }),
  answered('traced', get('/livez', { traceparent: `00-${'4bf92f3577b34da6a3ce929d0e0e4736'}-00f067aa0ba902b7-01` })),
  answered('named by its client', get('/livez', { 'X-Request-Id': 'torture' })),
  answered('HTTP/1.0', head('GET /livez HTTP/1.0')),
];

const refusals = [
  refused('no such path', get('/nothing')),
  refused('wrong method', head('DELETE /livez HTTP/1.1')),
  refused('unknown method', head('BREW /livez HTTP/1.1')),
  refused('long target', get(`/${'a'.repeat(9000)}`)),
  refused('long head', get('/livez', { A: 'a'.repeat(17000) })),
  refused('no host', Buffer.from('GET /livez HTTP/1.1\r\n\r\n')),
  refused('two lengths', post(small, { 'content-length': 3 })),
  refused('malformed length', post(small, { 'Content-Length': '7Z' })),
  refused('length and chunks', post(small, { 'Transfer-Encoding': 'chunked' })),
  refused('no length', head('POST /v1/attention HTTP/1.1', json)),
  refused('another type', post(small, { 'Content-Type': 'text/xml' })),
  refused('a coding', post(small, { 'Content-Encoding': 'gzip' })),
  refused('no acceptable form', post(small, { Accept: 'image/png' })),
  refused('an expectation', post(small, { Expect: 'a miracle' })),
  refused('announced too large', [head('POST /v1/attention HTTP/1.1', { ...json, 'Content-Length': 1 << 25 }), Buffer.alloc(4096, 32)]),
  refused('no body', post('')),
  refused('not JSON', post('{"sequences":')),
  refused('not UTF-8', post(Buffer.from('{"id":"\xff"}', 'latin1'))),
  refused('a wrong shape', post({ sequences: [[1, 2], [3]] })),
  refused('out of range', post('{"sequences":[[1e39]]}')),
  refused('too wide', post({ sequences: packed(1, 5000) })),
  refused('an answer too large', post({ sequences: packed(8000, 2), heads: 2, maps: 'heads', map_stage: 'scores' })),
  refused('deadline', post({ ...long, timeout_ms: 1 })),
  refused('a wrong query', get('/metrics/requests?limit=none')),
];

const attentions = [
  answered('small', post(small)),
  answered('a larger body', post(medium)),
  answered('base64 in and out', post({ sequences: packed(64, 16), tensor_format: 'base64', maps: 'mean' })),
  answered('all that can be returned', post({ ...medium, maps: 'top_k', top_k: 4, return: ['projections', 'lse', 'entropy', 'statistics'] })),
  answered('a picture', post({ sequences: matrix(12, 8), heads: 2 }, { Accept: 'text/plain' })),
  answered('a batch', post({ sequences: [matrix(40, 16), matrix(7, 16), matrix(33, 16)], heads: 2 })),
  answered('weights', post({ sequences: matrix(48, 16), heads: 2, weights: { wq: matrix(16, 16, 2), wk: matrix(16, 16, 3), wv: matrix(16, 16, 4), wo: matrix(16, 16, 5) } })),
  answered('a long one', post(long)),
  answered('nystrom with OpenBLAS', post({ ...medium, causal: false, method: { name: 'nystrom', landmarks: 16 } })),
  answered('performer with OpenBLAS', post({ ...medium, causal: false, method: { name: 'performer', features: 64, seed: 1 } })),
  answered('linformer with OpenBLAS', post({ ...medium, causal: false, method: { name: 'linformer', rank: 16, seed: 3 } })),
  answered('megabytes', post({ sequences: matrix(480, 16), maps: 'heads' })),
  answered('streamed', post(large)),
  answered('streamed to a slow reader', post(large), { pauseMs: 1 }),
  answered('HTTP/1.0 computed', post(medium, {}, '1.0')),
];

const connections = [
  answered('kept alive', [fine, { answers: 1 }, post(small), { answers: 2 }, get('/v1/info'), { answers: 3 }, post(medium)], { wanted: 4 }),
  answered('pipelined', Buffer.concat([fine, post(small), post(medium), get('/nothing'), fine]), { wanted: 5 }),
  answered('invalid after valid', Buffer.concat([post(small), Buffer.from('GARBAGE\r\n\r\n')]), { wanted: 2 }),
  answered('chunks', chunked(JSON.stringify(medium), 1000)),
  answered('many chunks', chunked(JSON.stringify(small), 1)),
  answered('growing chunks', chunked(JSON.stringify({ sequences: matrix(700, 32), maps: 'none' }), 16000)),
  answered('continued', [head('POST /v1/attention HTTP/1.1', { ...json, 'Content-Length': JSON.stringify(small).length, Expect: '100-continue' }), { wait: 3 }, Buffer.from(JSON.stringify(small))]),
  answered('byte by byte', [...get('/livez')].map((byte) => Buffer.from([byte]))),
  answered('half closed', [post(medium), 'end']),
  answered('half closed early', [post(small).subarray(0, 160), 'end'], { group: 'tight', loose: true }),
  answered('reset in the head', [get('/livez').subarray(0, 9), { wait: 2 }, 'reset'], { loose: true }),
  answered('reset in upload', [post(medium).subarray(0, 5000), { wait: 2 }, 'reset'], { loose: true }),
  answered('reset while computed', [post(long), { wait: 8 }, 'reset'], { loose: true }),
  answered('reset while answered', [post(large), { wait: 25 }, 'reset'], { loose: true }),
  answered('left while computed', [post(long), { wait: 8 }, 'leave'], { loose: true }),
  { name: 'several at once', run: (daemon, patience) => Promise.all([post(medium), fine, post(small), get('/metrics'), post('{'), post(medium)].map((request) => exchange(daemon, [request], { patience }))), mask: () => '' },
  { name: 'a storm of resets', loose: true, run: (daemon, patience) => Promise.all(Array.from({ length: 12 }, () => exchange(daemon, ['reset'], { patience }))) },
];

const bounds = [
  answered('head too slow', get('/livez').subarray(0, 25), { group: 'tight' }),
  answered('body too slow', post(small).subarray(0, 140), { group: 'tight' }),
  answered('a connection that rests', [], { group: 'tight', loose: true, wanted: 0 }),
  refused('over memory_limit', [head('POST /v1/attention HTTP/1.1', { ...json, 'Content-Length': 3 << 20 }), Buffer.alloc(4096, 32)], { group: 'tight' }),
  refused('growing over memory_limit', chunked(' '.repeat(1 << 20), 64000), { group: 'tight', loose: true }),
  {
    name: 'one connection too many',
    group: 'tight',
    loose: true,
    run: async (daemon, patience) => {
      const resting = Array.from({ length: 4 }, () => exchange(daemon, [{ wait: 20 }, 'leave'], { patience }));
      await sleep(4);
      return Promise.all([exchange(daemon, [fine], { patience }), ...resting]);
    },
  },
  {
    name: 'a full queue',
    group: 'tight',
    loose: true,
    run: (daemon, patience) => Promise.all(Array.from({ length: 4 }, () => exchange(daemon, [post({ sequences: packed(160, 32), maps: 'none' })], { patience }))),
  },
  answered('over a socket file', post(medium), { group: 'apart' }),
  answered('logged in detail', Buffer.concat([fine, post('{')]), { group: 'apart', wanted: 2 }),
  answered('metrics apart', get('/metrics'), { group: 'apart', mask: series, door: 'metricsDoor' }),
  answered('nothing else there', get('/v1/info'), { group: 'apart', door: 'metricsDoor' }),
  {
    name: 'SIGHUP',
    group: 'apart',
    loose: true,
    run: (daemon) => reload(daemon),
  },
];

// Those that have a name; the others were found by chance.
const bearer = (key) => ({ Authorization: `Bearer ${key}` });
const reload = async (daemon) => {
  daemon.log = '';
  daemon.child.kill('SIGHUP');
  await daemon.until(() => /reload/.test(daemon.log), 60);
  return [];
};
const guarded = [
  answered('with a key', post(medium)),
  answered('metrics with a key', get('/metrics'), { mask: series }),
  refused('no key', post(small), { anonymous: true }),
  refused('a wrong key', post(small, bearer('a-key-for-nothing-0123456789abcdefgh')), { anonymous: true }),
  refused('a key for other things', get('/metrics', bearer(keys.infer)), { anonymous: true }),
  { name: 'keys read again', loose: true, run: reload },
].map((scenario) => ({ ...scenario, group: 'keys' }));
const secured = [
  answered('over TLS', post(medium)),
  answered('kept alive over TLS', [fine, { answers: 1 }, post(small)], { wanted: 2 }),
  answered('streamed over TLS', post(large)),
  answered('half closed over TLS', [post(medium), 'end'], { loose: true }),
  answered('left over TLS', [post(long), { wait: 8 }, 'leave'], { loose: true }),
  answered('plain words to TLS', fine, { plain: true, loose: true }),
  { name: 'a certificate read again', loose: true, run: reload },
].map((scenario) => ({ ...scenario, group: 'tls' }));

const requests = readdirSync(corpus).filter((file) => file.endsWith('.json')).map((file) => answered(`request ${file}`, post(readFileSync(corpus + file))));

export const scenarios = [...documents, ...refusals, ...attentions, ...connections, ...bounds, ...guarded, ...(hasOpenssl ? secured : []), ...requests].map((scenario) => ({ group: 'plain', ...scenario }));

export async function runScenario(scenario, daemon, patience) {
  if (scenario.run) return scenario.run(daemon, patience);
  return [await exchange(scenario.door ? daemon[scenario.door] : daemon, scenario.steps, { ...scenario, patience })];
}

// Of the program as a whole; `busy`: what is under way when it is told to stop.
export const lives = (folder) => [
  { name: 'start', kind: 'start', flags: ['--port', '0', '--workers', '2'] },
  { name: 'start, started once more', kind: 'start', flags: ['--port', '0', '--workers', '2'], variables: { OPENBLAS_NUM_THREADS: '' } },
  { name: 'start with a file and two doors', kind: 'start', flags: ['--config', `${folder}/settings`, '--bind', `unix:${folder}/other`, '--metrics-bind', '::1', '--metrics-port', '0'] },
  { name: 'start with keys and TLS', kind: 'start', stride: 3, flags: groups('', folder).keys.concat(hasOpenssl ? groups('', folder).tls.slice(4) : []) },
  { name: '--print-config', kind: 'print', flags: ['--print-config', '--config', `${folder}/settings`] },
  { name: '--check-config', kind: 'print', flags: ['--check-config', '--config', `${folder}/settings`] },
  { name: '--help', kind: 'print', flags: ['--help'] },
  { name: '--version', kind: 'print', flags: ['--version'] },
  { name: '--probe', kind: 'probe', flags: ['--probe'] },
  { name: 'drain at rest', kind: 'drain', busy: [] },
  { name: 'drain under load', kind: 'drain', stride: 5, busy: [[post(long)], [post(large)], [fine, { wait: 5000 }], [post(small).subarray(0, 100), { wait: 60 }, post(small).subarray(100)], [{ wait: 30 }, post(small)]] },
  { name: 'drain after a delay', kind: 'drain', flags: ['--drain-delay', '40ms'], busy: [[{ wait: 5 }, get('/readyz')], [{ wait: 20 }, post(medium)]] },
];
