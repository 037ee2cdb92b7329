"""Prepares a folder of recordings with soundfile, soxr and torchaudio in one thread: each to [3, 40, 200].

    torchaudio_prep.py DATA OUT [--files N]

soxr resamples, since torchaudio's own resampler takes seconds a file at 24,414 to 16,000 Hz. Prints one JSON object.
"""

import argparse
import json
import os
import time

import numpy as np
import soundfile
import soxr
import torch
import torchaudio

FRAMES = 200


def recordings(folder):
    return sorted(
        os.path.join(directory, name)
        for directory, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".wav")
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--files", type=int, help="only the first so many")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(arguments.out, exist_ok=True)
    mfcc = torchaudio.transforms.MFCC(
        sample_rate=16_000,
        n_mfcc=40,
        melkwargs={"n_fft": 512, "hop_length": 256, "n_mels": 64, "norm": "slaney", "mel_scale": "slaney"},
    )
    delta = torchaudio.functional.compute_deltas

    def prepare(path, target):
        samples, rate = soundfile.read(path, dtype="float32")
        samples = soxr.resample(samples, rate, 16_000, "HQ")
        coefficients = mfcc(torch.from_numpy(samples / np.abs(samples).max()))
        slope = delta(coefficients, win_length=9)
        features = torch.zeros(3, 40, FRAMES)
        frames = min(coefficients.shape[1], FRAMES)
        for channel, values in enumerate((coefficients, slope, delta(slope, win_length=9))):
            features[channel, :, :frames] = values[:, :frames]
        np.save(target, features.numpy())
        return len(samples) / 16_000

    paths = recordings(arguments.data)[: arguments.files]
    with torch.inference_mode():
        prepare(paths[0], os.path.join(arguments.out, "0.npy"))
        start, core_start = time.perf_counter(), time.process_time()
        audio_s = sum(
            prepare(path, os.path.join(arguments.out, f"{number}.npy")) for number, path in enumerate(paths)
        )
        seconds, core_s = time.perf_counter() - start, time.process_time() - core_start
    result = {
        "peer": f"torchaudio {torchaudio.__version__}, soxr {soxr.__version__}",
        "processes": 1,
        "files": len(paths),
        "audio_s": audio_s,
        "seconds": seconds,
        "core_ms_per_file": 1e3 * core_s / len(paths),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
