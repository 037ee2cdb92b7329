"""What this machine could do at best, as a JSON object.

    python limits.py SCRATCH_FILE

`gflops`: a product of two matrices of 2,048 rows, in f32 and in bf16, by 1, 2, … threads, PyTorch's own or oneDNN's, whichever
is faster: PyTorch's in f32 is MKL's, which does without AVX-512 on processors of AMD. `hash_gb_s`: SHA-256 on one core.
`write_gb_s`: writing a new file into the page cache on one core. The best of five each.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import torch


def best(work) -> float:
    def timed() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return min(timed() for _ in range(5))


def main() -> None:
    gflops = {}
    kinds = {"f32": torch.float32, "bf16": torch.bfloat16}
    for name in sys.argv[2:]:
        a, b = (torch.randn(2048, 2048).to(kinds[name]) for _ in range(2))
        gflops[name] = []
        for threads in range(1, torch.get_num_threads() + 1):
            torch.set_num_threads(threads)
            own = best(lambda a=a, b=b: a @ b)
            by_onednn = best(lambda a=a, b=b: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
            gflops[name].append(2 * 2048**3 / min(own, by_onednn) / 1e9)
    block = os.urandom(64 << 20)
    place = Path(sys.argv[1])

    def write() -> None:
        place.unlink(missing_ok=True)
        place.write_bytes(block)

    rates = {"hash_gb_s": len(block) / best(lambda: hashlib.sha256(block)) / 1e9, "write_gb_s": len(block) / best(write) / 1e9}
    place.unlink()
    print(json.dumps({"gflops": gflops} | rates))


main()
