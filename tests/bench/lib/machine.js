// The machine and the versions, for the head of the report.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { ask, root, run } from './children.js';
import { binary } from '../../api/support/service.js';
import { python } from './peers.js';

function read(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function vectors(flags) {
  const sets = ['avx512f', 'avx512vl', 'avx512_vnni', 'avx2', 'fma', 'asimd', 'sve'];
  return sets.filter((set) => flags.includes(set)).join(' ') || 'none that is known';
}

function caches() {
  const at = '/sys/devices/system/cpu/cpu0/cache/index';
  const found = [0, 1, 2, 3]
    .filter((n) => read(`${at}${n}/type`) !== 'Instruction' && read(`${at}${n}/size`))
    .map((n) => `L${read(`${at}${n}/level`)} ${read(`${at}${n}/size`)}`);
  return found.join(', ') || 'not told';
}

export function machine() {
  const flags = read('/proc/cpuinfo').match(/^(?:flags|Features)\s*:(.*)$/m)?.[1].split(' ') ?? [];
  return {
    processor: os.cpus()[0]?.model ?? 'not told',
    cores: os.availableParallelism?.() ?? os.cpus().length,
    vectors: vectors(flags),
    caches: caches(),
    governor: read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') || 'not told',
    memory: `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`,
    kernel: `${os.type()} ${os.release()}, ${os.arch()}`,
    date: new Date().toISOString(),
  };
}

const installed = (name) => ask('pkg-config', '--modversion', name).trim() || 'not here';

export async function versions(ort) {
  const torch = 'import torch, fastapi, uvicorn; print(torch.__version__, fastapi.__version__, uvicorn.__version__)';
  const [pytorch, fastapi, uvicorn] = ask(python, '-c', torch).trim().split(' ');
  const version = (await run(binary, ['--version'])).trim();
  const commit = ask('git', '-C', root, 'describe', '--always', '--dirty').trim() || 'not told';
  return {
    attentiond: `${version}, commit ${commit}`,
    compiler: ask('cc', '--version').split('\n')[0],
    OpenBLAS: installed('openblas'),
    jansson: installed('jansson'),
    libmicrohttpd: installed('libmicrohttpd'),
    simdjson: installed('simdjson'),
    node: process.version,
    'ONNX Runtime': ort ?? 'not here',
    PyTorch: pytorch ? `${pytorch}, FastAPI ${fastapi}, uvicorn ${uvicorn}` : 'not here',
    wrk: ask('dpkg-query', '-W', '-f', '${Version}', 'wrk') || 'version not told',
  };
}
