// The microphone: its samples to the server, the server's answers and the sound itself to the page.

import { openStream, readiness } from "./api.js";
import { colourOf, drawProbabilities, drawSpectrogram, drawWaveform, inWords } from "./draw.js";
import { Mel } from "./mel.js";

const SPAN = 15; // seconds that the pictures show
const COLUMN = 0.02; // seconds of a column
const COLUMNS = SPAN / COLUMN;
const HOP = 0.5; // seconds from one answer to the next
const SILENT_DBFS = -75;
const SILENT_AFTER = 3; // seconds

/** Why there is no microphone, and what to do. */
function whyNot(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "This page may not use a microphone. Allow it in the browser's settings for this site, then press Listen again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "There is no microphone. Plug one in, or choose another one, then press Listen again.";
    case "NotReadableError":
      return "The microphone cannot be opened. Close other programs that use it, then press Listen again.";
    default:
      return `The microphone cannot be used: ${error.message}`;
  }
}

/** Turns the microphone off, if there is one. */
function release(media) {
  media?.getTracks().forEach((track) => track.stop());
}

export class Live {
  /** `element` finds parts of the page, `model` says what is chosen, `complain` shows what is wrong (or nothing). */
  constructor(element, model, complain) {
    this.element = element;
    this.model = model;
    this.complain = complain;
    this.running = false;
    // Raised by every start and stop: what an earlier one still waits for is not for this one.
    this.turn = 0;
    this.clear();
    this.draw = this.draw.bind(this);
  }

  clear() {
    Object.assign(this, { extremes: [], columns: [], answers: [], pending: [], heard: 0, quietSince: 0, silent: false });
    this.announced = "";
    // Streams in a row that were closed before they had opened, though the server takes some.
    this.unopened = 0;
  }

  async start() {
    if (this.running) return;
    this.complain("");
    if (!navigator.mediaDevices?.getUserMedia) {
      this.complain(
        "Browsers give a microphone only to pages of this computer or by HTTPS. Open this page as localhost, or let " +
          "whoever runs the server set up HTTPS.",
      );
      return;
    }
    this.running = true;
    const turn = ++this.turn;
    const stale = () => turn !== this.turn;
    this.buttons();
    this.clear();
    this.show("Opening the microphone", "", true);
    const chosen = this.element("microphone").value;
    try {
      const media = await navigator.mediaDevices.getUserMedia({
        audio: {
          // What calls do to sound takes the emotion out of it.
          echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1,
          ...(chosen && { deviceId: { exact: chosen } }),
        },
      });
      if (stale()) {
        release(media);
        return;
      }
      this.media = media;
      await this.tap(stale);
    } catch (error) {
      if (stale()) return;
      this.stop();
      this.complain(whyNot(error));
      return;
    }
    if (stale()) return;
    const track = this.media.getAudioTracks()[0];
    track.addEventListener("ended", () => {
      if (stale()) return;
      this.stop();
      this.complain("The microphone is gone. Plug it in again or choose another one, then press Listen.");
    });
    this.listMicrophones();
    this.connect();
    requestAnimationFrame(this.draw);
  }

  /** Takes samples from the microphone at its own rate: contexts at another rate fail in Firefox. `stop` closes it, also while
   * it is being opened. */
  async tap(stale) {
    const rate = this.media.getAudioTracks()[0].getSettings().sampleRate;
    let source;
    this.context = new AudioContext();
    try {
      source = this.context.createMediaStreamSource(this.media);
    } catch (error) {
      if (error.name !== "NotSupportedError" || !rate) throw error;
      this.context.close();
      this.context = new AudioContext({ sampleRate: rate });
      source = this.context.createMediaStreamSource(this.media);
    }
    await this.context.audioWorklet.addModule("/worklet.js");
    if (stale()) return;
    this.mel = new Mel(this.context.sampleRate);
    const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
    tap.port.onmessage = ({ data }) => {
      if (!stale()) this.take(data);
    };
    source.connect(tap);
    await this.context.resume();
  }

  stop() {
    this.running = false;
    this.turn += 1;
    this.ready = false;
    clearTimeout(this.again);
    this.socket?.close();
    this.socket = null;
    release(this.media);
    this.context?.close();
    this.media = this.context = null;
    this.show("Not listening", "", true);
    this.bars(null);
    this.element("level").textContent = "";
    this.buttons();
  }

  /** Another model answers from now on. */
  changeModel() {
    this.answers = [];
    if (!this.running) return;
    this.socket?.close();
  }

  buttons() {
    const button = this.element("listen");
    button.textContent = this.running ? "Stop" : "Listen";
    button.setAttribute("aria-pressed", String(this.running));
  }

  async listMicrophones() {
    const select = this.element("microphone");
    const devices = await navigator.mediaDevices.enumerateDevices();
    const chosen = select.value;
    const options = devices
      .filter((device) => device.kind === "audioinput" && device.deviceId && device.deviceId !== "default")
      .map((device, index) => new Option(device.label || `Microphone ${index + 1}`, device.deviceId));
    select.replaceChildren(new Option("the usual microphone", ""), ...options);
    select.value = chosen;
  }

  connect() {
    if (!this.running) return;
    const socket = openStream();
    this.socket = socket;
    this.ready = false;
    let opened = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
      socket.send(JSON.stringify({ sample_rate: this.context.sampleRate, model: this.model().name, hop_s: HOP }));
    };
    socket.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      if (said.error) {
        this.refused = said.error;
      } else if (said.window_s) {
        this.ready = true;
        this.offset = this.heard;
        this.complain("");
        this.show("Listening", "", true);
      } else {
        this.answer(said);
      }
    };
    socket.onclose = () => {
      if (this.socket === socket) this.reconnect(opened);
    };
  }

  /** Connects again after a stream has ended, which `opened` or was refused. A browser does not say why one was. */
  async reconnect(opened) {
    if (!this.running) return;
    const { refused, turn } = this;
    this.refused = null;
    this.ready = false;
    this.bars(null);
    const state = await readiness();
    if (turn !== this.turn) return;
    const takesStreams = state?.ready && state.takes_streams;
    this.unopened = opened || !takesStreams ? 0 : this.unopened + 1;
    // Another model was chosen, or the connection broke.
    let wait = 0.1;
    if (!state?.ready) {
      wait = 1;
      this.show("No server", "", true);
      this.complain("The server is gone. Start ser-serve again; this page connects again by itself.");
    } else if (!takesStreams) {
      wait = 10;
      this.show("Waiting", "", true);
      this.complain("The server answers as many streams as it can in time. This page tries again every 10 seconds.");
    } else if (refused) {
      this.stop();
      this.complain(`The server ended the stream: ${refused}.`);
      return;
    } else if (this.unopened >= 2) {
      wait = Math.min(2 ** this.unopened, 60);
      this.show("Waiting", "", true);
      this.complain(
        "The server refuses the stream. Reload this page to give the token again, and see whether a proxy in front of the " +
          `server passes on WebSockets and the Host. This page tries again in ${wait} seconds.`,
      );
    }
    this.again = setTimeout(() => this.connect(), wait * 1000);
  }

  take(samples) {
    if (!this.running) return;
    // Of what a slow connection holds back, nothing is worth sending late.
    if (this.ready && this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < 1 << 20) {
      this.socket.send(samples);
    }
    this.heard += samples.length / this.context.sampleRate;
    this.pending.push(...samples);
    const column = Math.round(COLUMN * this.context.sampleRate);
    const size = Math.max(this.mel.size, column);
    while (this.pending.length >= size) {
      const piece = this.pending.slice(0, column);
      this.extremes.push([Math.min(...piece), Math.max(...piece)]);
      this.columns.push(this.mel.column(this.pending));
      this.pending.splice(0, column);
    }
    for (const list of [this.extremes, this.columns]) list.splice(0, list.length - COLUMNS);
  }

  answer(said) {
    const at = this.offset + said.t;
    this.element("level").textContent = said.level_dbfs <= -119 ? "silence" : `${said.level_dbfs.toFixed(0)} dBFS`;
    if (said.level_dbfs > SILENT_DBFS) this.quietSince = at;
    const silent = at - this.quietSince >= SILENT_AFTER;
    if (silent !== this.silent) {
      this.silent = silent;
      this.complain(
        silent ? "The microphone gives no sound. Is it muted, or is another one the right one?" : "",
      );
    }
    this.element("domain").hidden = !(said.speech && said.out_of_domain);
    if (said.filling) {
      this.show("Listening", "", true);
    } else if (!said.speech) {
      this.show(silent ? "No sound" : "Nobody speaks", "", true);
      this.bars(null);
    } else {
      // Samples come in pieces, so a hop can be a little longer than was asked for.
      const before = this.answers.at(-1)?.to ?? 0;
      const from = at - before < 1.5 * HOP ? before : at - HOP;
      this.answers.push({ from, to: at, probabilities: said.probabilities });
      this.answers = this.answers.filter(({ to }) => to > this.heard - SPAN - 1);
      this.show(inWords(said.label), certainty(said), false);
      this.bars(said);
    }
  }

  show(label, certain, quiet) {
    const answer = this.element("answer");
    answer.textContent = label;
    answer.classList.toggle("quiet", quiet);
    this.element("certainty").textContent = certain;
    if (quiet) this.element("domain").hidden = true;
    // A screen reader hears changes, and not every half second.
    const now = performance.now();
    if (label !== this.announced && now - (this.announcedAt ?? 0) > 2000) {
      this.announced = label;
      this.announcedAt = now;
      this.element("announcement").textContent = certain ? `${label}. ${certain}` : label;
    }
  }

  /** One bar for each label of the model. */
  bars(said) {
    const list = this.element("bars");
    const { labels } = this.model();
    if (list.dataset.labels !== labels.join("\n")) {
      list.dataset.labels = labels.join("\n");
      list.replaceChildren(...labels.map(bar));
    }
    labels.forEach((label, index) => {
      const probability = said?.probabilities[label] ?? 0;
      const item = list.children[index];
      item.querySelector(".fill").style.width = `${probability * 100}%`;
      item.querySelector(".value").textContent = said ? `${Math.round(probability * 100)} %` : "";
      item.classList.toggle("chosen", Boolean(said) && (said.set ?? [said.label]).includes(label));
    });
  }

  draw() {
    drawWaveform(this.element("waveform"), this.extremes, COLUMNS);
    drawSpectrogram(this.element("spectrogram"), this.columns, COLUMNS, Mel.bands);
    drawProbabilities(this.element("history"), this.answers, this.model().labels, this.heard - SPAN, this.heard);
    // Twenty pictures a second are enough; fewer where movement disturbs.
    const rest = matchMedia("(prefers-reduced-motion: reduce)").matches ? 500 : 50;
    if (this.running) setTimeout(() => requestAnimationFrame(this.draw), rest);
  }
}

function bar(label, index) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.className = "name";
  const swatch = document.createElement("i");
  swatch.style.background = colourOf(index);
  name.append(swatch, inWords(label));
  const track = document.createElement("span");
  track.className = "track";
  const fill = document.createElement("span");
  fill.className = "fill";
  fill.style.background = colourOf(index);
  track.append(fill);
  const value = document.createElement("span");
  value.className = "value";
  item.append(name, track, value);
  return item;
}

/** How sure the model is, in words. */
export function certainty({ label, probabilities, set }) {
  const percent = `${Math.round(probabilities[label] * 100)} %`;
  if (!set) return `Probability ${percent}; this model does not know how sure it is.`;
  if (set.length === 1) return `Sure enough: ${percent}.`;
  if (set.length === 0) return `Unsure: no emotion is likely enough (${percent}).`;
  const words = set.map(inWords);
  const list = `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  return set.length === Object.keys(probabilities).length ? "Unsure: it could be any of them." : `Unsure: ${list}.`;
}
