#!/usr/bin/env python3
"""Compares what tract and onnxruntime answer with exported models.

    compare.py MODEL.onnx…

Builds the program beside this script, which takes minutes, and prints for each model the largest difference of a
probability, or of the share as unusual, over tones, noise, speech-like sounds, silence, and recordings shorter and longer
than the tensor; with the number of samples as a symbol, and known in advance. Needs numpy and onnxruntime: `$(./just python) scripts/tract/compare.py`.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnxruntime

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 1e-3


def clips():
    random, time = numpy.random.default_rng(0), numpy.arange(48_000) / 16_000
    voice = sum(numpy.sin(2 * numpy.pi * 150 * k * time) / k for k in range(1, 12))
    yield "noise", random.normal(0, 0.1, 32_000)
    yield "tone", numpy.sin(2 * numpy.pi * 1000 * time[:16_000])
    yield "voice", 0.2 * numpy.maximum(0, numpy.sin(5 * time)) * voice + random.normal(0, 0.002, 48_000)
    yield "silence", numpy.zeros(16_000)
    yield "short", random.normal(0, 0.1, 900)
    yield "long", random.normal(0, 0.1, 160_000) * numpy.sin(numpy.arange(160_000) / 3000)


def main():
    target = HERE.parent.parent / "target/tract"
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", target], cwd=HERE, check=True)
    program = target / "release/tract-answers"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        files, sounds = [], [sound.astype("<f4") for _, sound in clips()]
        for number, sound in enumerate(sounds):
            files.append(f"{folder}/{number}.f32")
            sound.tofile(files[-1])
        for model in sys.argv[1:]:
            session = onnxruntime.InferenceSession(model, options)
            outputs = [session.run(None, {"samples": sound[None]}) for sound in sounds]
            expected = [numpy.concatenate([output.ravel() for output in of_sound]) for of_sound in outputs]
            for fixed in ([], ["--fixed"]):
                run = subprocess.run([program, model, *fixed, *files], check=True, capture_output=True, text=True)
                said = [numpy.array(line.split(), "<f4") for line in run.stdout.splitlines()]
                same = all((numpy.isnan(a) == numpy.isnan(b)).all() for a, b in zip(said, expected, strict=True))
                largest = max(numpy.nan_to_num(abs(a - b)).max() for a, b in zip(said, expected, strict=True))
                failed |= not same or largest > TOLERANCE
                print(f"{model} {'known length' if fixed else 'any length'}: {largest:.1e}{'' if same else ', NaN differ'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
