// Puts the page together.

import { ask, setToken } from "./api.js";
import { Live } from "./live.js";
import { Recording } from "./recording.js";

const element = (id) => document.getElementById(id);

let models = [];
const model = () => models.find(({ name }) => name === element("model").value) ?? models[0] ?? { name: "", labels: [] };

function complain(what) {
  element("problem").textContent = what;
  element("problem").hidden = !what;
}

const live = new Live(element, model, complain);
const recording = new Recording(element, model, complain);

async function load() {
  try {
    models = await ask("/v1/models");
  } catch (error) {
    if (error.status === 401) {
      element("token-form").hidden = false;
      element("token").focus();
    } else {
      complain(error.message);
    }
    return false;
  }
  element("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  introduce();
  return true;
}

function introduce() {
  const { in_words, calibrated, knows_its_domain, window_s } = model();
  const limits = [
    calibrated ? "" : "It does not know how sure it is.",
    knows_its_domain ? "" : "It cannot tell whether a voice is unlike those it knows.",
  ];
  element("about").textContent = [in_words, `It hears ${window_s.toFixed(1)} s at a time.`, ...limits].join(" ").trim();
  live.bars(null);
}

element("model").addEventListener("change", () => {
  introduce();
  live.changeModel();
  recording.changeModel();
});
element("listen").addEventListener("click", () => (live.running ? live.stop() : live.start()));
element("microphone").addEventListener("change", () => {
  if (!live.running) return;
  live.stop();
  live.start();
});
element("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  complain("");
  setToken(element("token").value);
  if (await load()) element("token-form").hidden = true;
  else complain("That is not the right token.");
});
load();
