// A file: its answer, and its timeline with a player.

import { ask } from "./api.js";
import { colourOf, drawProbabilities, inWords } from "./draw.js";
import { certainty } from "./live.js";

export class Recording {
  constructor(element, model, complain) {
    Object.assign(this, { element, model, complain, file: null, timeline: null, url: null, asked: new AbortController() });
    element("file").addEventListener("change", ({ target }) => this.open(target.files[0]));
    const drop = element("drop");
    const over = (is) => (event) => {
      event.preventDefault();
      drop.classList.toggle("over", is);
    };
    // Also beside the field: a file dropped there would take the page's place.
    for (const name of ["dragover", "dragenter"]) addEventListener(name, over(true));
    addEventListener("dragleave", over(false));
    addEventListener("drop", (event) => {
      over(false)(event);
      this.open(event.dataTransfer.files[0]);
    });
    element("player").addEventListener("timeupdate", () => this.draw());
    addEventListener("resize", () => this.draw());
  }

  /** Asks again, another model. */
  changeModel() {
    if (this.file) this.open(this.file);
  }

  async open(file) {
    if (!file) return;
    const { element } = this;
    // Answers to what was asked before, about another file or of another model, are not waited for and not shown.
    this.asked.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    this.file = file;
    this.timeline = null;
    this.complain("");
    element("recording").hidden = false;
    element("recording-answer").textContent = "Listening to it";
    element("recording-certainty").textContent = file.name;
    element("recording-warning").hidden = true;
    element("timeline").hidden = true;
    const name = encodeURIComponent(this.model().name);
    const send = (path) => ask(`${path}?model=${name}`, { method: "POST", body: file, signal });
    let answer = null;
    try {
      answer = await send("/v1/predict");
      if (signal.aborted) return;
      this.show(answer);
    } catch (error) {
      if (signal.aborted) return;
      // One that is too long for a single answer may still get a timeline.
      if (error.status !== 413) return this.refuse(error.message);
      element("recording-answer").textContent = "No single answer";
      element("recording-certainty").textContent = `${file.name}: ${error.message}.`;
    }
    this.play(file);
    try {
      const timeline = await send("/v1/timeline");
      if (!signal.aborted) this.showTimeline(timeline);
    } catch (error) {
      if (signal.aborted) return;
      if (answer) this.complain(`${file.name} has no timeline: ${error.message}`);
      else this.refuse(error.message);
    }
  }

  /** Nothing can be said of the file. */
  refuse(why) {
    this.element("recording").hidden = true;
    this.element("playback").hidden = true;
    this.complain(`${this.file.name}: ${why}`);
  }

  play(file) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(file);
    this.element("player").src = this.url;
    this.element("playback").hidden = false;
  }

  show(answer) {
    const { element } = this;
    element("recording-answer").textContent = inWords(answer.label);
    const cut = answer.seconds_cut > 0.1 ? ` ${answer.seconds_cut.toFixed(1)} s of it were left out; the timeline has them.` : "";
    element("recording-certainty").textContent = `${this.file.name}, ${answer.seconds.toFixed(1)} s. ${certainty(answer)}${cut}`;
    this.warn([heard(answer), answer.out_of_domain ? "This voice sounds unlike what the model was trained on." : ""]);
  }

  warn(warnings) {
    const text = warnings.filter(Boolean).join(" ");
    this.element("recording-warning").textContent = text;
    this.element("recording-warning").hidden = !text;
  }

  showTimeline(timeline) {
    const { element } = this;
    // An answer has said it already.
    if (element("recording-warning").hidden) this.warn([heard(timeline)]);
    this.timeline = timeline;
    element("timeline").hidden = false;
    const speech = `${timeline.speech_s.toFixed(1)} of ${timeline.seconds.toFixed(1)} s are speech`;
    element("timeline-about").textContent = timeline.passages.length ? speech : "nobody speaks in it";
    const rows = timeline.passages.map((passage) => {
      const row = document.createElement("tr");
      const start = document.createElement("button");
      start.type = "button";
      start.textContent = `${clock(passage.start_s)} – ${clock(passage.end_s)}`;
      start.ariaLabel = `${clock(passage.start_s)} to ${clock(passage.end_s)}: play from there`;
      start.addEventListener("click", () => {
        element("player").currentTime = passage.start_s;
        element("player").play();
      });
      const swatch = document.createElement("i");
      swatch.style.background = colourOf(passage.predicted);
      const unsure = passage.set && passage.set.length !== 1 ? " (unsure)" : "";
      const probability = `${Math.round(passage.probabilities[passage.predicted] * 100)} %`;
      const cells = [[start], [swatch, inWords(passage.label) + unsure], [probability]];
      row.append(
        ...cells.map((content) => {
          const cell = document.createElement("td");
          cell.append(...content);
          return cell;
        }),
      );
      return row;
    });
    element("passages").replaceChildren(...rows);
    this.draw();
  }

  draw() {
    const { element, timeline } = this;
    if (!timeline) return;
    const named = (slot) => Object.fromEntries(timeline.labels.map((label, index) => [label, slot.probabilities[index]]));
    const slots = timeline.slots.map((slot) => ({ from: slot.start_s, to: slot.end_s, probabilities: named(slot) }));
    const canvas = element("timeline-picture");
    const { context, x } = drawProbabilities(canvas, slots, timeline.labels, 0, timeline.seconds);
    const now = element("player").currentTime;
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--text");
    context.fillRect(x(now) - 1, 0, 2, canvas.height);
    [...element("passages").children].forEach((row, index) => {
      const { start_s, end_s } = timeline.passages[index];
      row.classList.toggle("now", now > 0 && now >= start_s && now < end_s);
    });
  }
}

/** What is to be said of a recording that the model has met before. */
function heard({ heard_in }) {
  switch (heard_in) {
    case "training":
      return "The model was trained on this very recording, so this says nothing about how good it is.";
    case "validation":
      return "The model was validated on this very recording, by which its training was ended and its answers calibrated, so " +
        "this says little about how good it is.";
    default:
      return "";
  }
}

/** 75.25 as 1:15.3. */
function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = (tenths % 600) / 10;
  return `${Math.floor(tenths / 600)}:${rest < 10 ? "0" : ""}${rest.toFixed(1)}`;
}
