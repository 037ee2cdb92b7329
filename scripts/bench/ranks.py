#!/usr/bin/env python3
"""How fast ranks of one thread each train, compared with one process of as many threads.

    python3 scripts/bench/ranks.py [--cache CACHE] [--rounds 3] [--ranks 2] [OPTION...]

Python 3.11 and nothing else; `./just build` first. Without a cache it prepares a synthetic corpus. Options that it does not
know go to every ser-fit. In each round both are run in turn; of all epochs but the first of a run, the fastest counts. The
efficiency is the ratio of their speeds: 1 where nothing is lost by adding up.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def prepared(ser, folder):
    """A cache of 420 synthetic utterances."""
    corpus, cache = folder / "corpus", folder / "cache"
    subprocess.run([ser / "ser-synth", "--out", corpus, "--words", "30", "--quiet"], check=True)
    subprocess.run([ser / "ser-prep", "--data", corpus, "--out", cache, "--quiet"], check=True)
    return cache


def speed(command, ranks, threads, run):
    """Utterances a second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*command, "--run", run, "--threads", str(threads)]
    processes = []
    for rank in range(ranks):
        place = dict(RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        processes.append(subprocess.Popen(command, env={**os.environ, **place}))
    if any([process.wait() for process in processes]):
        sys.exit(f"{' '.join(map(str, command))} failed")
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return max(epoch["samples_per_s"] for epoch in epochs[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    arguments, options = parser.parse_known_args()
    ser = ROOT / "target/release"
    count = arguments.ranks
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        cache = arguments.cache or prepared(ser, folder)
        command = [ser / "ser-fit", "--quiet", "--cache", cache, "--device", "cpu", "--epochs", "3", *options]
        best = {(1, count): 0.0, (count, 1): 0.0}
        for number in range(arguments.rounds):
            for ranks, threads in best:
                run = folder / f"{number}-{ranks}x{threads}"
                best[ranks, threads] = max(best[ranks, threads], speed(command, ranks, threads, run))
    print(f"1 process of {count} threads  {best[1, count]:8.0f} utterances/s")
    print(f"{count} ranks of 1 thread     {best[count, 1]:8.0f} utterances/s")
    print(f"efficiency              {best[count, 1] / best[1, count]:8.2f}")


if __name__ == "__main__":
    main()
