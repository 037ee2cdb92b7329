// A mel spectrogram for the eye: it is not what the model reads.

const BANDS = 64;
const HIGHEST = 8000;

/** Computes columns of `BANDS` levels, 0 to 1, of samples at `rate`. */
export class Mel {
  constructor(rate) {
    this.size = 2 ** Math.round(Math.log2(rate * 0.032));
    this.window = Float32Array.from({ length: this.size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / this.size));
    this.edges = this.bandEdges(rate);
    this.real = new Float32Array(this.size);
    this.imaginary = new Float32Array(this.size);
  }

  static get bands() {
    return BANDS;
  }

  /** Borders of the bands in bins, at equal distances in mel (2595 log10(1 + f / 700)). */
  bandEdges(rate) {
    const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
    const hertz = (mel) => 700 * (10 ** (mel / 2595) - 1);
    const top = mel(Math.min(HIGHEST, rate / 2));
    return Array.from({ length: BANDS + 2 }, (_, i) => (hertz((top * i) / (BANDS + 1)) * this.size) / rate);
  }

  /** The column of `size` samples: −80 to 0 dB as 0 to 1. */
  column(samples) {
    const { real, imaginary, size } = this;
    for (let n = 0; n < size; n++) {
      real[n] = samples[n] * this.window[n];
      imaginary[n] = 0;
    }
    fft(real, imaginary);
    const column = new Float32Array(BANDS);
    for (let band = 0; band < BANDS; band++) {
      const [low, middle, high] = this.edges.slice(band, band + 3);
      let power = 0;
      for (let bin = Math.floor(low); bin <= Math.ceil(high) && bin < size / 2; bin++) {
        const weight = Math.max(0, Math.min((bin - low) / (middle - low), (high - bin) / (high - middle)));
        power += weight * (real[bin] ** 2 + imaginary[bin] ** 2);
      }
      // Low bands can fall between two bins.
      if (power === 0) {
        const bin = Math.round(middle);
        power = real[bin] ** 2 + imaginary[bin] ** 2;
      }
      const decibels = 10 * Math.log10(power / size + 1e-12);
      column[band] = Math.min(1, Math.max(0, (decibels + 60) / 70));
    }
    return column;
  }
}

/** The discrete Fourier transform in place, of a power of two of numbers. */
export function fft(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let length = 2; length <= n; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let k = 0; k < length / 2; k++) {
      const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
      for (let i = k; i < n; i += length) {
        const j = i + length / 2;
        const re = real[j] * c - imaginary[j] * s;
        const im = real[j] * s + imaginary[j] * c;
        real[j] = real[i] - re;
        imaginary[j] = imaginary[i] - im;
        real[i] += re;
        imaginary[i] += im;
      }
    }
  }
}
