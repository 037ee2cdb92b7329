// In the audio thread: passes the microphone's samples on, 1,024 at a time.
class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Float32Array(1024);
    this.filled = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    // Without a source there is no channel.
    if (!channel) return true;
    for (const sample of channel) {
      this.samples[this.filled++] = sample;
      if (this.filled === this.samples.length) {
        const full = this.samples;
        this.samples = new Float32Array(full.length);
        this.filled = 0;
        this.port.postMessage(full, [full.buffer]);
      }
    }
    return true;
  }
}
registerProcessor("tap", Tap);
