// Whether what came back is right: the same bytes as without a fault, a refusal that a fault
// may cause, or nothing more. Everything else is a failure.

// Of our own: what a fault may turn an answer into.
const excuses = { 503: ['out-of-memory', 'overloaded', 'shutting-down', 'not-ready'] };
const slugOf = (problem) => /^urn:attentiond:problem:([a-z-]+)$/.exec(problem.type)?.[1];

function readProblem({ status, headers, body }) {
  if (headers['content-type'] !== 'application/problem+json') return null;
  try {
    const problem = JSON.parse(body.toString());
    const texts = ['type', 'title', 'detail', 'instance', 'error'];
    return problem.status === status && texts.every((name) => problem[name]?.length > 0) && slugOf(problem) ? problem : null;
  } catch {
    return null;
  }
}

const isExcuse = (answer, { heads, group }) => {
  if (heads) return answer.status in excuses;
  const problem = readProblem(answer);
  // Where the deadlines are as short as what lasts.
  if (group === 'tight' && problem && slugOf(problem) === 'request-timeout') return true;
  return problem !== null && excuses[answer.status]?.includes(slugOf(problem)) && answer.headers['retry-after'] !== undefined;
};

// What an answer says, without what is another thing each time.
function content({ status, headers, body }, mask) {
  const kept = Object.entries(headers)
    .filter(([name]) => !['date', 'server-timing', 'content-length', 'retry-after'].includes(name))
    .map(([name, value]) => (name === 'x-request-id' && /^[0-9a-f]{32}$/.test(value) ? name : `${name}: ${value}`));
  const json = /json/.test(headers['content-type'] ?? '');
  let bytes = body;
  if (!headers['content-type']) bytes = Buffer.alloc(0); // the library's own words
  else if (mask && status === 200 && (!json || mask.json)) bytes = Buffer.from(mask(body.toString()));
  else if (json && body.length < 1 << 20)
    bytes = Buffer.from(body.toString().replace(/"timing":\{[^}]*\}/, '').replace(/"(id|instance)":"[0-9a-f]{32}"/, ''));
  else if (json) bytes = body.subarray(45, body.lastIndexOf('"timing"')); // without the id before it
  return { line: `${status} ${kept.join('\n')}`, bytes };
}

const same = (a, b) => a.line === b.line && a.bytes.equals(b.bytes);

export const contents = (outcomes, mask) => outcomes.map(({ answers }) => answers.map((answer) => content(answer, mask)));

const show = ({ status, headers, body }) => `${status} ${JSON.stringify(headers)} ${body.toString().slice(0, 500)}`;

// One connection: { verdict: 'same' | 'problem' | 'cut' } or { failure }.
function judgeConnection(outcome, healthy, scenario) {
  if (outcome.malformed) return { failure: `sent what is not HTTP: ${outcome.malformed}` };
  let verdict = 'same';
  for (const [i, answer] of outcome.answers.entries()) {
    const got = content(answer, scenario.mask);
    if ((healthy[i] && same(got, healthy[i])) || (scenario.loose && answer.status < 500)) continue;
    if (!isExcuse(answer, scenario)) return { failure: `answered wrongly: ${show(answer)}` };
    verdict = 'problem';
  }
  if (outcome.end === 'hang') return { failure: `hangs after ${outcome.answers.length} answers${outcome.open ? ' and a part' : ''}` };
  return { verdict: outcome.answers.length < healthy.length && verdict === 'same' ? 'cut' : verdict };
}

export function judge(outcomes, healthy, scenario) {
  const all = outcomes.map((outcome, i) => judgeConnection(outcome, healthy[i] ?? [], scenario));
  const failed = all.find(({ failure }) => failure);
  if (failed) return failed;
  for (const verdict of ['cut', 'problem']) if (all.some((one) => one.verdict === verdict)) return { verdict };
  return { verdict: 'same' };
}
