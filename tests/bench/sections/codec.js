// Tensors as JSON and base64, in process on one thread, beside jansson and, where they are
// there to build, simdjson and yyjson: nanoseconds a number, the fastest run of each.
import { codecs } from '../lib/codecs.js';

const noYyjson = 'not given: YYJSON=DIR names the folder of yyjson.c and yyjson.h';

export default async function codecSection(report, { rounds }) {
  const { found, ours, jansson, simdjson, yyjson, base64 } = await codecs(rounds);
  const who = ['bytes', 'ours', 'jansson', 'simdjson', 'yyjson', 'strtof', 'sprintf'];
  report.table(
    'Codec, 1 thread, ns a number of a 512 x 512 matrix',
    ['', ...who],
    Object.entries(found).map(([task, times]) => [task.replaceAll('_', ' '), ...who.map((name) => times[name])])
  );
  report.reach('read', jansson.read / ours.read);
  report.reach('written', jansson.write / ours.write);
  report.reach('read-yyjson', yyjson.read && yyjson.read / ours.read, noYyjson);
  report.reach('written-yyjson', yyjson.write && yyjson.write / ours.write, noYyjson);

  if (simdjson.read) report.note(`read: simdjson takes ${(simdjson.read / ours.read).toFixed(2)} x as long as ours`);
  else report.skip('simdjson', 'libsimdjson-dev was not there to build with');
  const [read, written] = ['read', 'write'].map((way) => (ours[way] / base64[way]).toFixed(1));
  report.note(`base64 is read ${read} x and written ${written} x as fast as JSON`);
}
