// The file by which faults.c is armed and read: struct control, which it maps. What is
// written to the file is seen in the mapping, and the other way round.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';

export const MODE = { off: 0, count: 1, once: 2, ever: 3, every: 4 };
export const KIND = { memory: 1, system: 2, library: 4 };
export const DEFECT = { none: 0, crash: 1, leak: 2, hang: 3, bytes: 4, descriptor: 5, thread: 6 };

const FRAME = 32, FRAMES = 16;
const AT = { mode: 0, kinds: 4, at: 8, variant: 16, defect: 20, calls: 24, faults: 32, blocks: 40, last: 48 };
const SIZE = AT.last + 24 + 16 + FRAMES * FRAME;

const text = (bytes) => bytes.toString('latin1', 0, bytes.indexOf(0));

export class Control {
  constructor(path) {
    this.path = path;
    writeFileSync(path, Buffer.alloc(4096));
    this.fd = openSync(path, 'r+');
  }

  close() {
    closeSync(this.fd);
    unlinkSync(this.path);
  }

  // `mode` is written last: what it stands on is there by then.
  arm({ mode, kinds, at = 1, variant = 0, defect = 0 }) {
    this.disarm();
    const rest = Buffer.alloc(AT.blocks - AT.kinds);
    rest.writeUInt32LE(kinds, 0);
    rest.writeBigUInt64LE(BigInt(at), AT.at - AT.kinds);
    rest.writeUInt32LE(variant, AT.variant - AT.kinds);
    rest.writeUInt32LE(defect, AT.defect - AT.kinds);
    writeSync(this.fd, rest, 0, rest.length, AT.kinds);
    this.setMode(mode);
  }

  setMode(mode) {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(mode);
    writeSync(this.fd, word, 0, 4, AT.mode);
  }

  disarm() {
    this.setMode(MODE.off);
  }

  read() {
    const all = Buffer.alloc(SIZE);
    readSync(this.fd, all, 0, SIZE, 0);
    const last = all.subarray(AT.last);
    return {
      calls: Number(all.readBigUInt64LE(AT.calls)),
      faults: Number(all.readBigUInt64LE(AT.faults)),
      blocks: Number(all.readBigInt64LE(AT.blocks)),
      name: text(last.subarray(0, 24)),
      error: last.readInt32LE(24),
      ways: last.readUInt32LE(32),
      frames: Array.from({ length: Math.min(last.readUInt32LE(28), FRAMES) }, (_, i) => {
        const frame = last.subarray(40 + i * FRAME);
        return { offset: frame.readBigUInt64LE(0), module: text(frame.subarray(8, 32)) };
      }).filter(({ module }) => module !== 'faults.so' && !/^lib[at]san/.test(module)),
    };
  }
}

// Where a fault struck, as functions and lines of the service.
export function place(binary, fault) {
  const lines = fault.frames.slice(0, 12).map(({ offset, module }) => {
    const address = `0x${(offset - 1n).toString(16)}`;
    if (!binary.endsWith(`/${module}`)) return `${module}+${address}`;
    const found = execFileSync('addr2line', ['-sfe', binary, address], { encoding: 'utf8' });
    return found.trim().replace('\n', ' ');
  });
  return [`${fault.name}() with errno ${fault.error}`, ...lines].join('\n      from ');
}
