"""How well ser and two libraries change voices: the tables of docs/augmentation.md.

    compare.py TESS FOLDER

Python with librosa and praat-parselmouth; Rust, a C++ compiler and libclang, which LIBCLANG_PATH names if it is not
installed (the package libclang of PyPI has it). What is made stays in FOLDER, as raw f32 at 16 kHz.
"""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import librosa
import numpy as np
import parselmouth

RATE, STEP, EACH = 16_000, 0.01, 3  # Hz, seconds, recordings of each speaker and emotion


def seen(y):
    """F0, harmonicity and three formants every 10 ms by Praat; the long-term spectrum in 24 mel bands, in dB."""
    sound, times = parselmouth.Sound(y.astype(np.float64), RATE), np.arange(0, len(y) / RATE, STEP)
    pitch = sound.to_pitch_ac(time_step=STEP, pitch_floor=70, pitch_ceiling=700)
    harmonicity, burg = sound.to_harmonicity_cc(STEP, 75, 0.1, 1.0), sound.to_formant_burg(STEP, 5, 5500)
    track = [[pitch.get_value_at_time(t), harmonicity.get_value(t), *(burg.get_value_at_time(n, t) for n in (1, 2, 3))]
             for t in times]
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, n_fft=512, hop_length=160, n_mels=24, fmin=100)
    spectrum = 10 * np.log10(mel[:, mel.sum(0) > 0.01 * mel.sum(0).max()].mean(1) + 1e-9)
    return np.array(track).T, spectrum - spectrum.mean()


def figures(original, changed, samples, samples_after, change, value):
    pitch, warp = 2 ** (value / 12) if change == "pitch" else 1, value if change == "formants" else 1
    duration = value if change == "stretch" else 1
    (before, spectrum), (after, spectrum_after) = original, changed
    after = after[:, np.minimum(np.round(np.arange(before.shape[1]) * duration).astype(int), after.shape[1] - 1)]
    both = ~np.isnan(before[0]) & ~np.isnan(after[0])
    ratio = after[:, both] / before[:, both]
    yield "F0 off %", 100 * abs(np.median(ratio[0]) / pitch - 1)
    yield "voiced lost %", 100 - 100 * both.sum() / (~np.isnan(before[0])).sum()
    yield "HNR lost dB", np.nanmean((before - after)[1, both & (np.minimum(before[1], after[1]) > -100)])
    for n in (1, 2, 3):
        yield f"F{n} off %", 100 * abs(np.nanmedian(ratio[n + 1]) / warp - 1)
    if change != "formants":
        yield "spectrum dB", np.sqrt(np.mean((spectrum_after - spectrum) ** 2))
    yield "duration off ms", 1e3 * abs(samples_after - samples * duration) / RATE


def main(tess, folder):
    folder = Path(folder)
    (folder / "original").mkdir(parents=True, exist_ok=True)
    for emotion in sorted(path for path in Path(tess).iterdir() if path.is_dir()):
        recordings = sorted(emotion.glob("*.wav"))
        for path in recordings[7 :: len(recordings) // EACH][:EACH]:
            y, _ = librosa.load(path, sr=RATE)
            (0.9 * y / np.abs(y).max()).astype("<f4").tofile(folder / "original" / path.stem)
    command = ["cargo", "run", "--release", "-q", "--manifest-path", Path(__file__).with_name("Cargo.toml")]
    lines = subprocess.check_output([*command, "--", folder], text=True).splitlines()
    originals = {path.name: np.fromfile(path, "<f4") for path in (folder / "original").iterdir()}
    before = {name: seen(y) for name, y in originals.items()}
    found = defaultdict(lambda: defaultdict(list))
    for library, change, value, cpu in (line.split("\t") for line in lines):
        found[change, library]["CPU ms per s"].append(float(cpu))
        for name, original in originals.items():
            y = np.fromfile(folder / library / change / value / name, "<f4")
            for figure, number in figures(before[name], seen(y), len(original), len(y), change, float(value)):
                found[change, library][figure].append(number)
    for (change, library), table in sorted(found.items()):
        print(f"{change}, {library}: median (95th percentile)")
        for figure, numbers in table.items():
            print(f"    {figure:16} {np.nanmedian(numbers):8.2f} ({np.nanpercentile(numbers, 95):.2f})")


main(*sys.argv[1:])
