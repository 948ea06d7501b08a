// The main job over HTTP as a Node shop writes it: node:http and ONNX Runtime. Takes the
// request of bodies.js, answers outputs and attention maps.
//
//   node ort_server.js PORT THREADS
import http from 'node:http';
import { createRequire } from 'node:module';
import { layer } from './models.js';

const ort = createRequire(import.meta.url)('onnxruntime-node');
const [port, threads] = process.argv.slice(2).map(Number);

const sessions = new Map(); // by heads
function session(heads) {
  if (!sessions.has(heads)) {
    const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
    sessions.set(heads, ort.InferenceSession.create(layer(heads), options));
  }
  return sessions.get(heads);
}

function tensor(matrix, ...outer) {
  const [rows, columns] = [matrix.length, matrix[0].length];
  const data = new Float32Array(rows * columns);
  matrix.forEach((row, i) => data.set(row, i * columns));
  return new ort.Tensor('float32', data, [...outer, rows, columns]);
}

const nested = (data, at, rows, columns) =>
  Array.from({ length: rows }, (_, i) => Array.from(data.subarray(at + i * columns, at + (i + 1) * columns)));

async function attention({ sequences, weights, heads = 1 }) {
  const running = await session(heads);
  const { wq, wk, wv } = weights;
  const feeds = { x: tensor(sequences, 1), wq: tensor(wq), wk: tensor(wk), wv: tensor(wv) };
  const { o, w } = await running.run(feeds);
  const [, t, e] = o.dims;
  return {
    outputs: nested(o.data, 0, t, e),
    attention_maps: Array.from({ length: heads }, (_, h) => nested(w.data, h * t * t, t, t)),
  };
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    try {
      const answer = JSON.stringify(await attention(JSON.parse(Buffer.concat(chunks))));
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer);
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
  });
});
server.listen(port, '127.0.0.1');
