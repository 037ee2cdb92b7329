#!/usr/bin/env python3
"""How fast two ranks of one thread train, compared with one process of two threads.

    scripts/bench/ranks.py CACHE [OPTION...]

Options go to every ser-fit. SER_FIT says which one is run (target/release/ser-fit). Each is run three times in turn, and the
best epoch but the first counts. The efficiency is the ratio of their speeds: 1 where nothing is lost by adding up.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile

cache, options = sys.argv[1], sys.argv[2:]
program = os.environ.get("SER_FIT", "target/release/ser-fit")


def speed(ranks, threads, folder):
    """Utterances a second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = os.path.join(folder, f"{ranks}x{threads}-{len(os.listdir(folder))}")
    command = [program, "--quiet", "--cache", cache, "--run", run, "--threads", str(threads), "--device", "cpu"]
    command += ["--epochs", "4", *options]
    processes = []
    for rank in range(ranks):
        environment = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        processes.append(subprocess.Popen(command, env=environment))
    if any([process.wait() for process in processes]):
        sys.exit(f"{' '.join(command)} failed")
    with open(os.path.join(run, "metrics.jsonl")) as lines:
        return max(json.loads(line)["samples_per_s"] for line in list(lines)[1:])


with tempfile.TemporaryDirectory() as folder:
    best = {(1, 2): 0.0, (2, 1): 0.0}
    for _ in range(3):
        for ranks, threads in best:
            best[ranks, threads] = max(best[ranks, threads], speed(ranks, threads, folder))
print(f"1 process of 2 threads  {best[1, 2]:8.0f} utterances/s")
print(f"2 ranks of 1 thread     {best[2, 1]:8.0f} utterances/s")
print(f"efficiency              {best[2, 1] / best[1, 2]:8.2f}")
