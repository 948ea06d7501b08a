// The attention kernels in process: ours, the plain one over OpenBLAS, ONNX Runtime's.
import { program, runLines } from './children.js';
import { peer } from './peers.js';

const commands = {
  ours: [program('bench_attention')],
  plain: [program('bench_plain')],
  ort: [process.execPath, peer('ort_kernel.js')],
};

// The lines about one shape "T,H,d", as {kind: line}.
export async function kernel(who, shape, kinds, seconds, threads = 1) {
  const [command, ...args] = commands[who];
  const thread = who === 'plain' ? [] : ['--threads', String(threads)];
  const lines = await runLines(command, [
    ...args,
    ...thread,
    '--kinds',
    kinds.join(),
    '--seconds',
    String(seconds),
    '--shapes',
    shape,
  ]);
  return Object.fromEntries(lines.map((line) => [line.kind, line]));
}

export const peak = async () => (await runLines(program('bench_peak')))[0];

// Of several runs the fastest line of each kind.
export function fastest(runs) {
  const best = {};
  for (const line of runs.flatMap(Object.values)) {
    const known = best[line.kind];
    const slower = line.kind === 'peak' ? known?.gflops >= line.gflops : known?.min_ms <= line.min_ms;
    if (!slower) best[line.kind] = line;
  }
  return best;
}
