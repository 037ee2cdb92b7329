// From one sample rate to another: a sinc under a Kaiser window, at the phases that the ratio of the rates has.

/** What is kept, and beyond what all is stopped, of half the lower rate: as in preparation, whose features reach that far. */
const [PASS, STOP] = [0.975, 1.00625];
/** By how many dB it is stopped. */
const ATTENUATION = 90;
/** Kaiser's formulas for the shape of the window, and for its half length in samples of the lower rate. */
const BETA = 0.1102 * (ATTENUATION - 8.7);
const REACH = (ATTENUATION - 7.95) / (14.36 * (STOP - PASS));

/** The modified Bessel function of order 0. */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-16; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

/** Makes a function from samples at rate `from` to samples at rate `to`, both whole numbers of Hz. */
export function resampler(from, to) {
  if (from === to) return samples => samples;
  const common = divisor(from, to);
  const [step, phases] = [from / common, to / common];
  const lower = Math.min(1, to / from);
  const band = ((PASS + STOP) / 2) * lower;
  const reach = Math.ceil(REACH / lower);
  // Taps of each phase: its output lies phase / phases of a sample after the middle tap.
  const kernels = Array.from({ length: phases }, (_, phase) => {
    const taps = new Float64Array(2 * reach);
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap++) {
      const distance = tap - reach + 1 - phase / phases;
      const x = distance / reach;
      if (Math.abs(x) >= 1) continue;
      const angle = Math.PI * band * distance;
      taps[tap] = (angle === 0 ? 1 : Math.sin(angle) / angle) * bessel(BETA * Math.sqrt(1 - x * x));
      sum += taps[tap];
    }
    return taps.map(tap => tap / sum);
  });
  return samples => {
    const resampled = new Float32Array(Math.ceil((samples.length * to) / from));
    for (let n = 0; n < resampled.length; n++) {
      const at = n * step;
      const taps = kernels[at % phases];
      const first = Math.floor(at / phases) - reach + 1;
      let sum = 0;
      const end = Math.min(taps.length, samples.length - first);
      for (let tap = Math.max(0, -first); tap < end; tap++) sum += taps[tap] * samples[first + tap];
      resampled[n] = sum;
    }
    return resampled;
  };
}
