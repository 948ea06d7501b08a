// Runs the test files one after another, as some of them measure time; JOBS=2 at once.
// Names given on the command line choose: `npm test attention errors`.
import { readdirSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const chosen = process.argv.slice(2);
const files = readdirSync(here)
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => !chosen.length || chosen.includes(name.replace('.test.js', '')))
  .map((name) => here + name);

const totals = { pass: 0, fail: 0 };
run({ files, concurrency: Number(process.env.JOBS ?? 1) })
  .on('test:pass', () => totals.pass++)
  .on('test:fail', () => {
    totals.fail++;
    process.exitCode = 1;
  })
  .compose(new spec())
  .on('end', () => {
    if (!totals.pass) process.exitCode = 1; // no test has run: that is a failure, too
  })
  .pipe(process.stdout);
