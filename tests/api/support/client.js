// Talks to the service with curl, as its users do. Every answer is checked
// against the page before a test sees it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
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
  const flags = Object.entries(head).flatMap(([k, v]) => ['-H', v === null ? `${k}:` : `${k}: ${v}`]);
  if (method === 'HEAD') flags.push('--head');
  else flags.push('-i', '-X', method);
  if (sent !== undefined) flags.push('--data-binary', '@-');
  const { code, out, errors } = await runCurl(['--path-as-is', ...flags, ...args, service.url + path], sent);
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

export const connections = (most, keepAlive = true) => new http.Agent({ keepAlive, maxSockets: most });

const postOptions = (service) => ({
  host: '127.0.0.1',
  port: service.port,
  agent: false,
  method: 'POST',
  path: '/v1/attention',
  headers: { 'Content-Type': 'application/json' },
});

// Posts and listens to no answer; returns a function that leaves.
export function postAndLeave(service, body) {
  const message = http.request(postOptions(service));
  message.on('error', () => {}); // it is destroyed
  message.end(body);
  return () => message.destroy();
}

// Posts, and gives back the response when its head is there and none of its body was read.
export function postAndWait(service, body) {
  return new Promise((resolve, reject) => {
    const message = http.request(postOptions(service), (response) => resolve(Object.assign(response, { sent: body })));
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
// answer is how long it took to come.
export function fetchAnswer(service, agent, method, path, body, more = {}) {
  return new Promise((resolve, reject) => {
    const headers = { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...more };
    const begun = process.hrtime.bigint();
    const message = http.request(
      { host: '127.0.0.1', port: service.port, agent, method, path, headers },
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

// A connection that is used once and stays open: the `socket`, and the `status` of the answer.
export function openAndStay(service, sent) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(service.port, '127.0.0.1');
    socket.on('error', reject);
    socket.once('data', (data) => {
      const { status } = finish({ method: 'POST', path: '/v1/attention', sent, ...parseAnswer(data) });
      resolve({ socket, status });
    });
    const head = `Host: a\r\nContent-Type: application/json\r\nContent-Length: ${sent.length}`;
    socket.write(`POST /v1/attention HTTP/1.1\r\n${head}\r\n\r\n${sent}`);
  });
}

// Writes bytes as they are and returns what came back until the service closed, or
// fell silent for `silenceMs`: the first answer, the bytes `after` it, and whether the service
// `closed`. `sent` is the body inside of `bytes`, where it is one that is computed.
export function raw(service, bytes, options = {}) {
  const { method = 'POST', path = '/v1/attention', silenceMs = 1500, sent } = options;
  return new Promise((resolve, reject) => {
    const socket = net.connect(service.port, '127.0.0.1', () => socket.write(bytes));
    const chunks = [];
    let closed = false;
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => (closed = true));
    socket.on('error', () => (closed = true)); // a reset is a way to close
    socket.on('close', () => {
      try {
        const all = Buffer.concat(chunks);
        if (!all.length) return resolve({ closed });
        const answer = parseAnswer(all);
        const length = Number(answer.headers['content-length']);
        const after = answer.body.subarray(length);
        answer.body = answer.body.subarray(0, length);
        resolve(finish({ method, path, sent, closed, after, ...answer }));
      } catch (error) {
        reject(error);
      }
    });
  });
}
