// Reading and writing a matrix as text: what bench_codec and json_peers print.
import { existsSync } from 'node:fs';
import { body, matrix } from './bodies.js';
import { program, run } from './children.js';
import { inTurn } from './load.js';

// Lines "name value"; a line without a value is a heading, which the names below it get.
function parse(text) {
  const found = {};
  let heading = '';
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*(\S.*?)\s+([\d.]+)$/.exec(line) ?? [];
    if (name) found[heading && line.startsWith(' ') ? `${heading}: ${name}` : name] = Number(value);
    else if (line.trim()) heading = line.trim();
  }
  return found;
}

// What the ratios are made of; `found` has everything that was printed.
function sorted(found) {
  return {
    found,
    ours: { read: found['read: ours'], write: found['write: ours, shortest'] },
    jansson: { read: found['read: jansson'], write: found['write: jansson, 9 digits'] },
    base64: { read: found['base64: decode'], write: found['base64: encode'] },
    simdjson: { read: found['read simdjson'] },
    yyjson: { read: found['read yyjson'], write: found['write yyjson'] },
  };
}

// The fastest of `rounds` runs, in nanoseconds a number.
export async function codecs(rounds, peers = true) {
  const rivals = { ours: async () => parse(await run(program('bench_codec'))) };
  if (peers && existsSync(program('json_peers'))) {
    const file = body('matrix.json', matrix(512, 512, 0.05));
    rivals.peers = async () => parse(await run(program('json_peers'), [file]));
  }
  const best = {};
  for (const found of Object.values(await inTurn(rounds, rivals)).flat())
    for (const [name, ns] of Object.entries(found)) best[name] = Math.min(ns, best[name] ?? Infinity);
  return sorted(best);
}
