"""The test side of a split, read from a cache without ser: pip install numpy safetensors.

    $ python3 examples/read_a_cache.py cache speaker-OAF
    speaker-OAF: 1399 utterances to test, 7 classes: angry, disgust, …
    OAF_angry/OAF_back_angry.wav: angry, 98 frames, mean of MFCC 0: -318.42
"""

import json
import sys
import tomllib
from pathlib import Path

from safetensors import safe_open

root = Path(sys.argv[1] if len(sys.argv) > 1 else "cache")
protocol = sys.argv[2] if len(sys.argv) > 2 else "random"

split = root / "splits" / protocol
labels = tomllib.loads((split / "split.toml").read_text())["labels"]
utterances = [json.loads(line) for line in (split / "test.jsonl").read_text().splitlines()]
print(f"{protocol}: {len(utterances)} utterances to test, {len(labels)} classes: {', '.join(labels)}")

first = utterances[0]
with safe_open(root / first["shard"], "np") as shard:
    features = shard.get_slice("features")[first["row"]]  # [channel, n_mfcc, frame]
mfcc_0 = features[0, 0, : first["frames"]]
print(f"{first['path']}: {first['label']}, {first['frames']} frames, mean of MFCC 0: {mfcc_0.mean():.2f}")
