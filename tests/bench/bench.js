// make bench: everything beside its reference, in one run. Tables on stdout, the same as
// JSON in build/bench/results.json, the goals as README.md has them in build/bench/goals.md,
// time against T in build/bench/growth.svg.
//
//   node bench.js [--only kernel,codec,service,growth,mixed]
//
// BENCH_SECONDS (2): a load; a kernel's line takes a tenth. BENCH_ROUNDS (3): how often
// each pair is measured in turn.
import { mkdirSync, writeFileSync } from 'node:fs';
import { goals } from './goals.js';
import { commands, root } from './lib/children.js';
import { machine, versions } from './lib/machine.js';
import { ort } from './lib/peers.js';
import { Report, markdown } from './lib/report.js';

const all = ['kernel', 'codec', 'service', 'growth', 'mixed'];
const at = process.argv.indexOf('--only');
const only = at < 0 ? all : process.argv[at + 1].split(/[\s,]+/).filter(Boolean);
const unknown = only.filter((name) => !all.includes(name));
if (unknown.length) {
  console.error(`bench: no section ${unknown.join(', ')}; there are ${all.join(', ')}`);
  process.exit(2);
}

const options = {
  seconds: Number(process.env.BENCH_SECONDS ?? 2),
  rounds: Number(process.env.BENCH_ROUNDS ?? 3),
  folder: `${root}build/bench`,
};
mkdirSync(options.folder, { recursive: true });

const report = new Report(goals);
const head = { ...machine(), ...(await versions(ort.version)) };
const command = `BENCH_SECONDS=${options.seconds} BENCH_ROUNDS=${options.rounds} make bench ONLY=${only.join()}`;
console.log(command);
for (const [name, value] of Object.entries(head)) console.log(`  ${name.padEnd(14)} ${value}`);

const begin = Date.now();
const failed = [];
for (const name of only) {
  console.log(`\n== ${name} (${((Date.now() - begin) / 1000).toFixed(0)} s)`);
  try {
    const { default: section } = await import(`./sections/${name}.js`);
    await section(report, options);
  } catch (error) {
    failed.push(name); // the others are worth having all the same
    console.error(`  ${name} failed: ${error.stack}`);
  }
}

console.log(`\n== done (${((Date.now() - begin) / 1000).toFixed(0)} s)`);
report.printGoals();
console.log(`\nThe commands that were timed:\n  ${[...commands].join('\n  ')}`);
const { tables, notes, skipped, goals: reached, series } = report;
writeFileSync(
  `${options.folder}/results.json`,
  JSON.stringify({ command, head, goals: reached, tables, notes, skipped, series, commands: [...commands] }, null, 1)
);
writeFileSync(`${options.folder}/goals.md`, `${markdown(reached)}\n`);
console.log(`\nwritten: build/bench/results.json, goals.md${only.includes('growth') ? ', growth.svg' : ''}`);
process.exit(failed.length ? 1 : 0);
