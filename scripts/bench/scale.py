"""How preparation and the start of training grow with the number of utterances: up to a million short recordings, all different.

    python3 scripts/bench/scale.py --scratch FOLDER [--counts 10000 100000 1000000] [--speakers 30]

Python 3.11 and nothing else; `./just build` first. A million recordings of a fifth of a second and their cache take 20 GB in
FOLDER, which are removed again. Prints a table in Markdown.
"""

import argparse
import array
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SAMPLES = 3200


def corpus(folder, count, speakers):
    """`count` WAV files, each its own piece of one noise, as <speaker>_<label>/<number>.wav in two classes."""
    draw = random.Random(0)
    noise = array.array("h", (draw.randrange(-8000, 8000) for _ in range(SAMPLES + count)))
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 2 * SAMPLES, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data",
                         2 * SAMPLES)
    for number in range(count):
        speaker, label = number % speakers, ["calm", "loud"][number // speakers % 2]
        place = folder / f"s{speaker:02}_{label}"
        if not place.exists():
            place.mkdir(parents=True)
        (place / f"{number}.wav").write_bytes(header + noise[number:number + SAMPLES].tobytes())


def ended(*command):
    """Seconds and the most memory, MB, of a process that must end with 0, or 3 for recordings that cannot be used."""
    begun = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        sys.exit(f"{' '.join(map(str, command))} failed")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def started(ser, cache, run, protocol):
    """Seconds until ser-fit has opened the cache and begins to train, and the most memory until it has stopped again, MB."""
    begun = time.perf_counter()
    process = subprocess.Popen([str(ser / "ser-fit"), "--cache", str(cache), "--run", str(run), "--split", protocol, "--quiet",
                                "--device", "cpu"], stderr=subprocess.DEVNULL)
    while not (run / "config.toml").exists():
        if process.poll() is not None:
            sys.exit(f"ser-fit ended with {process.returncode}")
        time.sleep(0.01)
    seconds = time.perf_counter() - begun
    time.sleep(2)  # some steps
    process.send_signal(signal.SIGINT)
    _, _, usage = os.wait4(process.pid, 0)
    return seconds, usage.ru_maxrss / 1024


def size_mb(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / (1 << 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=pathlib.Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--speakers", type=int, default=30)
    options = parser.parse_args()
    ser = ROOT / "target/release"
    head = ["utterances", "`ser-prep`", "an utterance", "memory", "the same again", "memory", "index, manifests and splits",
            "`ser-cache verify`", "memory", "`ser-fit` begins after", "memory"]
    print("| " + " | ".join(head) + " |\n|" + "---:|" * len(head), flush=True)
    for count in options.counts:
        data, cache, run = (options.scratch / name for name in ("corpus", "cache", "run"))
        for folder in (data, cache, run):
            shutil.rmtree(folder, ignore_errors=True)
        corpus(data, count, options.speakers)
        prepare = [ser / "ser-prep", "--data", data, "--out", cache, "--max-frames", 16, "--quiet"]
        seconds, memory = ended(*prepare)
        again, of_again = ended(*prepare)
        verified, of_verify = ended(ser / "ser-cache", "verify", cache)
        begins, of_fit = started(ser, cache, run, "random")
        beside = size_mb(cache) - size_mb(cache / "shards")
        cells = [f"{count:,}", f"{seconds:.1f} s", f"{seconds / count * 1e3:.3f} ms", f"{memory:.0f} MB", f"{again:.1f} s", f"{of_again:.0f} MB",
                 f"{beside:.0f} MB", f"{verified:.1f} s", f"{of_verify:.0f} MB", f"{begins:.2f} s", f"{of_fit:.0f} MB"]
        print("| " + " | ".join(cells) + " |", flush=True)
        for folder in (data, cache, run):
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
