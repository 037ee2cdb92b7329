"""A training step and an evaluation in PyTorch as fast as a careful person gets them: every combination of memory layout,
precision, torch.compile and allocator settings, one after the other.

    python pytorch_step.py FEATURES [--arch cnn-bilstm] [--batch-size 32] [--threads 2] [--precision f32 ...] [--no-compile]

FEATURES is the folder that librosa_prep.py wrote. The network and the recipe are those of pytorch_fit.py, or the network is the
class of docs/architectures.md; batches are gathered from one tensor instead of going through a DataLoader. The last line is a JSON object: for each precision, the time of a step
and the utterances evaluated a second of each combination.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pytorch_fit import Network

# glibc gives large blocks back to the system and takes them again at every step unless it is told not to.
ALLOCATORS = {"": {}, "kept memory": {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296"}}
ROOT = Path(__file__).resolve().parents[2]
# The default sizes of the other architectures.
SIZES = {
    "cnn-statistics": {"views": "features", "channels": [32, 64, 64], "frame_channels": 256, "dense": 128, "dropout": 0.3},
    "cnn-transformer": {"channels": [32, 64], "width": 128, "layers": 2, "heads": 4, "feed_forward": 256, "dense": 128,
                        "dropout": 0.3, "encoder_dropout": 0.1},
}
# Steps that are not counted, and those of which the median counts.
WARM_UP, MEASURED = 4, 16


def network_of(arch: str, input_shape: list[int], classes: int) -> nn.Module:
    if arch == "cnn-bilstm":
        return Network(classes)
    text = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    documented = {"__name__": "documented"}
    exec("\n".join(block.split("```")[0] for block in text.split("```python\n")[1:]), documented)
    model = SIZES[arch] | {"arch": arch, "input_shape": input_shape, "classes": classes}
    return documented["CLASSES"][arch](model)


def measure(arguments: argparse.Namespace) -> dict:
    """One combination, in this process."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    folder = Path(arguments.features)
    utterances = json.loads((folder / "utterances.json").read_text())
    count = min(len(utterances), max(8 * arguments.batch_size, 512))
    x = torch.from_numpy(np.stack([np.load(folder / f"{number}.npy") for number in range(count)]))
    frames = torch.tensor([utterance["frames"] for utterance in utterances[:count]])
    labels, y = np.unique([utterance["label"] for utterance in utterances], return_inverse=True)
    y = torch.from_numpy(y[:count])
    network = network_of(arguments.arch, list(x.shape[1:]), len(labels))
    if arguments.layout == "channels-last":
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    called = torch.compile(network) if arguments.compile else network
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    in_bf16 = torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision[0] == "bf16")

    def batches(random: bool):
        order = torch.randperm(count) if random else torch.arange(count)
        for rows in order.split(arguments.batch_size):
            if len(rows) == arguments.batch_size:
                yield x[rows], frames[rows], y[rows]

    def step(x, frames, y):
        with in_bf16:
            loss = loss_of(called(x, frames), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    endless = itertools.chain.from_iterable(batches(True) for _ in itertools.count())
    steps = []
    for _ in range(WARM_UP + MEASURED):
        begun = time.perf_counter()
        step(*next(endless))  # gathering the batch is part of a step
        steps.append(time.perf_counter() - begun)
    network.eval()
    with torch.no_grad(), in_bf16:
        rates = []
        for _ in range(3):
            begun, seen = time.perf_counter(), 0
            for x_, frames_, _ in batches(False):
                called(x_, frames_).argmax(1)
                seen += len(x_)
            rates.append(seen / (time.perf_counter() - begun))
    return {"step_s": statistics.median(steps[WARM_UP:]), "evaluated_per_s": max(rates)}


def every_combination(arguments: argparse.Namespace) -> dict:
    """Each in a process of its own, since the allocator is set up when one starts."""
    found = {}
    for precision in arguments.precision:
        found[precision] = {}
        compiled = [False] if arguments.no_compile else [False, True]
        for layout, compiles, allocator in itertools.product(["default", "channels-last"], compiled, ALLOCATORS):
            command = [sys.executable, __file__, arguments.features, "--one", "--layout", layout, "--precision", precision,
                       "--arch", arguments.arch, "--batch-size", str(arguments.batch_size), "--threads", str(arguments.threads)]
            command += ["--compile"] if compiles else []
            ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | ALLOCATORS[allocator])
            parts = [layout, "compiled" if compiles else "eager", allocator]
            name = ", ".join(part for part in parts if part)
            if ran.returncode:
                # A compiler may be missing or fail; the other combinations are still there.
                print(f"{precision}, {name}: failed: {ran.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            found[precision][name] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features")
    parser.add_argument("--arch", default="cnn-bilstm", choices=["cnn-bilstm", *SIZES])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", nargs="+", default=["f32"], choices=["f32", "bf16"])
    parser.add_argument("--no-compile", action="store_true", help="leave out what takes a minute to compile")
    parser.add_argument("--one", action="store_true", help="measure one combination in this process:")
    parser.add_argument("--layout", choices=["default", "channels-last"], default="default")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments) if arguments.one else every_combination(arguments)))


if __name__ == "__main__":
    main()
