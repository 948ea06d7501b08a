// HAProxy and nginx in front of a service, each on a socket file in a folder of its own. What
// they take for a request gets "front." before its id; what slips past them does not.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './service.js';

const shipped = new URL('../../../docker/haproxy.cfg', import.meta.url);

// The configuration that is shipped, with one replica and without names to look up.
const haproxyConfiguration = (folder, port) =>
  readFileSync(shipped, 'utf8')
    .replace(/^resolvers[^]*/m, '')
    .replace(/^ *log .*$/m, '')
    .replace(/ init-addr.*$/m, '')
    .replace(/bind :\d+/, `bind unix@${folder}/socket\n    http-request set-header X-Request-Id front.%[req.hdr(X-Request-Id)]`)
    .replace(/^ *server attentiond-2.*\n *server attentiond-3.*$/m, '')
    .replace(/(server attentiond-1) \S+/, `$1 127.0.0.1:${port}`);

const nginxConfiguration = (folder, port) => `
daemon off;
master_process off;
pid ${folder}/pid;
error_log ${folder}/errors;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((x) => `${x}_temp_path ${folder}/${x};`).join('\n  ')}
  upstream service { server 127.0.0.1:${port}; keepalive 8; }
  server {
    listen unix:${folder}/socket;
    location / {
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host a;
      proxy_set_header X-Request-Id front.$http_x_request_id;
      proxy_request_buffering off;
    }
  }
}`;

const kinds = {
  haproxy: {
    program: 'haproxy',
    version: '-v',
    configuration: haproxyConfiguration,
    args: (file) => ['-db', '-q', '-f', file],
  },
  nginx: {
    program: existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : 'nginx',
    version: '-v',
    configuration: nginxConfiguration,
    args: (file, folder) => ['-p', folder, '-e', join(folder, 'errors'), '-c', file],
  },
};

export const proxyNames = Object.keys(kinds);

// A reason to skip, or false.
export const missingProxy = (name) =>
  spawnSync(kinds[name].program, [kinds[name].version]).error ? `skipped: no ${name}` : false;

// Gives back where it listens, and how to stop it.
export async function startProxy(name, service) {
  const { program, configuration, args } = kinds[name];
  const folder = mkdtempSync(join(tmpdir(), `attentiond-${name}-`));
  const file = join(folder, 'configuration');
  writeFileSync(file, configuration(folder, service.port));
  const child = spawn(program, args(file, folder), { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  process.on('exit', () => child.kill('SIGKILL'));
  const path = join(folder, 'socket');
  await until(`${name} listens: ${said}`, () => existsSync(path));
  const stop = async () => {
    child.kill('SIGTERM');
    await new Promise((resolve) => (child.exitCode === null && !child.signalCode ? child.on('close', resolve) : resolve()));
    rmSync(folder, { recursive: true });
  };
  return { path, stop };
}
