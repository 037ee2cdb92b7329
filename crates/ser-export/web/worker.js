// Runs the model away from the page, so that the page stays responsive.
import * as ort from './runtime/ort.wasm.min.mjs';
import { resampler } from './resample.js';

// One thread needs neither shared memory nor the headers that allow it, so any server of files will do.
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const card = fetch('model.json').then(answer => answer.json());
const session = ort.InferenceSession.create('model.onnx', { executionProviders: ['wasm'], logSeverityLevel: 3 });
const resamplers = new Map();

async function answer({ samples, rate }) {
  const { sample_rate } = await card;
  if (!resamplers.has(rate)) resamplers.set(rate, resampler(rate, sample_rate));
  const heard = resamplers.get(rate)(samples);
  const feeds = { samples: new ort.Tensor('float32', heard, [1, heard.length]) };
  const started = performance.now();
  const { probabilities, share_as_unusual } = await (await session).run(feeds);
  const milliseconds = performance.now() - started;
  return { probabilities: [...probabilities.data], shareAsUnusual: share_as_unusual?.data[0] ?? null, milliseconds };
}

// One recording after the other.
let last = Promise.all([card, session]).then(
  ([card]) => postMessage({ card }),
  error => postMessage({ failed: String(error) }),
);

onmessage = ({ data }) => {
  last = last.then(() => answer(data)).then(
    answer => postMessage({ id: data.id, answer }),
    error => postMessage({ id: data.id, failed: String(error) }),
  );
};
