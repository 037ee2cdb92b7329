"""Compares the speed of `ser-prep --encoder` with that of `transformers`, on wav2vec 2.0 base with random weights.

    pip install transformers==5.24.0        # into a Python that has torch, safetensors, librosa and soundfile
    python3 scripts/encoders/compare.py [--words 4] [--times 2]

Both hear the same synthetic corpus (seven emotions, two speakers, so many words) on all cores, in turns, and pool the mean of
every layer; on a processor with bf16 instructions both also in bf16, in Python by autocast. In Python recordings are resampled
by soxr and sorted by length, and go through the model in batches of 8, with an attention mask, or one at a time; loading the
model and reading files do not count there. ser's time is that of all of `ser-prep`. The last line says what the
multiplications of the model would take, without any padding, at the rate that a large product of matrices reaches in the
same run.
"""

import argparse
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

import librosa
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def ser(command, *arguments):
    """Runs it, and gives the most memory that it had, GB. What the system says of a child at its end counts what this process
    holds, so it is asked while the child runs."""
    program = ROOT / "target/release" / command
    process = subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                most = max(most, int(line.split()[1]))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return most / 1e6


def timed(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def products(clips):
    """What the products and convolutions of the model take for each clip alone, seconds, at the rate of a large product."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    # By oneDNN: PyTorch's own is MKL's, which does without AVX-512 on processors of AMD.
    rate = 2 * 2048**3 / min(timed(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")) for _ in range(5))
    # Tensors without memory: only shapes are computed.
    model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()).eval().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for clip in clips:
            model(torch.empty(1, len(clip), device="meta"))
    return counter.get_total_flops() / rate, counter.get_total_flops(), rate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=4)
    parser.add_argument("--times", type=int, default=2)
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()).eval()
        extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
        model.save_pretrained(scratch / "encoder")
        extractor.save_pretrained(scratch / "encoder")
        ser("ser-synth", "--out", scratch / "corpus", "--words", options.words)
        clips = [librosa.load(path, sr=16_000)[0] for path in sorted((scratch / "corpus").rglob("*.wav"))]
        clips.sort(key=len)
        print(f"{len(clips)} recordings, {sum(map(len, clips)) / 16_000:.0f} s, {torch.get_num_threads()} threads")

        def heard(batch, bf16=False):
            for start in range(0, len(clips), batch):
                some = clips[start : start + batch]
                inputs = extractor(some, sampling_rate=16_000, return_tensors="pt", padding=True)
                with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    hidden = model(**inputs, output_hidden_states=True).hidden_states
                frames = model._get_feat_extract_output_lengths(inputs.attention_mask.sum(1))
                for layer in hidden:
                    _ = [states[:count].mean(0) for states, count in zip(layer, frames)]

        memory = []

        def prepared(number, precision):
            cache = scratch / f"cache-{number}-{precision}"
            memory.append(ser("ser-prep", "--data", scratch / "corpus", "--out", cache, "--encoder", scratch / "encoder",
                              "--quiet", "--precision", precision))

        works = {
            "ser-prep --encoder": lambda number: prepared(number, "f32"),
            "transformers, batches of 8 by length": lambda _: heard(8),
            "transformers, one at a time": lambda _: heard(1),
        }
        in_bf16 = {
            "ser-prep --encoder --precision bf16": lambda number: prepared(number, "bf16"),
            "transformers in bf16, batches of 8": lambda _: heard(8, bf16=True),
        }
        has_bf16 = any(name in pathlib.Path("/proc/cpuinfo").read_text() for name in ("avx512_bf16", "amx_bf16"))
        works |= in_bf16 if has_bf16 else {}
        times = {name: [] for name in works}
        for number in range(options.times):
            for name, work in works.items():
                times[name].append(timed(lambda: work(number)))
        taken = {name: statistics.median(seconds) for name, seconds in times.items()}
        for name, seconds in taken.items():
            ours = [f"{seconds / taken[own]:.2f}" for own in works if own.startswith("ser-prep")]
            print(f"{name:40} {seconds:6.1f} s   ser is {' and in bf16 '.join(ours)} times as fast")
        theirs = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"memory at its largest: ser-prep {max(memory):.2f} GB, transformers with all that Python holds {theirs:.2f} GB")
        least, flops, rate = products(clips)
        print(f"{flops / 1e12:.1f} Tflop at the {rate / 1e9:.0f} Gflop/s of a large product: {least:.1f} s, so that no program "
              f"could be more than {statistics.median(times['transformers, batches of 8 by length']) / least:.2f} times as fast as batches")


if __name__ == "__main__":
    main()
