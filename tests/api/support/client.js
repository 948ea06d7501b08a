// Talks to the service with curl, as its users do. Every answer is checked
// against the page before a test sees it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { checkAnswer } from './page.js';

const curlSeconds = 60;

function runCurl(args, input) {
  return new Promise((resolve, reject) => {
    const child = spawn('curl', ['--disable', '-sS', '--max-time', `${curlSeconds}`, ...args]);
    const out = [];
    let errors = '';
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (text) => (errors += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out: Buffer.concat(out), errors }));
    child.stdin.on('error', () => {}); // curl may end before it has read everything
    child.stdin.end(input);
  });
}

// Heads and body as they came over the wire; interim answers (100) are counted.
export function parseAnswer(bytes) {
  let interim = 0;
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n\r\n');
    assert.ok(end >= 0, `no HTTP head in: ${rest.subarray(0, 200)}`);
    const [first, ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    rest = rest.subarray(end + 4);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
    assert.ok(status, `not a status line: ${first}`);
    if (status < 200) {
      interim++;
      continue;
    }
    const headers = {};
    for (const line of lines) {
      const [, name, value] = /^([^:]+): ?(.*)$/.exec(line);
      headers[name.toLowerCase()] = value;
    }
    return { status, headers, body: rest, interim };
  }
}

function finish(answer) {
  answer.text = answer.body.toString('utf8');
  if (/json/.test(answer.headers['content-type'] ?? '') && answer.body.length)
    answer.json = JSON.parse(answer.text);
  checkAnswer(answer);
  return answer;
}

// options: body (a value to send as JSON, or the bytes as a string or Buffer), headers (null
// removes one), args (more for curl; sentByArgs: the body that they send).
export async function request(service, method, path, options = {}) {
  const { body, headers = {}, args = [], sentByArgs } = options;
  const sent =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const head = { ...(sent === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers };
  const trust = service.certificate ? ['--cacert', service.certificate] : [];
  const flags = Object.entries(head).flatMap(([k, v]) => ['-H', v === null ? `${k}:` : `${k}: ${v}`]);
  if (method === 'HEAD') flags.push('--head');
  else flags.push('-i', '-X', method);
  if (sent !== undefined) flags.push('--data-binary', '@-');
  const { code, out, errors } = await runCurl(['--path-as-is', ...trust, ...flags, ...args, service.url + path], sent);
  assert.ok(out.length, `curl ended with ${code}: ${errors}`);
  return finish({ method, path, sent: sent ?? sentByArgs, curl: code, ...parseAnswer(out) });
}

export const get = (service, path, headers) => request(service, 'GET', path, { headers });
export const attention = (service, body, headers) =>
  request(service, 'POST', '/v1/attention', { body, headers });

// 200, or the whole answer is the failure.
export async function compute(service, body, headers) {
  const answer = await attention(service, body, headers);
  assert.equal(answer.status, 200, answer.text.slice(0, 2000));
  return answer;
}

// Over TLS where the service speaks it; the certificate is its own authority.
const web = (service) => (service.certificate ? https : http);
const trust = (service) => (service.certificate ? { ca: readFileSync(service.certificate) } : {});

export const connections = (most, keepAlive = true, service = {}) =>
  new (web(service).Agent)({ keepAlive, maxSockets: most });

const postOptions = (service) => ({
  ...trust(service),
  host: '127.0.0.1',
  port: service.port,
  agent: false,
  method: 'POST',
  path: '/v1/attention',
  headers: { 'Content-Type': 'application/json' },
});

// Posts and listens to no answer; returns a function that leaves.
export function postAndLeave(service, body) {
  const message = web(service).request(postOptions(service));
  message.on('error', () => {}); // it is destroyed
  message.end(body);
  return () => message.destroy();
}

// Posts, and gives back the response when its head is there and none of its body was read.
export function postAndWait(service, body) {
  return new Promise((resolve, reject) => {
    const message = web(service).request(postOptions(service), (response) => resolve(Object.assign(response, { sent: body })));
    message.on('error', reject);
    message.end(JSON.stringify(body));
  });
}

// The rest of what postAndWait() gave back; with a pause after every 64 chunks.
export async function readOn(response, pauseMs = 0) {
  const chunks = [];
  for await (const chunk of response) {
    chunks.push(chunk);
    if (pauseMs && chunks.length % 64 === 0) await new Promise((resume) => setTimeout(resume, pauseMs));
  }
  const { statusCode: status, headers, sent } = response;
  const [method, path, body] = ['POST', '/v1/attention', Buffer.concat(chunks)];
  return finish({ method, path, sent: JSON.stringify(sent), status, headers, body });
}

// Posts a file over and over, in `clients` processes besides this one, until the function
// that is returned was called. Nobody looks at the answers.
export function crowd(service, file, clients) {
  let going = true;
  const children = new Set();
  const client = async () => {
    while (going) {
      const child = spawn('curl', ['-s', '-o', '/dev/null', '--json', `@${file}`, `${service.url}/v1/attention`]);
      children.add(child);
      await new Promise((resolve) => child.on('close', resolve));
      children.delete(child);
    }
  };
  const all = Array.from({ length: clients }, client);
  return async () => {
    going = false;
    children.forEach((child) => child.kill());
    await Promise.all(all);
  };
}

// For many requests at once, where a process for each would be the bottleneck. `ms` of an
// answer is how long it took to come; `more` are further headers.
export function fetchAnswer(service, agent, method, path, body, more = {}) {
  return new Promise((resolve, reject) => {
    const headers = { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...more };
    const begun = process.hrtime.bigint();
    const message = web(service).request(
      { ...trust(service), host: '127.0.0.1', port: service.port, agent, method, path, headers },
      (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status, headers: head } = response;
          const answer = { method, path, sent: body, status, headers: head };
          answer.ms = Number(process.hrtime.bigint() - begun) / 1e6;
          answer.body = Buffer.concat(chunks);
          try {
            resolve(finish(answer));
          } catch (error) {
            reject(error);
          }
        });
      }
    );
    message.setTimeout(curlSeconds * 1000, () => message.destroy(new Error('no answer in time')));
    message.on('error', (error) => reject(Object.assign(error, { reused: message.reusedSocket })));
    message.end(body);
  });
}

// Writes bytes as they are and returns what came back until the service closed, or
// fell silent for `silenceMs`: the first answer, the bytes `after` it, and whether the service
// `closed`. `sent` is the body inside of `bytes`, where it is one that is computed;
// `meanwhile` may do more with the socket. `ms` is how long it took.
export function raw(service, bytes, options = {}) {
  const { method = 'POST', path = '/v1/attention', silenceMs = 1500, sent, meanwhile } = options;
  const begun = Date.now();
  return new Promise((resolve, reject) => {
    const { port } = service;
    const begin = () => {
      socket.write(bytes);
      meanwhile?.(socket);
    };
    const socket = service.certificate
      ? tls.connect({ ...trust(service), host: '127.0.0.1', port }, begin)
      : net.connect(port, '127.0.0.1', begin);
    const chunks = [];
    let closed = false;
    let failure;
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => (closed = true));
    socket.on('error', ({ code }) => ([closed, failure] = [true, code])); // a reset is a way to close
    socket.on('close', () => {
      try {
        const all = Buffer.concat(chunks);
        const ms = Date.now() - begun;
        if (!all.length) return resolve({ closed, failure, ms });
        const answer = parseAnswer(all);
        const length = Number(answer.headers['content-length']);
        const after = answer.body.subarray(length);
        answer.body = answer.body.subarray(0, length);
        resolve(finish({ method, path, sent, closed, after, ms, ...answer }));
      } catch (error) {
        reject(error);
      }
    });
  });
}

// As postAndLeave(), but with a reset instead of a FIN.
export function postAndReset(service, body) {
  const message = http.request(postOptions(service));
  message.on('error', () => {}); // it is destroyed
  message.end(body);
  return () => message.socket?.resetAndDestroy();
}

// Takes the answers off `bytes` that are there as a whole, each checked against the page; returns how
// many bytes that were. `asked` names what they answer, in order; its last entry stands for
// all that follow.
function takeAnswers(bytes, asked, answers) {
  let taken = 0;
  for (;;) {
    const head = bytes.indexOf('\r\n\r\n', taken);
    if (head < 0) return taken;
    const text = bytes.toString('latin1', taken, head);
    const interim = /^HTTP\/1\.[01] 1/.test(text);
    if (interim && bytes.indexOf('\r\n\r\n', head + 4) < 0) return taken;
    const { method, path, sent } = asked[Math.min(answers.length, asked.length - 1)];
    const answer = parseAnswer(bytes.subarray(taken));
    const length = method === 'HEAD' ? 0 : Number(answer.headers['content-length'] ?? 0);
    if (answer.body.length < length) return taken;
    taken = bytes.length - answer.body.length + length;
    answer.body = answer.body.subarray(0, length);
    answers.push(finish({ method, path, sent, ...answer }));
  }
}

// Writes the pieces, each a segment of its own, on one connection (`to`: what net.connect
// takes), and listens until it is closed, silent for `silenceMs`, or `enough` answers have come. Returns
// the `answers`, whether it was `closed`, how long that took, and the bytes.
export function converse(to, pieces, options = {}) {
  const { asked, silenceMs = 1500, halfClose = false, enough = Infinity } = options;
  return new Promise((resolve, reject) => {
    const begun = Date.now();
    const options = { ...to, noDelay: true, allowHalfOpen: halfClose };
    const socket = to.ca ? tls.connect(options) : net.connect(options);
    const chunks = [];
    const answers = [];
    let rest = Buffer.alloc(0);
    let closed = false;
    socket.on(to.ca ? 'secureConnect' : 'connect', async () => {
      for (const piece of pieces) {
        socket.write(piece);
        if (pieces.length > 1) await new Promise((resume) => setImmediate(resume));
      }
      if (halfClose) socket.end();
    });
    const hear = (chunk) => {
      chunks.push(chunk);
      if (!asked) return;
      rest = Buffer.concat([rest, chunk]);
      rest = rest.subarray(takeAnswers(rest, asked, answers));
      if (answers.length >= enough) socket.destroy();
    };
    const fail = (error) => {
      reject(error);
      socket.destroy();
    };
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on('data', (chunk) => {
      try {
        hear(chunk);
      } catch (error) {
        fail(error);
      }
    });
    socket.on('end', () => {
      closed = true;
      socket.end();
    });
    socket.on('error', () => (closed = true));
    socket.on('close', () => {
      if (rest.length && answers.length < enough) fail(new Error(`a part of an answer: ${rest.subarray(0, 2000)}`));
      resolve({ answers, bytes: Buffer.concat(chunks), closed, ms: Date.now() - begun });
    });
  });
}

// Sends requests ([method, path, body?]) in one go over one connection, and returns the answers
// in the order they came: fewer, where the connection was closed before.
export async function pipeline(service, asked) {
  const text = asked.map(([method, path, body]) => {
    const fields = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    return `${method} ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body ?? ''}`;
  });
  const { answers, closed } = await converse({ host: '127.0.0.1', port: service.port }, [text.join('')], {
    asked: asked.map(([method, path, sent]) => ({ method, path, sent })),
    silenceMs: curlSeconds * 1000,
    enough: asked.length,
  });
  assert.ok(closed || answers.length === asked.length, 'no answer in time');
  return answers;
}
