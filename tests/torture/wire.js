// HTTP as bytes: what is sent is given step by step, what comes is taken apart strictly.
import net from 'node:net';
import tls from 'node:tls';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Answers as they come, one after the other; `heads`: none has a body.
export class Answers {
  constructor(heads = false) {
    this.heads = heads;
    this.list = [];
    this.malformed = null;
    this.data = Buffer.alloc(64 * 1024);
    this.length = this.at = 0;
    this.open = null; // the answer whose body is awaited
  }

  push(chunk) {
    if (this.length + chunk.length > this.data.length) {
      const more = Buffer.alloc(2 * (this.length + chunk.length));
      this.data.copy(more, 0, 0, this.length);
      this.data = more;
    }
    chunk.copy(this.data, this.length);
    this.length += chunk.length;
    while (!this.malformed && (this.open ? this.takeBody() : this.takeHead()));
  }

  // Up to and with the next `mark`; null: it is not there yet.
  takeUntil(mark) {
    const end = this.data.subarray(0, this.length).indexOf(mark, this.at, 'latin1');
    if (end < 0) return null;
    const text = this.data.toString('latin1', this.at, end);
    this.at = end + mark.length;
    return text;
  }

  takeHead() {
    const head = this.takeUntil('\r\n\r\n');
    if (head === null) return false;
    const [first, ...lines] = head.split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3}) [\x20-\x7e]*$/.exec(first)?.[1]);
    const pairs = lines.map((line) => /^([!-9;-~]+): ?([\x20-\x7e]*)$/.exec(line));
    if (!status || pairs.includes(null)) return this.fail(`a head: ${head.slice(0, 300)}`);
    if (status < 200) return true;
    const headers = Object.fromEntries(pairs.map(([, name, value]) => [name.toLowerCase(), value]));
    if (Object.keys(headers).length !== pairs.length) return this.fail(`a header twice: ${head.slice(0, 900)}`);
    const none = this.heads || status === 204 || status === 304;
    this.open = { status, headers, body: [], left: none ? 0 : Number(headers['content-length'] ?? 0), chunk: false };
    this.open.chunked = !none && headers['transfer-encoding'] === 'chunked';
    return true;
  }

  fail(what) {
    this.malformed = what;
    return false;
  }

  takeBody() {
    const a = this.open;
    if (a.chunked && !a.chunk) {
      const size = this.takeUntil('\r\n');
      if (size === null) return false;
      if (!/^[0-9a-f]+$/i.test(size)) return this.fail(`a chunk of ${size.slice(0, 40)}`);
      a.left = parseInt(size, 16) + 2;
      a.chunk = true;
      a.last = a.left === 2;
    }
    const taken = Math.min(a.left, this.length - this.at);
    if (taken) a.body.push(Buffer.from(this.data.subarray(this.at, this.at + taken)));
    this.at += taken;
    a.left -= taken;
    if (a.left) return false;
    if (a.chunk) {
      a.chunk = false; // its line end is cut off
      const whole = a.body.pop();
      if (whole.length >= 2) a.body.push(whole.subarray(0, -2));
      else a.body[a.body.length - 1] = a.body.at(-1).subarray(0, -1);
      if (!a.last) return true;
    }
    a.body = Buffer.concat(a.body);
    this.list.push(a);
    this.open = null;
    if (this.at === this.length) this.at = this.length = 0;
    return true;
  }

  // Of an answer that was cut off: what came of its body.
  get part() {
    return this.open && Buffer.concat(this.open.body);
  }

  get rest() {
    return this.length - this.at;
  }
}

// Steps: bytes to send, or { wait: ms }, { answers: n } (wait until so many have come), 'end' (no
// more is sent), 'reset', 'leave'. It is over when `wanted` answers have come, when the service
// closes, or, as a hang, when nothing comes for `patience.ms`.
// `anonymous`: without the service's key; `plain`: without TLS, though it speaks that.
export function exchange(service, steps, { wanted = 1, heads = false, patience = { ms: 2000 }, pauseMs = 0, anonymous, plain } = {}) {
  return new Promise((resolve) => {
    const answers = new Answers(heads);
    const secure = service.tls && !plain;
    const to = service.socketPath ? { path: service.socketPath } : { host: '127.0.0.1', port: service.port };
    const socket = secure ? tls.connect({ ...to, rejectUnauthorized: false }) : net.connect(to);
    const signed = (bytes) =>
      service.key && !anonymous ? Buffer.from(bytes.toString('latin1').replaceAll('Host: a\r\n', `Host: a\r\nAuthorization: Bearer ${service.key}\r\n`), 'latin1') : bytes;
    socket.setNoDelay(true);
    let over = false, awaited = null, timer = null;
    const finish = (end) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.destroy();
      resolve({ end, answers: answers.list, malformed: answers.malformed, part: answers.part, open: answers.open, rest: answers.rest });
    };
    const hurry = () => {
      clearTimeout(timer);
      timer = setTimeout(() => (patience.armed?.() ? hurry() : finish('hang')), patience.ms);
    };
    hurry();
    socket.on('data', (chunk) => {
      hurry();
      answers.push(chunk);
      if (pauseMs) {
        socket.pause();
        setTimeout(() => socket.resume(), pauseMs);
      }
      if (answers.malformed) finish('malformed');
      if (awaited && answers.list.length >= awaited.n) awaited.go();
      if (wanted && answers.list.length >= wanted) finish('answered');
    });
    socket.on('end', () => finish('closed'));
    socket.on('error', (error) => finish(error.code === 'ECONNREFUSED' || error.code === 'EAGAIN' ? 'refused' : 'reset'));
    socket.on('close', () => finish('closed'));
    socket.on(secure ? 'secureConnect' : 'connect', async () => {
      for (const step of steps) {
        if (over) return;
        if (step === 'end') socket.end();
        else if (step === 'reset') return socket.resetAndDestroy(), finish('left');
        else if (step === 'leave') return finish('left');
        else if (step.wait) await sleep(step.wait);
        else if (step.answers) await new Promise((go) => (awaited = { n: step.answers, go }));
        else await new Promise((sent) => socket.write(signed(step), sent));
      }
    });
  });
}
