// Lets every fallible call of the service fail, in turn, in every way it can, while the service
// is used in every way it can be: see faults.c, scenarios.js and judge.js.
//
//   node torture.js [--short] [--only REGEX] [--seed N] [--self-check]
//
// After each fault: it lives, hangs nowhere, said nothing wrong, answers as before, and holds
// no more memory, descriptors and threads than before. --short takes a sample in some 40 s.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { DEFECT, KIND, MODE, place } from './control.js';
import { Daemon, binary, newControl, sanitized, slower, startDaemon } from './daemon.js';
import { contents, judge } from './judge.js';
import { groups, lives, reference, runScenario, scenarios, writeFiles } from './scenarios.js';
import { exchange, sleep } from './wire.js';

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: process.env.TORTURE === 'short' },
    only: { type: 'string', default: process.env.ONLY ?? '' },
    seed: { type: 'string', default: process.env.SEED || `${Date.now() % 1000000}` },
    'self-check': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const HANG_MS = 2000, EVER_MS = 80, SHORT_MS = 22000, LANES = 2;
const folder = mkdtempSync(`${tmpdir()}/torture-`);
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
writeFiles(folder);

let random = Number(options.seed) || 1;
const chance = () => {
  random = (random + 0x6d2b79f5) | 0; // mulberry32
  let t = Math.imul(random ^ (random >>> 15), 1 | random);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

const total = { faults: 0, periods: 0, scenarios: 0, restarts: 0, failures: [], places: new Set() };

// Calls that fail as long as it lasts are one fault, however often they are tried again.
function countFaults(fault, state) {
  const count = Math.min(1, state.faults);
  if (fault.mode !== MODE.once) total.periods += count;
  total.faults += count;
  if (count && fault.mode === MODE.once) total.places.add([state.name, ...state.frames.slice(0, 4).map(({ module, offset }) => `${module}+${offset}`)].join(' '));
  return count;
}

const nameOf = (value, table) => Object.keys(table).find((name) => table[name] === value) ?? 'any';

const tail = (log) => log.split('\n').filter((line) => !/request id=/.test(line)).slice(-20).join('\n');

function failed(scenario, fault, state, why) {
  const which = fault ? `call ${fault.at} ${nameOf(fault.mode, MODE)}, kind ${nameOf(fault.kinds, KIND)}, variant ${fault.variant ?? 0}` : 'no fault';
  const where = fault?.mode === MODE.once && state?.faults ? `\n      ${place(binary, state)}` : '';
  total.failures.push(scenario.name);
  console.log(`FAILED ${scenario.name} (${which})${where}\n    ${why}`);
}

// ---- which faults: all of them, or some ----

const ANY = KIND.memory | KIND.system | KIND.library;

// Calls `strike` (which says whether there was such a call) for every fault.
async function allFaults(strike, { sampled = 12, stride = 1 } = {}) {
  let most = 0;
  const ways = new Map();
  for (const kinds of [KIND.memory, KIND.system, KIND.library])
    for (let variant = 0; variant < (kinds === KIND.system ? 4 : 1); variant++)
      for (let at = 1 + Math.floor(chance() * stride), misses = 0; misses < 3; at += stride) {
        if (variant && ways.get(at) <= variant) continue;
        const state = await strike({ mode: MODE.once, kinds, at, variant });
        if (!state) return;
        misses = state.faults ? 0 : misses + 1;
        if (kinds === KIND.system && variant === 0 && state.faults) ways.set(at, state.ways);
        if (!misses) most = Math.max(most, at);
      }
  for (let i = 0; i < sampled; i++)
    for (const kinds of [KIND.memory, KIND.system, ANY]) {
      const at = 1 + Math.floor(chance() * most);
      if (!(await strike({ mode: MODE.ever, kinds, at, variant: i % 2 }))) return;
      if (i < 6 && !(await strike({ mode: MODE.every, kinds, at: 2 + i, variant: i % 2 }))) return;
    }
}

async function someFaults(strike, calls, untilMs) {
  do {
    const kinds = [KIND.memory, KIND.memory, KIND.system, KIND.library][Math.floor(chance() * 4)];
    const mode = chance() < 0.08 ? MODE.ever : MODE.once;
    const at = 1 + Math.floor(chance() * Math.max(1, calls[kinds]));
    if (!(await strike({ mode, kinds, at, variant: Math.floor(chance() * 4) }))) return;
  } while (Date.now() < untilMs);
}

// ---- a service, and scenarios over HTTP ----

class Lane {
  constructor(number) {
    this.control = {};
    this.daemons = {};
    this.flags = groups(`${folder}/${number}.socket`, folder);
  }

  async daemon(group) {
    if (this.daemons[group]) return this.daemons[group];
    this.control[group] ??= newControl(folder);
    const daemon = await startDaemon(this.control[group], this.flags[group]);
    if (!this.cold) await warmUp(daemon, group);
    return (this.daemons[group] = daemon);
  }

  async restart(group) {
    await this.daemons[group].kill();
    delete this.daemons[group];
    total.restarts++;
    return this.daemon(group);
  }

  async stop() {
    for (const [group, daemon] of Object.entries(this.daemons)) {
      const why = await daemon.stop();
      if (why) failed({ name: `the end of ${group}` }, null, null, why);
      this.control[group].close();
    }
  }
}

// Every place that keeps a block has one: the connections' spares, the workers' scratch.
async function warmUp(daemon, group) {
  const steps = (pause) => [reference.steps[0].subarray(0, 150), { wait: pause }, reference.steps[0].subarray(150)];
  for (let i = 0; i < 4; i++) await Promise.all(Array.from({ length: group === 'tight' ? 4 : 24 }, () => exchange(daemon, steps(20))));
  for (const scenario of scenarios.filter((one) => one.group === group && !one.loose)) await runScenario(scenario, daemon, { ms: HANG_MS * slower });
  await settle(daemon, -Infinity, 60);
}

// Until no more blocks are in use than `most`, or time is up; how many there are.
async function settle(daemon, most, ms = 500) {
  for (const end = Date.now() + ms; Date.now() < end && daemon.blocks() > most; ) await sleep(2);
  return daemon.blocks();
}

const equal = (a, b) => a.length === b.length && a.every((answers, i) => answers.length === b[i].length && answers.every((one, j) => one.line === b[i][j].line && one.bytes.equals(b[i][j].bytes)));

class Run {
  constructor(lane, scenario) {
    Object.assign(this, { lane, scenario, faults: 0, calls: { 1: 0, 2: 0, 4: 0 } });
    this.verdicts = { same: 0, problem: 0, cut: 0 };
  }

  async contents(scenario) {
    return contents(await runScenario(scenario, this.daemon, { ms: HANG_MS * slower }), scenario.mask);
  }

  async begin() {
    this.daemon = await this.lane.daemon(this.scenario.group);
    const begun = Date.now();
    const outcomes = await runScenario(this.scenario, this.daemon, { ms: HANG_MS * slower });
    if (outcomes.some(({ end }) => end === 'hang')) throw new Error(`${this.scenario.name}: hangs without a fault`);
    this.healthy = contents(outcomes, this.scenario.mask);
    if (!this.scenario.loose)
      await this.patiently(async () => {
        const before = this.healthy;
        this.healthy = await this.contents(this.scenario);
        return before.flat().length && equal(before, this.healthy);
      }, 'answers differ without a fault');
    this.quick = !this.scenario.loose && Date.now() - begun < 40;
    await this.patiently(async () => (this.reference = await this.contents(reference)).flat()[0]?.line.startsWith('200'), 'the reference is refused without a fault');
    await this.count();
    await this.rest();
  }

  // Where few may be connected the last may not have left yet, and deadlines are short: there,
  // what does not hold is tried again for a second.
  async patiently(holds, otherwise) {
    const end = Date.now() + (this.scenario.group === 'tight' ? 1000 * slower : 0);
    while (!(await holds()))
      if (Date.now() > end) throw new Error(`${this.scenario.name}: ${otherwise}`);
      else await sleep(5);
  }

  async count() {
    for (const kinds of [KIND.memory, KIND.system, KIND.library]) {
      this.daemon.control.arm({ mode: MODE.count, kinds });
      await this.contents(this.scenario);
      this.calls[kinds] = this.daemon.control.read().calls;
    }
    this.daemon.control.disarm();
  }

  async rest() {
    this.blocks = await settle(this.daemon, -Infinity, options.short ? 15 : 40);
    this.descriptors = this.daemon.descriptors();
    this.threads = this.daemon.threads();
  }

  async underFault(fault) {
    const { control } = this.daemon;
    const lasting = fault.mode !== MODE.once;
    control.arm({ ...fault, defect: this.defect ?? 0 });
    const patience = { ms: HANG_MS * slower };
    let disarm = null;
    if (lasting) {
      let armed = true;
      patience.armed = () => armed;
      disarm = setTimeout(() => (control.disarm(), (armed = false)), EVER_MS);
    }
    const outcomes = await runScenario(this.scenario, this.daemon, patience);
    clearTimeout(disarm);
    control.disarm();
    return { outcomes, state: control.read() };
  }

  // The counts at the time of the fault, or null when there is no going on.
  async strike(fault) {
    const { outcomes, state } = await this.underFault(fault);
    this.faults += countFaults(fault, state);
    const judged = judge(outcomes, this.healthy, this.scenario);
    let why = judged.failure;
    const transient = fault.mode === MODE.once && state.faults && (state.error === 4 || state.error === -1);
    if (!why && transient && !this.scenario.loose && judged.verdict !== 'same') why = 'an interrupted or short call is no reason to fail';
    await sleep(0);
    if (!why && this.daemon.exited) why = 'died';
    if (!why) why = await this.after();
    if (!why && fault.mode === MODE.once && this.defect !== DEFECT.thread) why = await this.leaks(fault, state);
    if (!why && process.env.EACH) why = await this.unfinished();
    if (judged.verdict) this.verdicts[judged.verdict]++;
    if (!why) return state;
    return this.fail(fault, state, why);
  }

  async fail(fault, state, why) {
    let more = '';
    await sleep(20);
    if (this.daemon.exited) more = ` with ${JSON.stringify(this.daemon.exited)}\n${tail(this.daemon.log)}`;
    else if (/hang/.test(why) && options.verbose) more = `\n${this.daemon.stacks()}`;
    failed(this.scenario, fault, state, why.slice(0, 700) + more);
    if (total.failures.length > 40 || this.defect) return null;
    this.daemon = await this.lane.restart(this.scenario.group);
    await this.rest();
    return state;
  }

  // The next request: this one, or one that is quicker.
  async after() {
    const chosen = this.quick ? this.scenario : reference;
    const wanted = this.quick ? this.healthy : this.reference;
    for (const end = Date.now() + 1000 * slower; ; await sleep(5)) {
      const got = await this.contents(chosen);
      if (equal(got, wanted)) return null;
      if (this.daemon.exited) return 'died in the next request';
      const crowded = this.scenario.group === 'tight' && !got.flat().some(({ line }) => line.startsWith('200'));
      if (!crowded || Date.now() > end) return `the next request has another answer: ${got.flat().map(({ line, bytes }) => `${line} ${bytes.toString().slice(0, 300)}`)}`;
    }
  }

  // GnuTLS 3.7 itself loses what it had begun when it has no memory to go on.
  async leaks(fault, state) {
    if (/gnutls|hogweed|nettle/.test(state.frames[0]?.module)) return null;
    const now = await settle(this.daemon, this.blocks);
    if (now <= this.blocks) return null;
    const REPEATS = 6;
    for (let i = 0; i < REPEATS; i++) await this.underFault(fault);
    const grown = (await settle(this.daemon, now + 1)) - now;
    this.blocks = await settle(this.daemon, -Infinity, 20);
    return grown >= REPEATS - 1 ? `${REPEATS} more of these left ${grown} blocks of memory` : null;
  }

  // After all its faults.
  async end() {
    if (this.daemon.exited) return;
    const quiet = await this.daemon.until(() => this.daemon.descriptors() <= this.descriptors && this.daemon.threads() === this.threads, this.defect ? 300 : 3500);
    if (!quiet) failed(this.scenario, null, null, `descriptors: ${this.descriptors} -> ${this.daemon.descriptors()}, threads: ${this.threads} -> ${this.daemon.threads()}`);
    let why = await this.unfinished();
    for (const end = Date.now() + 3000 * slower; why && Date.now() < end; why = await this.unfinished()) await sleep(50);
    if (why) failed(this.scenario, null, null, why);
  }

  // What the service believes to be still under way, or null.
  async unfinished() {
    const [outcome] = await runScenario({ steps: [Buffer.from('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')], door: 'metricsDoor' }, this.daemon, { ms: HANG_MS });
    if (outcome.answers[0]?.status !== 200) return `/metrics: ${outcome.end}, ${outcome.malformed ?? ''} ${JSON.stringify(outcome.answers[0] ?? null)}`;
    const text = outcome.answers[0].body.toString();
    const value = (name) => Number(new RegExp(`^attentiond_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    const left = { in_flight_requests: 1, queue_depth: 0, queue_work_flops: 0, workers_busy: 0 };
    const wrong = Object.keys(left).filter((name) => value(name) !== left[name]);
    return wrong.length ? wrong.map((name) => `${name} is ${value(name)} in the end`).join(', ') : null;
  }

  async all(untilMs) {
    const begun = Date.now();
    await this.begin();
    const strike = (fault) => this.strike(fault);
    if (options.short) await someFaults(strike, this.calls, untilMs);
    else await allFaults(strike, { sampled: this.quick ? 12 : 4 });
    await this.end();
    report(this.scenario, this.calls, this.faults, this.verdicts, begun);
  }
}

function report({ name }, calls, faults, verdicts, begun) {
  total.scenarios++;
  const counts = `memory ${calls[1]} system ${calls[2]} library ${calls[4]}`;
  const outcomes = Object.entries(verdicts).map(([verdict, count]) => `${verdict} ${count}`).join(', ');
  console.log(`  ${name.padEnd(34)} ${counts.padEnd(36)} ${`${faults}`.padStart(5)} faults: ${outcomes} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
}

// ---- lives of the whole program ----

const bytesOf = async (daemon) => contents(await runScenario(reference, daemon, { ms: HANG_MS * slower }))[0]?.[0];
const complaint = (daemon) => /\S/.test(daemon.log) || /not ready/.test(daemon.out);

// What is wrong with how this one ended by itself, or null.
function badExit(daemon, fault) {
  const { code, signal } = daemon.exited;
  if (signal || ![1, 78].includes(code) || /Sanitizer|runtime error:/.test(daemon.log)) return `ended with ${code ?? signal}:\n${daemon.log}`;
  const mute = fault && fault.mode !== MODE.once && fault.kinds & KIND.system; // it cannot write
  return mute || complaint(daemon) ? null : `ended with ${code} and said nothing`;
}

const ways = {
  async start(life, daemon, healthy, fault) {
    await daemon.until(() => daemon.ready || daemon.exited || (fault && daemon.control.read().faults && daemon.threadsOrNone() > 5), 6000);
    await daemon.until(() => daemon.ready || daemon.exited, 500);
    daemon.control.disarm();
    if (daemon.exited) return { verdict: 'refused', why: badExit(daemon, fault) };
    // The line that says so is lost when it cannot be written; then there is no port to ask.
    const lost = !daemon.ready && fault && (fault.mode === MODE.once ? ['write', 'poll'].includes(daemon.control.read().name) : fault.kinds & KIND.system);
    if (lost) return { verdict: 'same', why: await daemon.stop() };
    if (!daemon.ready) return { why: `neither starts nor ends\n${daemon.stacks()}\n${daemon.log}` };
    const got = await bytesOf(daemon);
    const right = got && (!healthy || (got.line === healthy.got.line && got.bytes.equals(healthy.got.bytes)));
    return { verdict: 'same', got, why: right ? await daemon.stop() : 'computes something else' };
  },

  async print(life, daemon, healthy, fault) {
    if (!(await daemon.until(() => daemon.exited, 6000))) return { why: `does not end\n${daemon.stacks()}` };
    if (daemon.exited.code !== 0) return { verdict: 'refused', why: badExit(daemon, fault) };
    return { verdict: 'same', got: daemon.out, why: healthy && healthy.got !== daemon.out ? `printed something else: ${daemon.out}` : null };
  },

  async probe(life, daemon, healthy, fault) {
    if (!(await daemon.until(() => daemon.exited, 6000))) return { why: `does not end\n${daemon.stacks()}` };
    return daemon.exited.code === 0 ? { verdict: 'same' } : { verdict: 'refused', why: badExit(daemon, fault) };
  },

  async drain(life, daemon, healthy, fault) {
    if (!(await daemon.until(() => daemon.ready || daemon.exited, 8000)) || daemon.exited) return { why: `does not start: ${daemon.log}` };
    const patience = { ms: 8000 * slower };
    const busy = life.busy.map((steps) => exchange(daemon, steps, { patience }));
    await sleep(12);
    if (fault) daemon.control.arm(fault);
    const lasting = fault && fault.mode !== MODE.once ? setTimeout(() => daemon.control.disarm(), EVER_MS) : null;
    daemon.child.kill('SIGTERM');
    const why = await daemon.goodEnd();
    clearTimeout(lasting);
    const outcomes = await Promise.all(busy);
    const judged = judge(outcomes, [], { loose: true });
    return { verdict: outcomes.every(({ answers }) => answers.length) ? 'same' : 'cut', why: why ?? judged.failure ?? null };
  },
};

async function live(lane, life, untilMs) {
  const begun = Date.now();
  const control = newControl(folder);
  const verdicts = { same: 0, refused: 0, cut: 0 };
  const flags = life.flags ?? [];
  if (life.kind === 'drain') flags.unshift('--port', '0', '--workers', '2');
  if (life.kind === 'probe') flags.push('--port', `${(await lane.daemon('plain')).port}`);
  let healthy = null, faults = 0;
  const calls = { 1: 0, 2: 0, 4: 0 };

  const strike = async (fault) => {
    control.disarm();
    if (fault && life.kind !== 'drain') control.arm(fault);
    const daemon = new Daemon(control, flags, life);
    total.restarts++;
    const { verdict, got, why } = await ways[life.kind](life, daemon, healthy, fault);
    const state = control.read();
    await daemon.kill();
    if (why) failed(life, fault, state, options.verbose ? why : why.slice(0, 700));
    if (fault?.mode === MODE.count) calls[fault.kinds] = state.calls;
    else if (fault) {
      faults += countFaults(fault, state);
      if (verdict) verdicts[verdict]++;
    } else healthy = { got };
    return total.failures.length > 40 ? null : state;
  };

  await strike(null);
  for (const kinds of [KIND.memory, KIND.system, KIND.library]) await strike({ mode: MODE.count, kinds });
  if (options.short) await someFaults(strike, calls, untilMs);
  else await allFaults(strike, { sampled: 3, stride: life.stride });
  control.close();
  report(life, calls, faults, verdicts, begun);
}

// ---- the driver itself: each mistake made on purpose must be noticed ----

async function selfCheck() {
  const lane = Object.assign(new Lane('self'), { cold: true });
  const expected = { crash: /SIGABRT/, leak: /blocks of memory/, hang: /hang/, bytes: /answered wrongly|another answer/, descriptor: /descriptors/, thread: /threads/ };
  for (const [name, pattern] of Object.entries(expected)) {
    const said = [];
    const { log } = console;
    console.log = (text) => said.push(text);
    const run = new Run(lane, scenarios.find((one) => one.name === 'livez'));
    try {
      await run.begin();
      run.defect = DEFECT[name];
      await run.strike({ mode: MODE.once, kinds: KIND.library, at: 1 });
      if (!said.length) await run.end();
    } finally {
      console.log = log;
    }
    if (!pattern.test(said.join('\n'))) throw new Error(`a ${name} was not noticed: ${said}`);
    await lane.restart('plain');
  }
  await lane.stop();
  Object.assign(total, { faults: 0, periods: 0, restarts: 0, failures: [] });
  total.places.clear();
  console.log(`the driver notices: ${Object.keys(expected).join(', ')}`);
}

// ---- everything ----

// Of the many requests that differ in their bodies alone, a sample takes some.
const sampled = ({ name }) => !options.short || !name.startsWith('request ') || chance() < 0.3;
const chosen = (list) => list.filter((one) => new RegExp(options.only).test(one.name) && sampled(one));

async function main() {
  console.log(`torture: ${options.short ? 'a sample' : 'everything'}, seed ${options.seed}${sanitized ? ', sanitized' : ''}`);
  await selfCheck();
  if (options['self-check']) return;
  const todo = [
    ...chosen(lives(folder)).map((life) => (lane, untilMs) => live(lane, life, untilMs)),
    ...chosen(scenarios).map((scenario) => (lane, untilMs) => new Run(lane, scenario).all(untilMs)),
  ];
  const count = todo.length, begun = Date.now();
  const lanes = Array.from({ length: LANES }, (_, i) => new Lane(i));
  await Promise.all(
    lanes.map(async (lane) => {
      for (let next; total.failures.length <= 40 && (next = todo.shift()); ) {
        const left = Math.max(0, begun + SHORT_MS * slower - Date.now());
        try {
          await next(lane, Date.now() + (left * LANES) / (todo.length + LANES));
        } catch (error) {
          failed({ name: 'the driver' }, null, null, error.stack);
        }
      }
    }),
  );
  for (const lane of lanes) await lane.stop();
  console.log(`torture: ${total.places.size} places in the code were struck, ${total.periods} faults lasted ${EVER_MS} ms; of ${count} scenarios ${total.scenarios} ended`);
  console.log(`torture: ${total.faults} faults injected in ${total.scenarios} scenarios, ${total.restarts} services restarted, ${total.failures.length} failures`);
  process.exitCode = total.failures.length || total.scenarios < count ? 1 : 0;
}

await main();
process.exit();
