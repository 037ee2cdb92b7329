"""How well two voice-activity detectors find speech in noise: the table of docs/prediction.md.

    pip install earshot silero-vad --no-deps; pip install onnxruntime numpy scipy scikit-learn soundfile soxr
    compare.py FOLDER [CLIPS]

FOLDER holds recordings of single utterances, such as TESS. Each of CLIPS (100) is put between two seconds of silence, and
noise is added: white, or pink (−3 dB an octave). A frame is speech where the clean clip is within 30 dB of its loudest
frame, and none outside of the clip; frames between are not counted.
"""

import importlib.util
import pathlib
import sys
import time

import earshot
import numpy as np
import onnxruntime
import soundfile
import soxr
from sklearn.metrics import roc_auc_score

RATE, EDGE = 16_000, 2.0  # Hz, seconds of silence on either side
MODEL = pathlib.Path(importlib.util.find_spec("silero_vad").origin).parent / "data/silero_vad.onnx"


class Earshot:
    frame = 256

    def scores(self, samples):
        detector = earshot.Detector()
        frames = samples[: len(samples) // 256 * 256].reshape(-1, 256)
        return np.array([detector.predict_f32(np.ascontiguousarray(frame)) for frame in frames])


class Silero:
    frame = 512

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(MODEL), options)

    def scores(self, samples):
        state, context, scores = np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32), []
        for frame in samples[: len(samples) // 512 * 512].reshape(-1, 1, 512):
            heard = np.concatenate([context, frame], axis=1)
            inputs = {"input": heard, "state": state, "sr": np.array(RATE, np.int64)}
            score, state = self.session.run(None, inputs)
            context = heard[:, -64:]
            scores.append(score.item())
        return np.array(scores)


def noise(kind, n, generator):
    white = generator.standard_normal(n)
    if kind == "white":
        return white
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, n)


def clips(folder, count):
    paths = sorted(pathlib.Path(folder).rglob("*.wav"))
    for path in paths[:: max(1, len(paths) // count)][:count]:
        samples, rate = soundfile.read(path)
        yield soxr.resample(samples if samples.ndim == 1 else samples.mean(1), rate, RATE)


def truth(clean, frame):
    """1 for speech, 0 for none, -1 for what is not counted."""
    energy = (clean[: len(clean) // frame * frame].reshape(-1, frame) ** 2).mean(1)
    level = 10 * np.log10(energy / energy.max() + 1e-12)
    edge = int(EDGE * RATE / frame)
    label = np.where(level > -30, 1, -1)
    label[: edge - 1] = label[len(label) - edge + 1:] = 0
    return label


def main():
    folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    generator = np.random.default_rng(0)
    recordings = list(clips(folder, count))
    silence = np.zeros(int(EDGE * RATE))
    print(f"{len(recordings)} clips of {folder}\n")
    print("| noise | SNR, dB | detector | AUROC | speech found | called speech wrongly | times real time |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for kind, snr in [("none", None)] + [(kind, snr) for kind in ("white", "pink") for snr in (20, 10, 5, 0)]:
        made = []
        for clip in recordings:
            clean = np.concatenate([silence, clip, silence])
            if snr is None:
                made.append((clean, clean))
                continue
            added = noise(kind, len(clean), generator)
            added *= np.sqrt((clip ** 2).mean() / (added ** 2).mean() / 10 ** (snr / 10))
            made.append((clean, clean + added))
        for name, detector in (("earshot", Earshot()), ("silero", Silero())):
            labels, scores, started = [], [], time.process_time()
            for clean, noisy in made:
                samples = (0.9 * noisy / np.abs(noisy).max()).astype(np.float32)
                scores.append(detector.scores(samples))
                labels.append(truth(clean, detector.frame)[: len(scores[-1])])
            seconds = time.process_time() - started
            labels, scores = np.concatenate(labels), np.concatenate(scores)
            labels, scores = labels[labels >= 0], scores[labels >= 0]
            speed = sum(len(noisy) for _, noisy in made) / RATE / seconds
            found, wrong = (scores[labels == 1] >= 0.5).mean(), (scores[labels == 0] >= 0.5).mean()
            row = [kind, "" if snr is None else snr, name, f"{roc_auc_score(labels, scores):.3f}", f"{found:.3f}", f"{wrong:.3f}", f"{speed:.0f}"]
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


main()
