// wrk against a server of ours, on the loopback, for bounded seconds. wrk is one thread
// on the cores that the server works on, for every server alike.
import { program, run } from './children.js';
import { keep } from './bodies.js';

const script = keep(
  'post.lua',
  `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary)
  local e = summary.errors
  io.write(string.format('\\nJSON {"requests":%d,"seconds":%f,"errors":%d}\\n',
    summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout))
end
`
);

// {rate}: requests a second. An error of any kind throws. A server that is so slow that fewer than 8 requests end in the time gets four times that.
export async function load(url, bodyFile, { connections = 8, seconds = 2, path = '/v1/attention' } = {}) {
  for (const time of [seconds, 4 * seconds]) {
    const args = ['-t1', `-c${connections}`, `-d${Math.max(1, Math.round(time))}s`, '--timeout', '30s'];
    const out = await run('wrk', [...args, '-s', script, url + path], { BODY: bodyFile });
    const told = JSON.parse(/^JSON (.*)$/m.exec(out)[1]);
    if (told.errors) throw new Error(`${url}: ${told.errors} of ${told.requests} requests failed`);
    if (told.requests >= 8 || (time > seconds && told.requests)) return { ...told, rate: told.requests / told.seconds };
  }
  throw new Error(`${url}: no answer in ${4 * seconds} s`);
}

// One client, and what its requests took, in milliseconds: {rate, min, p50, p99}.
export async function latency(url, bodyFile, { seconds = 2, path = '/v1/attention' } = {}) {
  const told = JSON.parse(await run(program('bench_client'), [new URL(url).port, path, bodyFile, String(seconds)]));
  if (told.errors) throw new Error(`${url}: ${told.errors} of ${told.requests} requests failed`);
  return { ...told, rate: told.requests / told.seconds };
}

// Each in turn, `rounds` times, so that what the machine does meanwhile hits all alike;
// `rivals`: {name: () => result}. Returns {name: [results]}.
export async function inTurn(rounds, rivals) {
  const all = Object.fromEntries(Object.keys(rivals).map((name) => [name, []]));
  for (let n = 0; n < rounds; n++)
    for (const [name, measure] of Object.entries(rivals)) all[name].push(await measure());
  return all;
}
