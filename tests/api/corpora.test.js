// Bodies that were collected because parsers fail on them, and bodies that were right and were
// then cut off or changed: what is not JSON is 400 and says where, all else 200, 413 or 422.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { connections, fetchAnswer, get } from './support/client.js';
import { toBase64 } from './support/numbers.js';
import { shared, start } from './support/service.js';

const agent = connections(8);
let service;
before(async () => (service = await start(['--workers', '2'])));
after(async () => {
  agent.destroy();
  await service.stop();
});

const send = (body) => fetchAnswer(service, agent, 'POST', '/v1/attention', body);

// In the order they were given, eight at a time.
async function sendAll(bodies, check) {
  for (let at = 0; at < bodies.length; at += 8)
    await Promise.all(bodies.slice(at, at + 8).map(async (body, i) => check(await send(body), at + i)));
}

const place = /line [1-9]\d*, column [1-9]\d* \(byte \d+\): ./;

// Every refusal says what is wrong where.
function assertPlaced(answer, what) {
  const { status, json } = answer;
  if (status === 400) {
    assert.equal(json.type, 'urn:attentiond:problem:invalid-json', what);
    assert.match(json.detail, place, what);
  } else if (status === 422) {
    assert.equal(json.type, 'urn:attentiond:problem:invalid-input', what);
    assert.match(json.errors[0].pointer, /^(\/|$)/, what);
    assert.ok(json.errors[0].detail.length > 5, what);
  } else assert.ok([200, 413].includes(status), `${what}: ${status}`);
}

describe('the JSON test suite', () => {
  const folder = `${shared}/corpora/json_test_suite`;
  const skip = existsSync(folder) ? false : `skipped: no ${folder}`;
  const files = skip ? [] : readdirSync(folder).filter((name) => name.endsWith('.json'));

  test('n_ is 400, y_ is 422, i_ is either (threats 51-59, 62, 64-66)', { skip }, async () => {
    assert.ok(files.length > 300);
    const bodies = files.map((name) => readFileSync(`${folder}/${name}`));
    await sendAll(bodies, (answer, i) => {
      const what = `${files[i]}: ${answer.status} ${answer.json?.detail}`;
      const blank = answer.json?.type === 'urn:attentiond:problem:empty-body';
      if (!blank) assertPlaced(answer, what);
      const { status } = answer;
      if (/^(n_|y_object_duplicated_key)/.test(files[i])) assert.equal(status, 400, what);
      else if (/^i_/.test(files[i])) assert.ok([400, 422].includes(status), what);
      else assert.equal(status, 422, what);
    });
  });

  // A text that is right where it stands, inside an object, is told of by its pointer.
  test('y_ as a member that nobody knows is 422 at that member', { skip }, async () => {
    const good = files.filter((name) => name.startsWith('y_') && !/duplicated_key/.test(name));
    const bodies = good.map((name) =>
      Buffer.concat([Buffer.from('{"x": '), readFileSync(`${folder}/${name}`), Buffer.from('}')]),
    );
    await sendAll(bodies, (answer, i) => {
      assert.equal(answer.status, 422, `${good[i]}: ${answer.json?.detail}`);
      assert.equal(answer.json.errors[0].pointer, '/x');
    });
  });

  test('n_ as such a member is still 400', { skip }, async () => {
    // These are right again when a brace or nothing stands around them.
    const changed =
      /^n_(structure_(no_data|object_followed|unclosed_object)|single_space|structure_UTF8_BOM_no)/;
    const bad = files.filter((name) => name.startsWith('n_') && !changed.test(name));
    const bodies = bad.map((name) =>
      Buffer.concat([Buffer.from('{"x": '), readFileSync(`${folder}/${name}`), Buffer.from('}')]),
    );
    await sendAll(bodies, (answer, i) => {
      assert.equal(answer.status, 400, `${bad[i]}: ${answer.json?.detail}`);
      assertPlaced(answer, bad[i]);
    });
  });
});

describe('bodies that were right', () => {
  const X = [
    [1, -2.5],
    [3e-1, 4],
  ];
  const bodies = [
    { sequences: X, causal: true, id: 'a.B_9:-', mask: [[true, false]] },
    { sequences: toBase64(X), mask: toBase64([[0, -Infinity]]), tensor_format: 'base64' },
    { query: [X], key: [X], value: [X], key_lengths: [1], return: ['lse', 'statistics'], maps: 'mean' },
    { sequences: X, method: { name: 'linformer', rank: 2, seed: 7, compare: true }, labels: ['a', 'é😀'] },
    { sequences: X, rope: { base: 500, positions: [1, 0] }, window: { left: 1 }, dropout: { rate: 0.5 } },
  ].map((body) => Buffer.from(JSON.stringify(body)));

  test('every truncation is 400 and says where (threat 52)', async () => {
    const cuts = bodies.flatMap((body) =>
      [...body.keys()].slice(1).map((length) => body.subarray(0, length)),
    );
    await sendAll(cuts, (answer, i) => {
      assert.equal(answer.status, 400, `${cuts[i]}`);
      assert.match(answer.json.detail, place);
    });
  });

  test('a flipped bit of every byte is 200, 400, 413 or 422 (threats 53, 54, 56, 57)', async () => {
    const flipped = bodies.flatMap((body) =>
      [...body.keys()].map((at) => {
        const copy = Buffer.from(body);
        copy[at] ^= 1 << (at % 8);
        return copy;
      }),
    );
    const count = {};
    await sendAll(flipped, (answer, i) => {
      assertPlaced(answer, `${flipped[i]}: ${answer.status} ${answer.json?.detail}`);
      count[answer.status] = (count[answer.status] ?? 0) + 1;
    });
    assert.ok(count[400] > 50 && count[422] > 50 && count[200] > 20, JSON.stringify(count));
  });

  test('and the service has seen no mistake of its own', async () => {
    const { text } = await get(service, '/metrics');
    assert.doesNotMatch(text, /attentiond_requests_total\{[^}]*code="5\d\d"[^}]*\} [1-9]/);
    for (const body of bodies) assert.equal((await send(body)).status, 200);
  });
});
