// Hands on what the microphone hears, at the rate of the device.
class Listener extends AudioWorkletProcessor {
  #block = new Float32Array(2048);
  #filled = 0;

  process([[heard]]) {
    for (const sample of heard ?? []) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === this.#block.length) {
        this.port.postMessage(this.#block);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('listener', Listener);
