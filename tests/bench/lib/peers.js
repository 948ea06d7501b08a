// What attentiond is put beside, where it can be had; otherwise the reason why not.
import { createRequire } from 'node:module';
import { ask } from './children.js';

export const python = '/usr/bin/python3'; // Debian's: a python3 found earlier may lack its packages
export const peer = (name) => new URL(`../peers/${name}`, import.meta.url).pathname;

function findOrt() {
  if (process.env.PEERS === 'no') return { missing: 'PEERS=no' };
  try {
    const require = createRequire(import.meta.url);
    require('onnxruntime-node');
    return { version: require('onnxruntime-node/package.json').version };
  } catch (error) {
    return { missing: `onnxruntime-node does not load: ${error.message.split('\n')[0]}` };
  }
}

function findTorch() {
  if (process.env.PEERS === 'no') return { missing: 'PEERS=no' };
  const lacking = ['torch', 'fastapi', 'uvicorn'].filter(
    (name) => !ask(python, '-c', `import importlib.util as u; print(u.find_spec("${name}") or "")`).trim()
  );
  return lacking.length ? { missing: `${python} has no ${lacking.join(', ')}` } : {};
}

export const ort = findOrt();
export const torch = findTorch();
