"""Answers of exported models in onnxruntime.

Reads {"models": [path, …], "clips": [path, …]} from stdin, clips being little-endian f32 samples, and prints a list for each
model of an answer for each clip: {"probabilities": […], "share_as_unusual": …}, with null for what is not a number.
"""

import json
import math
import sys

import numpy
import onnxruntime


def plain(values):
    return [float(value) if math.isfinite(value) else None for value in values.ravel()]


def main():
    asked = json.load(sys.stdin)
    clips = [numpy.fromfile(clip, "<f4")[None] for clip in asked["clips"]]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    answers = []
    for model in asked["models"]:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        answers.append([])
        for clip in clips:
            probabilities, share = session.run(["probabilities", "share_as_unusual"], {"samples": clip})
            answers[-1].append({"probabilities": plain(probabilities), "share_as_unusual": plain(share)[0]})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
