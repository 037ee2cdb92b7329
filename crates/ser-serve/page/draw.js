// Pictures of sound and of probabilities, on canvases whose width is time.

// Colours that the colour-blind can tell apart (M. Okabe and K. Ito, "Color universal design", 2008), then lighter ones
// of the same hues.
const COLOURS = [
  "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#b8a900", "#7fb8d8", "#eaae7f",
  "#7fceb9", "#e5bcd3",
];

export const colourOf = (index) => COLOURS[index % COLOURS.length];

/** "pleasant_surprise" as a person writes it. */
export const inWords = (label) => label.replaceAll("_", " ");

/** The context of `canvas` at the resolution of the screen, cleared. */
function fresh(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return context;
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * The lowest and highest sample of each of `count` columns; the last of `extremes` lies at the right edge. The loudest
 * fills the height, unless it is soft.
 */
export function drawWaveform(canvas, extremes, count) {
  const context = fresh(canvas);
  const { width, height } = canvas;
  context.fillStyle = style("--wave");
  const step = width / count;
  const from = count - extremes.length;
  const loudest = extremes.reduce((most, [low, high]) => Math.max(most, -low, high), 0.05);
  const y = (sample) => (height / 2) * (1 - (0.95 * sample) / loudest);
  extremes.forEach(([low, high], index) => {
    context.fillRect((from + index) * step, y(high), Math.max(step, 1), Math.max(y(low) - y(high), 1));
  });
}

/** Columns of levels, low bands at the bottom. */
export function drawSpectrogram(canvas, columns, count, bands) {
  const context = fresh(canvas);
  if (!columns.length) return;
  const shades = palette();
  const image = new ImageData(count, bands);
  const from = count - columns.length;
  const pixels = new Uint32Array(image.data.buffer);
  columns.forEach((column, index) => {
    for (let band = 0; band < bands; band++) {
      pixels[(bands - 1 - band) * count + from + index] = shades[Math.round(column[band] * 255)];
    }
  });
  const sheet = new OffscreenCanvas(count, bands);
  sheet.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(sheet, 0, 0, canvas.width, canvas.height);
}

let shadesOf = { key: "", shades: null };

/** 256 colours from the page's low to its high one. */
function palette() {
  const stops = ["--low", "--middle", "--high"].map(style);
  const key = stops.join();
  if (shadesOf.key === key) return shadesOf.shades;
  const channels = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  const shades = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const place = (level / 255) * 2;
    const [a, b] = [channels[Math.min(1, Math.floor(place))], channels[Math.min(1, Math.floor(place)) + 1]];
    const share = place - Math.min(1, Math.floor(place));
    const [red, green, blue] = a.map((value, i) => Math.round(value + (b[i] - value) * share));
    shades[level] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  shadesOf = { key, shades };
  return shades;
}

/** Probabilities as areas on top of each other, for `slots` of {from, to, probabilities} between `begin` and `end`. */
export function drawProbabilities(canvas, slots, labels, begin, end) {
  const context = fresh(canvas);
  const { width, height } = canvas;
  // At whole pixels, so that neighbours leave no seam.
  const x = (at) => Math.round(((at - begin) / (end - begin)) * width);
  for (const { from, to, probabilities } of slots) {
    let [y, sum] = [height, 0];
    labels.forEach((label, index) => {
      sum += probabilities[label];
      const top = Math.round(height * (1 - sum));
      context.fillStyle = colourOf(index);
      context.fillRect(x(from), top, x(to) - x(from), y - top);
      y = top;
    });
  }
  return { context, x };
}
