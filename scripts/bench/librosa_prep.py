"""Prepares a folder of recordings the usual way with librosa: each to an array [3, 40, 200] in a .npy file.

    librosa_prep.py DATA OUT [--processes 2] [--files N]

The features are those of `ser-prep`'s defaults. Prints one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import time

# One thread a process: the processes share the cores already.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import librosa
import numpy as np

FRAMES = 200


def recordings(folder):
    return sorted(
        os.path.join(directory, name)
        for directory, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".wav")
    )


def prepare(job):
    path, target = job
    samples, rate = librosa.load(path, sr=16_000)
    samples = samples / np.abs(samples).max()
    mfcc = librosa.feature.mfcc(
        y=samples, sr=rate, n_mfcc=40, n_fft=512, hop_length=256, n_mels=64, fmin=0, fmax=8_000
    )
    channels = [mfcc, librosa.feature.delta(mfcc, order=1), librosa.feature.delta(mfcc, order=2)]
    features = np.zeros((3, 40, FRAMES), np.float32)
    frames = min(mfcc.shape[1], FRAMES)
    features[:, :, :frames] = np.stack(channels)[:, :, :frames]
    np.save(target, features)
    return len(samples) / rate, frames


def timed(job):
    """Seconds of audio, and of a core's time, which other programs on the machine do not lengthen by much."""
    start = time.process_time()
    return prepare(job), time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--files", type=int, help="only the first so many")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    paths = recordings(arguments.data)[: arguments.files]
    jobs = [(path, os.path.join(arguments.out, f"{number}.npy")) for number, path in enumerate(paths)]
    # What librosa compiles on first use is not part of the work.
    prepare(jobs[0])
    with multiprocessing.Pool(arguments.processes) as pool:
        pool.map(prepare, jobs[: arguments.processes], chunksize=1)
        start = time.perf_counter()
        done = pool.map(timed, jobs, chunksize=16)
        seconds = time.perf_counter() - start
    # What pytorch_fit.py reads: for each array its class, from the name of the folder, and its real frames.
    utterances = [
        {"label": os.path.basename(os.path.dirname(path)).split("_", 1)[-1].lower(), "frames": frames}
        for path, ((_, frames), _) in zip(paths, done)
    ]
    with open(os.path.join(arguments.out, "utterances.json"), "w", encoding="utf-8") as file:
        json.dump(utterances, file)
    result = {
        "peer": f"librosa {librosa.__version__}",
        "processes": arguments.processes,
        "files": len(jobs),
        "audio_s": sum(audio_s for (audio_s, _), _ in done),
        "seconds": seconds,
        "core_ms_per_file": 1e3 * sum(core_s for _, core_s in done) / len(jobs),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
