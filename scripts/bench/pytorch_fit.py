"""The training script that people write: PyTorch in its default layout, f32, the same network and recipe as ser-fit.

    python pytorch_fit.py FEATURES --epochs 20

FEATURES is the folder that librosa_prep.py wrote. It splits 70/15/15, keeps the best validation epoch and prints
scikit-learn's report. The last line is a JSON object with the times.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import classification_report, recall_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Network(nn.Module):
    """The default network of ser: see docs/design.md."""

    def __init__(self, classes: int):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.lstm = nn.LSTM(640, 128, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, classes))

    def forward(self, x: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        x = self.cnn(x).permute(0, 3, 1, 2).flatten(2)
        x, _ = self.lstm(x)
        real = torch.arange(x.shape[1])[None, :, None] < ((frames + 3) // 4)[:, None, None]
        x = (x * real).sum(1) / real.sum(1)
        return self.head(x)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("features")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    started = time.perf_counter()
    folder = Path(arguments.features)
    utterances = json.loads((folder / "utterances.json").read_text())
    features = np.stack([np.load(folder / f"{number}.npy") for number in range(len(utterances))])
    real = np.array([utterance["frames"] for utterance in utterances], np.int64)
    labels, y = np.unique([utterance["label"] for utterance in utterances], return_inverse=True)
    rest, test = train_test_split(np.arange(len(y)), test_size=0.15, stratify=y, random_state=0)
    train, val = train_test_split(rest, test_size=0.15 / 0.85, stratify=y[rest], random_state=0)
    x, frames, y = (torch.from_numpy(array) for array in (features, real, y))
    side = {
        name: TensorDataset(x[rows], frames[rows], y[rows])
        for name, rows in [("train", train), ("val", val), ("test", test)]
    }
    train_loader = DataLoader(side["train"], batch_size=32, shuffle=True)
    network = Network(len(labels))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()

    def predict(dataset: TensorDataset) -> tuple[np.ndarray, float]:
        network.eval()
        begun = time.perf_counter()
        with torch.no_grad():
            said = [network(x, frames).argmax(1) for x, frames, _ in DataLoader(dataset, batch_size=32)]
        return torch.cat(said).numpy(), len(dataset) / (time.perf_counter() - begun)

    best, best_accuracy = None, -1.0
    step_s, evaluation_rates = [], []
    for epoch in range(1, arguments.epochs + 1):
        network.train()
        begun, steps = time.perf_counter(), 0
        for x, frames, y in train_loader:
            loss = loss_of(network(x, frames), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
        step_s.append((time.perf_counter() - begun) / steps)
        said, rate = predict(side["val"])
        evaluation_rates.append(rate)
        accuracy = float((said == side["val"].tensors[2].numpy()).mean())
        print(f"epoch {epoch}: loss {loss.item():.4f}, val accuracy {accuracy:.4f}, {step_s[-1] * 1e3:.1f} ms a step")
        if accuracy > best_accuracy:
            best, best_accuracy = copy.deepcopy(network.state_dict()), accuracy
    network.load_state_dict(best)
    said, _ = predict(side["test"])
    truth = side["test"].tensors[2].numpy()
    print(classification_report(truth, said, target_names=[str(label) for label in labels], digits=4, zero_division=0))
    print(json.dumps({
        "step_s": step_s,
        "evaluated_per_s": evaluation_rates,
        "test_accuracy": float((said == truth).mean()),
        "test_uar": float(recall_score(truth, said, average="macro", zero_division=0)),
        "seconds": time.perf_counter() - started,
    }))


if __name__ == "__main__":
    main()
