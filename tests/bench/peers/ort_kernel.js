// ONNX Runtime's attention operators in this process, a JSON line each, in the form of
// bench_attention_shapes.h:
//
//   node ort_kernel.js [--threads N] [--kinds mha,att_causal,mha_causal,att_map]
//                      [--seconds S, of one line] --shapes T,H,d ...
//
// "call_us" is what a call costs at T = 1, so mostly the way through the binding.
import { createRequire } from 'node:module';
import { operators } from './models.js';

const ort = createRequire(import.meta.url)('onnxruntime-node');
const options = { '--threads': '1', '--kinds': Object.keys(operators).join(), '--seconds': '0.3' };
const shapes = [];
for (let rest = process.argv.slice(2); rest.length; rest = rest.slice(1))
  if (rest[0] in options) [options[rest[0]]] = (rest = rest.slice(1));
  else if (rest[0] !== '--shapes') shapes.push(rest[0].split(',').map(Number));

const most = 2000;
const tensor = (t, width) =>
  new ort.Tensor('float32', Float32Array.from({ length: t * width }, (_, n) => Math.sin(n * 0.37)), [1, t, width]);

async function times(session, t, width, ms) {
  const feeds = { q: tensor(t, width), k: tensor(t, width), v: tensor(t, width) };
  const taken = [];
  await session.run(feeds);
  for (const begin = performance.now(); !taken.length || (taken.length < most && performance.now() - begin < ms); ) {
    const start = performance.now();
    await session.run(feeds);
    taken.push(performance.now() - start);
  }
  return taken.sort((a, b) => a - b);
}

for (const [t, h, d] of shapes)
  for (const kind of options['--kinds'].split(',')) {
    const session = await ort.InferenceSession.create(operators[kind](h), {
      intraOpNumThreads: Number(options['--threads']),
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    const call = await times(session, 1, h * d, 20);
    const taken = await times(session, t, h * d, 1000 * options['--seconds']);
    const cells = kind.endsWith('causal') ? (t * (t + 1)) / 2 : t * t;
    console.log(
      JSON.stringify({
        kind,
        t,
        h,
        d,
        threads: Number(options['--threads']),
        min_ms: +taken[0].toFixed(4),
        median_ms: +taken[taken.length >> 1].toFixed(4),
        gflops: +((4 * cells * h * d) / taken[0] / 1e6).toFixed(1),
        call_us: +(1000 * call[call.length >> 1]).toFixed(1),
      })
    );
  }
