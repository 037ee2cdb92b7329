"""What an answer gains that is averaged over a recording and copies of it in other voices: docs/generalisation.md.

    ser-prep --data RAVDESS --out cache --preset coarse-log-mel --folds 4 --augment scripts/study/voices.toml --copies 12
    $(./just python) scripts/study/voices.py cache RUNS/ravdess/unheard/*/seed-*/best.pt [--side val]

CHECKPOINTS are of the same recordings and folds, such as those of study.py, whose cache has no copies. Their networks are
those of docs/architectures.md, with the weights that ser-export writes; the answer is the mean of the log-probabilities.
Prints the UAR of each protocol without and with copies, of single networks and of all of a protocol as one.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from safetensors import safe_open

# One utterance at a time is too little work for several threads.
torch.set_num_threads(1)

ROOT = pathlib.Path(__file__).resolve().parents[2]


def documented():
    """The networks of docs/architectures.md, by the name of their architecture."""
    text = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    names = {"__name__": "documented"}
    exec("\n".join(block.split("```")[0] for block in text.split("```python\n")[1:]), names)
    return names["CLASSES"]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Cache:
    def __init__(self, root):
        self.root, self.shards, self.utterances = root, {}, {}
        # Copies are on training sides alone, and every speaker trains in some split.
        for manifest in root.glob("splits/speaker-*/train.jsonl"):
            self.utterances |= {utterance["path"]: utterance for utterance in lines(manifest)}

    def features(self, utterance):
        """[1, channel, band, frame]"""
        name = utterance["shard"]
        if name not in self.shards:
            self.shards[name] = safe_open(self.root / name, "np").get_tensor("features")
        return torch.from_numpy(self.shards[name][utterance["row"]]).float()[None]

    def voices(self, path):
        """The recording, then its copies."""
        copies = (self.utterances.get(f"{path}#copy-{number}") for number in range(1, 100))
        return [self.utterances[path], *(copy for copy in copies if copy)]


class Trained:
    def __init__(self, checkpoint):
        with tempfile.TemporaryDirectory() as folder:
            weights = pathlib.Path(folder) / "weights"
            export = [ROOT / "target/release/ser-export", "--checkpoint", checkpoint, "--safetensors", weights, "-q"]
            subprocess.run(export, check=True)
            self.config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
            with safe_open(weights / "model.safetensors", "pt") as file:
                state = {name: file.get_tensor(name) for name in file.keys()}
        self.mean = state.pop("feature_statistics.mean")[None, :, :, None]
        self.deviation = state.pop("feature_statistics.standard_deviation")[None, :, :, None]
        self.network = documented()[self.config["arch"]](self.config["model"])
        self.network.load_state_dict(state)
        self.network.eval()

    def log_probabilities(self, cache, utterance):
        features = (cache.features(utterance) - self.mean) / self.deviation
        with torch.no_grad():
            return self.network(features, torch.tensor([utterance["frames"]])).log_softmax(1)[0].numpy()


def uar(answers, truth):
    predicted = answers.argmax(1)
    return np.mean([(predicted[truth == label] == label).mean() for label in np.unique(truth)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=pathlib.Path)
    parser.add_argument("checkpoints", type=pathlib.Path, nargs="+")
    parser.add_argument("--side", choices=["val", "test"], default="val")
    options = parser.parse_args()
    cache, by_protocol = Cache(options.cache), {}
    for checkpoint in options.checkpoints:
        trained = Trained(checkpoint)
        protocol, labels = trained.config["protocol"], trained.config["labels"]
        tested = lines(options.cache / "splits" / protocol / f"{options.side}.jsonl")
        truth = np.array([labels.index(utterance["label"]) for utterance in tested])
        answers = [
            np.stack([trained.log_probabilities(cache, voice) for voice in cache.voices(utterance["path"])])
            for utterance in tested
        ]
        alone, averaged = np.stack([one[0] for one in answers]), np.stack([one.mean(0) for one in answers])
        print(f"{checkpoint}: {uar(alone, truth):.4f} alone, {uar(averaged, truth):.4f} averaged", flush=True)
        by_protocol.setdefault(protocol, []).append((alone, averaged, truth))
    kinds = {"alone": 0, "averaged": 1}
    single = {
        kind: np.array([[uar(run[column], run[2]) for run in runs] for runs in by_protocol.values()])
        for kind, column in kinds.items()
    }
    together = {
        kind: np.mean([uar(sum(run[column] for run in runs), runs[0][2]) for runs in by_protocol.values()])
        for kind, column in kinds.items()
    }
    gain = (single["averaged"] - single["alone"]).ravel()
    error = gain.std(ddof=1) / len(gain) ** 0.5
    print(f"{options.side}, {len(by_protocol)} protocols: {single['alone'].mean():.4f} alone, "
          f"{single['averaged'].mean():.4f} averaged, a gain of {gain.mean():+.4f} ± {error:.4f}; "
          f"all networks of a protocol as one {together['alone']:.4f}, {together['averaged']:.4f}")


if __name__ == "__main__":
    main()
