"""How long a training would wait for its data that does nothing but read it: rows of a cache's shards at random, which the
system is asked for four batches in advance, as ser-fit asks for them, and between two batches as much sleep as a step takes.

    python3 scripts/bench/read_ahead.py SHARDS --row BYTES --step SECONDS [--steps 400] [--batch 32] [--ahead 4]

Python 3.11 and nothing else. Prints the share of the time that was waited, as JSON.
"""

import argparse
import json
import os
import pathlib
import random
import time

# Tensors begin at a page of their shard.
PAGE = 4096


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=pathlib.Path)
    parser.add_argument("--row", type=int, required=True)
    parser.add_argument("--step", type=float, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ahead", type=int, default=4)
    options = parser.parse_args()
    rows = []
    for path in sorted(options.shards.glob("*.safetensors")):
        file = os.open(path, os.O_RDONLY)
        rows += [(file, PAGE + number * options.row) for number in range((os.fstat(file).st_size - PAGE) // options.row)]
    random.Random(0).shuffle(rows)
    count = min(options.steps, len(rows) // options.batch)
    batches = [rows[start:start + options.batch] for start in range(0, count * options.batch, options.batch)]

    def ask_for(number):
        for file, offset in batches[number] if number < count else []:
            os.posix_fadvise(file, offset, options.row, os.POSIX_FADV_WILLNEED)

    for number in range(options.ahead):
        ask_for(number)
    waited, begun = 0.0, time.perf_counter()
    for number, batch in enumerate(batches):
        ask_for(number + options.ahead)
        asked = time.perf_counter()
        for file, offset in batch:
            os.pread(file, options.row, offset)
        # The first batches were not asked for in advance.
        waited += time.perf_counter() - asked if number >= options.ahead else 0.0
        time.sleep(options.step)
    print(json.dumps({"waiting_share": waited / (time.perf_counter() - begun)}))


if __name__ == "__main__":
    main()
