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
    let answer;
    try {
      answer = await send("/v1/predict");
    } catch (error) {
      if (signal.aborted) return;
      element("recording").hidden = true;
      element("playback").hidden = true;
      this.complain(`${file.name}: ${error.message}`);
      return;
    }
    if (signal.aborted) return;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(file);
    element("player").src = this.url;
    element("playback").hidden = false;
    this.show(answer);
    try {
      const timeline = await send("/v1/timeline");
      if (!signal.aborted) this.showTimeline(timeline);
    } catch {
      // The answer stands without it; nothing was shown since it was asked for.
    }
  }

  show(answer) {
    const { element } = this;
    element("recording-answer").textContent = inWords(answer.label);
    const cut = answer.seconds_cut > 0.1 ? ` ${answer.seconds_cut.toFixed(1)} s of it were left out; the timeline has them.` : "";
    element("recording-certainty").textContent = `${this.file.name}, ${answer.seconds.toFixed(1)} s. ${certainty(answer)}${cut}`;
    const warnings = [];
    if (answer.heard_before) {
      warnings.push("The model was trained on this very recording, so this says nothing about how good it is.");
    }
    if (answer.out_of_domain) warnings.push("This voice sounds unlike what the model was trained on.");
    element("recording-warning").textContent = warnings.join(" ");
    element("recording-warning").hidden = !warnings.length;
  }

  showTimeline(timeline) {
    const { element } = this;
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

/** 75.25 as 1:15.3. */
function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = (tenths % 600) / 10;
  return `${Math.floor(tenths / 600)}:${rest < 10 ? "0" : ""}${rest.toFixed(1)}`;
}
