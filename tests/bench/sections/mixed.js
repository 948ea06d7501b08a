// Small requests beside large ones: p50 and p99 of T = 16, one client, alone and while as
// many clients as there are workers keep every worker at T = 3072. The clients share the
// cores with the workers.
import { body, matrix } from '../lib/bodies.js';
import { inTurn, latency, load } from '../lib/load.js';
import { ours } from '../lib/servers.js';
import { median } from '../lib/statistics.js';

const clients = 2;

export default async function mixedSection(report, { rounds, seconds }) {
  const small = body('small.json', { sequences: matrix(16, 16) });
  const large = {
    'T 3072, no map': body('large_none.json', { sequences: matrix(3072, 64), maps: 'none' }),
    'T 3072, map, base64': body('large_map.json', { sequences: matrix(3072, 64), tensor_format: 'base64' }),
  };
  const service = await ours(['--workers', String(clients)]);
  const alone = () => latency(service.url, small, { seconds });
  const beside = (file) => async () => {
    const busy = load(service.url, file, { connections: clients, seconds: seconds + 2 });
    await new Promise((resolve) => setTimeout(resolve, 500)); // until they are at work
    const result = await alone();
    return { ...result, large: (await busy).rate };
  };
  await latency(service.url, small, { seconds: 0.5 }); // warms it up
  const runs = await inTurn(rounds, {
    alone,
    ...Object.fromEntries(Object.entries(large).map(([name, file]) => [`beside ${name}`, beside(file)])),
  });
  const of = (all, key) => median(all.map((run) => run[key]));
  report.table(
    'T = 16, d = 16, 1 client, milliseconds',
    ['', 'p50', 'p99', 'p99 / alone', 'a second', 'large a second'],
    Object.entries(runs).map(([name, all]) => [
      name,
      of(all, 'p50'),
      of(all, 'p99'),
      of(all, 'p99') / of(runs.alone, 'p99'),
      of(all, 'rate'),
      all[0].large && of(all, 'large'),
    ])
  );
  report.reach('mixed', of(runs['beside T 3072, no map'], 'p99') / of(runs.alone, 'p99'));
  await service.stop();
}
