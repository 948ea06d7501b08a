// Reading and writing a matrix as text: what bench_codec finds, who asks the peers itself.
import { program, run } from './children.js';
import { minimum } from './statistics.js';

// {task: {who: nanoseconds a number}}, the fastest of `rounds` runs.
async function tasks(rounds) {
  const runs = [];
  for (let n = 0; n < rounds; n++) runs.push(JSON.parse(await run(program('bench_codec'), ['--json'])));
  const found = {};
  for (const name of Object.keys(runs[0]).filter((one) => !one.endsWith('_ratio'))) {
    const [, task, who] = /^(.*)_([^_]+)$/.exec(name);
    (found[task] ??= {})[who] = minimum(runs.map((one) => one[name] ?? Infinity));
  }
  return found;
}

// {found, and of each who: {read, write}}; undefined for who is not here.
export async function codecs(rounds) {
  const found = await tasks(rounds);
  const by = (who, read = 'read_shortest', write = 'write_shortest') => ({
    read: found[read]?.[who],
    write: found[write]?.[who],
  });
  return {
    found,
    ours: by('ours'),
    jansson: by('jansson'),
    simdjson: by('simdjson'),
    yyjson: by('yyjson'),
    base64: by('ours', 'base64_decode', 'base64_encode'),
  };
}
