"""Checks the CUDA path of ser against its CPU path, measures it, and prints a table.

    python3 scripts/gpu/check.py [--rehearse] [--bin target/release] [--words 120] [--epochs 5]

Python 3.11 and nothing else; no network. The commands in `--bin` make a synthetic corpus, prepare it, and train every
architecture on both devices. What is compared: the learning curves, the answers of each checkpoint on both devices, resumed
runs, ensembles, single recordings, states of an encoder, two ranks (over NCCL where there are two GPUs), and what is said where
there is no device.
`--rehearse` takes the CPU for the GPU, on a smaller corpus and with two architectures: it shows that everything here runs, and
nothing about CUDA. Exit code 1 if anything differs.
"""

import argparse
import array
import csv
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

# Networks that read features of the sound itself; encoder-head reads a pretrained encoder's.
ARCHITECTURES = ["cnn-bilstm", "cnn-statistics", "cnn-transformer"]
# Of a probability, between devices.
ANSWERS = 1e-3
# Of an encoder's states, which are up to 4 in size.
STATES = 1e-3
# Of the training loss of the first epoch, relative: the same weights, order and dropout, but sums in another order.
LOSS = 1e-2
# Of the validation UAR at the end, which a few utterances decide.
UAR = 0.1


class Check:
    def __init__(self, options, folder):
        self.bin, self.folder = options.bin.resolve(), folder
        self.device = "cpu" if options.rehearse else "cuda"
        self.rows, self.failed = [], False

    def ser(self, command, *arguments, code=0, env=None):
        """What a command prints; it must end with `code`."""
        done = subprocess.run([self.bin / command, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True,
                              env=os.environ | (env or {}))
        if done.returncode != code:
            sys.exit(f"{command} {' '.join(map(str, arguments))} ended with {done.returncode}, not {code}\n"
                     f"{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def row(self, what, found, is_right):
        self.rows.append((what, found, "yes" if is_right else "NO"))
        self.failed |= not is_right
        print(f"{what:<58} {found:<44} {'' if is_right else 'WRONG'}".rstrip(), flush=True)

    def fit(self, run, device, *more):
        """The summary of a run, and its seconds."""
        began = time.monotonic()
        printed = self.ser("ser-fit", "--cache", "cache", "--run", run, "--device", device, "--precision", "f32", "--json", *more)
        return json.loads(printed), time.monotonic() - began

    def answers(self, checkpoint, device, name):
        """The probabilities of every recording of the test side."""
        self.ser("ser-report", "--checkpoint", checkpoint, "--device", device, "--csv", name, "--quiet")
        with open(self.folder / name, newline="") as file:
            return {row["path"]: [float(value) for column, value in row.items() if column.startswith("probability_")]
                    for row in csv.DictReader(file)}

    def prepare(self, words):
        self.ser("ser-synth", "--out", "corpus", "--words", words, "--quiet")
        self.ser("ser-prep", "--data", "corpus", "--out", "cache", "--quiet")

    def architectures(self, names, epochs):
        for arch in names:
            runs = {}
            for name, device in [("cpu", "cpu"), ("gpu", self.device)]:
                runs[name] = self.fit(f"{arch}-{name}", device, "--arch", arch, "--epochs", epochs)
            (cpu, cpu_s), (gpu, gpu_s) = runs["cpu"], runs["gpu"]
            first = [run["history"][0]["train_loss"] for run in (cpu, gpu)]
            off = abs(first[0] - first[1]) / first[0]
            self.row(f"{arch}: loss of the first epoch", f"{first[0]:.4f} and {first[1]:.4f}, off by {off:.1e}", off <= LOSS)
            best = [max(epoch["val_uar"] for epoch in run["history"]) for run in (cpu, gpu)]
            self.row(f"{arch}: best validation UAR", f"{best[0]:.3f} and {best[1]:.3f}", best[1] >= best[0] - UAR)
            # What either device has trained, both answer with.
            for name in runs:
                checkpoint = f"{arch}-{name}/best.pt"
                answers = [self.answers(checkpoint, device, f"{label}.csv") for label, device in
                           [("cpu", "cpu"), ("gpu", self.device)]]
                off = largest_difference(*answers)
                self.row(f"{arch}: answers of what the {name.upper()} trained", f"within {off:.1e}", off <= ANSWERS)
            self.row(f"{arch}: seconds for {epochs} epochs with start-up", f"{cpu_s:.1f} and {gpu_s:.1f}", True)

    def resume(self):
        """A run that went on is the run that was not stopped."""
        whole, _ = self.fit("whole", self.device, "--epochs", 4)
        self.fit("stopped", self.device, "--epochs", 2)
        resumed = json.loads(self.ser("ser-fit", "--resume", "stopped", "--epochs", 4, "--device", self.device, "--json"))
        losses = [run["history"][-1]["train_loss"] for run in (whole, resumed)]
        off = abs(losses[0] - losses[1]) / losses[0]
        self.row("resumed after two of four epochs: last loss", f"{losses[0]:.4f} and {losses[1]:.4f}", off <= LOSS)

    def ensemble(self):
        self.fit("ensemble", self.device, "--epochs", 2, "--members", 2)
        answers = [self.answers("ensemble/best.pt", device, f"{name}.csv") for name, device in
                   [("cpu", "cpu"), ("gpu", self.device)]]
        off = largest_difference(*answers)
        self.row("an ensemble of two: answers", f"within {off:.1e}", off <= ANSWERS)

    def recordings(self):
        said = []
        for device in ("cpu", self.device):
            printed = self.ser("ser-predict", "--checkpoint", "cnn-statistics-gpu/best.pt", "--device", device, "--json", "corpus")
            lines = [json.loads(line) for line in printed.splitlines()]
            said.append({line["path"]: list(line["probabilities"].values()) for line in lines if "probabilities" in line})
        off = largest_difference(*said)
        self.row(f"ser-predict on {len(said[0])} recordings", f"within {off:.1e}", off <= ANSWERS)

    def encoder(self):
        """States of a small encoder with random weights, of both devices."""
        folder = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/encoders/wavlm-base"
        states = []
        for name, device in [("cpu", "cpu"), ("gpu", self.device)]:
            self.ser("ser-prep", "--data", "corpus", "--out", f"states-{name}", "--encoder", folder, "--device", device, "--quiet")
            states.append(tensors(self.folder / f"states-{name}"))
        off = largest_difference(*states)
        self.row(f"states of an encoder for {len(states[0])} recordings", f"within {off:.1e}", off <= STATES)

    def bf16(self):
        printed = self.ser("ser-fit", "--cache", "cache", "--run", "bf16", "--device", self.device, "--precision", "bf16",
                           "--validation-precision", "bf16", "--epochs", 3, "--json")
        losses = [epoch["train_loss"] for epoch in json.loads(printed)["history"]]
        self.row("learnt and validated in bf16: losses of three epochs", ", ".join(f"{loss:.3f}" for loss in losses),
                 losses[-1] < losses[0])

    def ranks(self, devices):
        """Two ranks learn what one process does: over NCCL where each has a device of its own, and through main memory on one."""
        recipe = ["--arch", "cnn-statistics", "--epochs", 2]
        one, _ = self.fit("one", self.device, *recipe)
        self.two_ranks("two ranks on one device", "shared", one, recipe, [devices[0]] * 2)
        if len(devices) < 2:
            self.row("two ranks over NCCL", "skipped: there are no two CUDA devices here", True)
        else:
            self.two_ranks("two ranks over NCCL", "nccl", one, recipe, devices[:2])

    def two_ranks(self, what, run, one, recipe, devices):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ranks = []
        for rank, device in enumerate(devices):
            place = dict(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), SER_NCCL="1")
            command = [self.bin / "ser-fit", "--cache", "cache", "--run", run, "--device", device, "--precision", "f32", "--json",
                       *map(str, recipe)]
            ranks.append(subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                          env=os.environ | place))
        printed = [rank.communicate() for rank in ranks]
        said = "".join(err for _, err in printed)
        if any(rank.returncode for rank in ranks):
            sys.exit(f"{what}: {said}")
        losses = [run["history"][0]["train_loss"] for run in (one, json.loads(printed[0][0]))]
        off = abs(losses[0] - losses[1]) / losses[0]
        self.row(f"{what}: loss of the first epoch", f"{losses[0]:.4f} and {losses[1]:.4f}, off by {off:.1e}", off <= LOSS)
        shares = devices[0] == devices[1] != "cpu"
        through = "main memory" if "pass through main memory" in said else "NCCL" if "cpu" not in devices else "Gloo"
        self.row(f"{what}: sums go through", through, (through == "main memory") == shares)

    def without_a_device(self):
        told = self.ser("ser-fit", "--cache", "cache", "--run", "none", "--device", "cuda", code=1,
                        env={"CUDA_VISIBLE_DEVICES": ""})
        self.row("no device is visible: what is said", textwrap.shorten(told, 76), "cuda" in told.lower())

    def speed(self):
        """The default network, 20 epochs: what a second of training is worth once it has started."""
        summary, whole = self.fit("speed", self.device, "--epochs", 20)
        epochs = sorted(epoch["seconds"] for epoch in summary["history"][1:])
        utterances = summary["history"][-1]["samples_per_s"]
        self.row("20 epochs, with start-up", f"{whole:.1f} s; median epoch {epochs[len(epochs) // 2]:.2f} s", True)
        self.row("utterances a second in training", f"{utterances:.0f}", True)


def tensors(cache):
    """The features of every recording in a cache, f32, by the key of its tensor."""
    found = {}
    for shard in sorted(cache.rglob("*.safetensors")):
        content = shard.read_bytes()
        data = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:data])
        keys = [json.dumps(row["key"], sort_keys=True) for row in json.loads(header["__metadata__"]["rows"])]
        about = header["features"]
        start, end = (data + offset for offset in about["data_offsets"])
        values, size = array.array("f", content[start:end]), (end - start) // 4 // len(keys)
        found |= {key: values[row * size : (row + 1) * size] for row, key in enumerate(keys)}
    return found


def largest_difference(a, b):
    if a.keys() != b.keys() or not a:
        sys.exit("two devices answered for other recordings")
    return max(abs(x - y) for path in a for x, y in zip(a[path], b[path], strict=True))


def main():
    parser = argparse.ArgumentParser(description="Checks the CUDA path of ser against its CPU path.")
    parser.add_argument("--rehearse", action="store_true", help="take the CPU for the GPU")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("target/release"))
    parser.add_argument("--words", type=int, help="of the synthetic corpus, 14 utterances each [120; 6 to rehearse]")
    parser.add_argument("--epochs", type=int, help="of each architecture [5; 1 to rehearse]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check = Check(options, pathlib.Path(folder))
        doctor = check.ser("ser-fit", "--doctor")
        print(doctor)
        found = next(line for line in doctor.splitlines() if line.startswith("CUDA devices")).split()[2]
        devices = int(found) if found.isdigit() else 0
        if not options.rehearse and devices == 0:
            sys.exit("There is no CUDA device here. --rehearse runs all of this on the CPU.")
        check.prepare(options.words or (6 if options.rehearse else 120))
        # What they compute on the CPU is tested elsewhere.
        names = ["cnn-bilstm", "cnn-statistics"] if options.rehearse else ARCHITECTURES
        check.architectures(names, options.epochs or (1 if options.rehearse else 5))
        check.resume()
        check.ensemble()
        check.recordings()
        check.encoder()
        check.bf16()
        check.ranks(["cpu"] if options.rehearse else [f"cuda:{index}" for index in range(devices)])
        check.without_a_device()
        if not options.rehearse:
            check.speed()
        rows = "\n".join(f"| {' | '.join(row)} |" for row in check.rows)
        print(f"\n| {'rehearsed on the CPU' if options.rehearse else 'CPU and CUDA'} | found | as it should be |\n|---|---|---|\n{rows}")
        sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
