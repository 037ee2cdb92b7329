// The page: what is heard goes to the worker, what the worker says is shown.
import { predictionSet } from './doubt.js';

/** Seconds of a microphone that are asked about, and how often. */
const WINDOW = 3;
const EVERY_MS = 300;
/** Below this level, dB of full scale, nothing is asked. */
const SILENT_DB = -55;
/** Of the prediction sets. */
const COVERAGE = 0.9;
/** No more of a recording is read. */
const MOST_SECONDS = 600;

const part = id => document.getElementById(id);
const percent = share => `${Math.round(100 * share)} %`;
const worker = new Worker('worker.js', { type: 'module' });
const waiting = new Map();
let card;
let number = 0;
/** How often the page has begun to listen or to read. */
let turns = 0;

/** Begins to listen or to read. What it gives says later whether something else has begun since, or this was stopped. */
function begin() {
  const turn = ++turns;
  return () => turn !== turns;
}

/** What the model says of samples at a rate. */
function ask(samples, rate) {
  const id = ++number;
  worker.postMessage({ id, samples, rate: Math.round(rate) });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

const ready = new Promise((resolve, reject) => {
  worker.onmessage = ({ data }) => {
    if (data.card) return resolve(data.card);
    if (data.id === undefined) return reject(new Error(data.failed));
    const { resolve: answer, reject: refuse } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.failed === undefined) answer(data.answer);
    else refuse(new Error(data.failed));
  };
  worker.onerror = event => reject(new Error(event.message ?? 'the worker cannot be loaded'));
});

function say(text) {
  part('state').textContent = text;
}

function describe() {
  const speakers = card.training_speakers;
  part('about').textContent = `${card.arch}: ${card.labels.join(', ').replaceAll('_', ' ')}`;
  const learnt = speakers ? `It learnt from ${speakers} ${speakers === 1 ? 'speaker' : 'speakers'}` : 'How many speakers it learnt from is not known';
  const right = card.validation_accuracy === null ? '' : `, and was right about ${percent(card.validation_accuracy)} of the recordings it was chosen by (split ${card.protocol})`;
  part('honest').textContent = `${learnt}${right}. What a few people showed it may say little about you.`;
  for (const label of card.labels) {
    const [row, bar, name, share] = ['li', 'i', 'span', 'span'].map(tag => document.createElement(tag));
    name.textContent = label.replaceAll('_', ' ');
    row.append(bar, name, share);
    part('bars').append(row);
  }
}

/** Shows an answer; with no answer, why there is none. */
function show(answer, why = 'no answer') {
  const known = answer !== null && answer.probabilities.every(Number.isFinite);
  const probabilities = known ? answer.probabilities : card.labels.map(() => 0);
  [...part('bars').children].forEach((row, index) => {
    row.children[0].style.transform = `scaleX(${probabilities[index]})`;
    row.children[2].textContent = known ? percent(probabilities[index]) : '—';
  });
  const best = probabilities.indexOf(Math.max(...probabilities));
  const text = known ? card.labels[best].replaceAll('_', ' ') : why;
  if (part('answer').textContent !== text) part('answer').textContent = text;
  const set = known ? predictionSet(card.calibration, probabilities, COVERAGE) : null;
  const doubts = [];
  if (set !== null && set.length > 1) doubts.push(`Unsure: ${set.map(index => card.labels[index].replaceAll('_', ' ')).join(', ')}.`);
  if (known && card.out_of_domain_level !== null && answer.shareAsUnusual <= card.out_of_domain_level) {
    doubts.push('Out of domain: this sounds unlike what the model learnt from, so its answer may mean nothing.');
  }
  if (known && card.calibration === null) doubts.push('The model is not calibrated: its probabilities mean little.');
  part('doubt').textContent = doubts.join(' ');
}

/** Draws samples, and says how loud they are, dB of full scale. */
function draw(samples) {
  const canvas = part('wave');
  const context = canvas.getContext('2d');
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  let energy = 0;
  for (let x = 0; x < width; x++) {
    const [from, to] = [x, x + 1].map(at => Math.floor((at * samples.length) / width));
    let peak = 0;
    for (let at = from; at < to; at++) {
      peak = Math.max(peak, Math.abs(samples[at]));
      energy += samples[at] ** 2;
    }
    const tall = Math.max(1, Math.min(1, peak) * height);
    context.fillRect(x, (height - tall) / 2, 1, tall);
  }
  return 10 * Math.log10(energy / Math.max(1, samples.length) + 1e-20);
}

/** The microphone, while it is on. */
let microphone = null;
/** What of it was asked about last, and what the model said. */
let heardLast = null;

async function listen() {
  const stale = begin();
  // A second click meanwhile would open a second microphone.
  part('listen').disabled = true;
  try {
    const stream = await openMicrophone(stale);
    if (stream) await hear(stream, stale);
  } finally {
    part('listen').disabled = false;
  }
}

/** What the microphone gives; nothing where there is none or the page may not use it, which is said. */
async function openMicrophone(stale) {
  const quiet = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: quiet });
  } catch (error) {
    const denied = error.name === 'NotAllowedError';
    if (!stale()) say(denied ? 'The browser does not let this page use the microphone.' : `There is no microphone: ${error.message}`);
    return null;
  }
}

/** Asks about what a microphone hears until it is stopped. */
async function hear(stream, stale) {
  let context;
  try {
    context = new AudioContext();
    await context.audioWorklet.addModule('listener.js');
    if (stale()) return release({ stream, context });
    const timer = askAgain(soundOf(stream, context), context.sampleRate, stale);
    stream.getTracks().forEach(track => track.addEventListener('ended', stop));
    microphone = { context, stream, timer };
    part('listen').textContent = 'Stop';
    part('windows').hidden = true;
    say(`Listening at ${context.sampleRate} Hz; the answer is about the last ${WINDOW} seconds.`);
  } catch (error) {
    release({ stream, context });
    if (!stale()) say(`The microphone cannot be heard: ${error.message}`);
  }
}

/** The last seconds of a microphone, and how many samples of them were heard so far. */
function soundOf(stream, context) {
  const listener = new AudioWorkletNode(context, 'listener', { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' });
  context.createMediaStreamSource(stream).connect(listener);
  const sound = { heard: new Float32Array(Math.round(WINDOW * context.sampleRate)), filled: 0 };
  listener.port.onmessage = ({ data }) => {
    sound.heard.copyWithin(0, data.length);
    sound.heard.set(data, sound.heard.length - data.length);
    sound.filled = Math.min(sound.heard.length, sound.filled + data.length);
  };
  return sound;
}

/** Asks about a sound again and again, one question at a time; gives the timer that does it. */
function askAgain(sound, rate, stale) {
  let asked = false;
  return setInterval(async () => {
    const samples = sound.heard.slice(sound.heard.length - sound.filled);
    const level = draw(sound.heard);
    if (asked || samples.length < rate / 2) return;
    if (level < SILENT_DB) return show(null, 'silence');
    asked = true;
    try {
      const answer = await ask(samples, rate);
      if (stale()) return;
      heardLast = { samples, rate, answer };
      show(answer);
    } catch (error) {
      if (!stale()) say(error.message);
    }
    asked = false;
  }, EVERY_MS);
}

/** Ends a microphone. */
function release({ stream, context }) {
  stream.getTracks().forEach(track => track.stop());
  context?.close();
}

function stop() {
  if (!microphone) return;
  // An answer that is still to come is about what is no longer heard.
  begin();
  clearInterval(microphone.timer);
  release(microphone);
  microphone = null;
  part('listen').textContent = 'Listen';
  say('Stopped.');
}

/** The rate in the header of a WAV file, so that the browser need not resample it; null of other files. */
function rateOfWav(bytes) {
  const view = new DataView(bytes);
  const text = at => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (bytes.byteLength < 44 || text(0) !== 'RIFF' || text(8) !== 'WAVE') return null;
  for (let at = 12; at + 16 <= bytes.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    if (text(at) === 'fmt ') {
      const rate = view.getUint32(at + 12, true);
      return rate >= 8000 && rate <= 96000 ? rate : null;
    }
  }
  return null;
}

/** The samples of a file, mono, and their rate; of a long one the first, and how many seconds the whole of it has. */
async function decode(file) {
  const bytes = await file.arrayBuffer();
  const decoder = new OfflineAudioContext(1, 1, rateOfWav(bytes) ?? 48000);
  const sound = await decoder.decodeAudioData(bytes);
  const samples = new Float32Array(Math.min(sound.length, Math.round(MOST_SECONDS * sound.sampleRate)));
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const data = sound.getChannelData(channel);
    for (let at = 0; at < samples.length; at++) samples[at] += data[at] / sound.numberOfChannels;
  }
  return { samples, rate: sound.sampleRate, whole: sound.duration };
}

/** How much of a recording was read, in words. */
function extent({ samples, rate, whole }) {
  const seconds = samples.length / rate;
  if (samples.length >= Math.round(whole * rate)) return `${seconds.toFixed(1)} s`;
  return `the first ${seconds.toFixed(0)} s of ${Math.ceil(whole)} s`;
}

async function open(file) {
  stop();
  const stale = begin();
  part('windows').hidden = true;
  say(`Reading ${file.name} …`);
  let sound;
  try {
    sound = await decode(file);
  } catch {
    if (stale()) return;
    show(null);
    return say(`${file.name} is no recording that this browser can read.`);
  }
  if (stale()) return;
  draw(sound.samples);
  try {
    await judge(sound, stale);
    if (!stale()) say(`${file.name}, ${extent(sound)}.`);
  } catch (error) {
    if (stale()) return;
    show(null);
    say(`${file.name}: ${error.message}`);
  }
}

/** Asks about a recording, at once or one stretch after the other, and shows the answer. */
async function judge({ samples, rate }, stale) {
  if (samples.length / rate > card.longest_s) return overTime(samples, rate, stale);
  const answer = await ask(samples, rate);
  if (!stale()) show(answer, 'too quiet or too short to be judged');
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

/** Asks about one stretch of a long recording after the other, and shows the mean. */
async function overTime(samples, rate, stale) {
  const body = part('windows').querySelector('tbody');
  body.replaceChildren();
  const length = Math.round(WINDOW * rate);
  const answers = [];
  for (let from = 0; from < samples.length; from += length) {
    const stretch = samples.slice(from, from + length);
    if (stretch.length < rate / 2 && answers.length > 0) break;
    const answer = await ask(stretch, rate);
    if (stale()) return;
    const usable = answer.probabilities.every(Number.isFinite);
    const best = Math.max(...answer.probabilities);
    const cells = [from / rate, (from + stretch.length) / rate].map(second => `${second.toFixed(1)} s`);
    cells.push(usable ? card.labels[answer.probabilities.indexOf(best)].replaceAll('_', ' ') : 'no answer', usable ? percent(best) : '—');
    const row = document.createElement('tr');
    row.append(...cells.map(text => Object.assign(document.createElement('td'), { textContent: text })));
    body.append(row);
    if (usable) answers.push(answer);
  }
  part('windows').hidden = false;
  if (answers.length === 0) return show(null, 'too quiet or too short to be judged');
  const mean = of => answers.reduce((sum, answer) => sum + of(answer), 0) / answers.length;
  show({
    probabilities: card.labels.map((_, index) => mean(answer => answer.probabilities[index])),
    // Of most stretches: a few of a long recording are always unusual.
    shareAsUnusual: median(answers.map(answer => answer.shareAsUnusual)),
  });
}

part('listen').addEventListener('click', () => (microphone ? stop() : listen()));
part('file').addEventListener('change', ({ target }) => {
  if (target.files.length) open(target.files[0]);
  target.value = '';
});
document.addEventListener('dragover', event => {
  event.preventDefault();
  document.body.classList.add('over');
});
document.addEventListener('dragleave', () => document.body.classList.remove('over'));
document.addEventListener('drop', event => {
  event.preventDefault();
  document.body.classList.remove('over');
  if (card && event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
});

try {
  card = await ready;
  describe();
  show(null, '—');
  part('file').disabled = false;
  part('listen').disabled = !navigator.mediaDevices;
  if (!navigator.mediaDevices) say('A microphone needs https, or this page on localhost. Recordings can be opened.');
} catch (error) {
  part('about').textContent = `The model cannot be loaded: ${error.message}`;
}

// For scripts: what the model says of samples at a rate, the samples of a file, and what was heard last.
globalThis.ser = { ask, decode, heard: () => heardLast };
