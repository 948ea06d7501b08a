// What README.md shows is what happens.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { attention, compute } from './support/client.js';
import { assertClose } from './support/numbers.js';
import { start } from './support/service.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = (language) =>
  [...readme.matchAll(new RegExp('```' + language + '\\n(.*?)```', 'gs'))].map((m) => m[1]);
const [firstAnswer, problem] = blocks('json');

let service;
before(async () => (service = await start()));
after(() => service.stop());

test('the first request is answered as it says', async () => {
  const body = blocks('sh')
    .find((text) => text.includes("curl --json '{"))
    .split("'")[1];
  const { json } = await compute(service, body);
  const expected = JSON.parse(firstAnswer.replace(/…/g, '0').replace('"id":"0"', '"id":""'));
  assert.deepEqual(Object.keys(json), Object.keys(expected));
  assert.deepEqual(json.outputs, expected.outputs);
  assert.deepEqual(json.attention_maps, expected.attention_maps);
});

test('a refusal looks as it says', async () => {
  const { json } = await attention(service, {
    sequences: [
      [1, 0, 0],
      [0, 1],
      [0, 0, 1],
    ],
  });
  assert.deepEqual({ ...json, instance: '…' }, JSON.parse(problem));
});

test(
  'answers over parts of the keys merge into the whole',
  { skip: !hasPython() && 'skipped: no python3' },
  () => {
    const [program] = blocks('python');
    const { status, stdout, stderr } = spawnSync('python3', ['-'], {
      input: program.replace('http://127.0.0.1:8080', service.url),
      encoding: 'utf8',
      timeout: 20000,
    });
    assert.equal(status, 0, stderr);
    const [first, second, whole] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assertClose([first, second], whole, 'rows', { absolute: 1e-6, relative: 1e-6 });
  }
);

function hasPython() {
  return spawnSync('python3', ['--version']).status === 0;
}
