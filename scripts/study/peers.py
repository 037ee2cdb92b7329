"""Measures what other tools achieve on the splits of a cache: the same recordings on the same sides.

    ser-prep --data RAVDESS --out CACHE --folds 4
    python3 scripts/study/peers.py --cache CACHE --data RAVDESS --runs RUNS [--split PATTERN ...] [--only ROW ...]

Python 3.11 and nothing else: the packages of peers-requirements.txt go into .tools/peers. The manifests below
CACHE/splits are taken as they are; `--split` picks among them, otherwise the folds speakers-*-of-*, or speaker-* where
there are none. A Markdown table is printed, and RUNS/peers.json holds every figure. It continues where it stopped:
openSMILE's features below RUNS and the results in that file are kept, and a result is computed again when its manifests,
the versions or the settings of its row have changed. All of it runs on one thread, and none of it is random: another run
gives the same figures.

Nothing learns from the test side, except that rows which say so see its recordings, without their labels. The validation
side chooses C where a row has one, and is otherwise only reported; no model is fitted again on training and validation
together, which ser does not do either.
"""

import argparse
import collections
import configparser
import fnmatch
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REQUIREMENTS = HERE / "peers-requirements.txt"
ENVIRONMENT = ROOT / ".tools/peers"
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
SIDES = ("train", "val", "test")

# Of the support vector machine: scikit-learn's SVC with a linear kernel, one class against one, classes weighted by the
# inverse of their size. Of equally good ones, the smallest C counts.
C_GRID = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]

# `scaling`: features are standardised by means and deviations of the training side, or of each speaker. `model` and
# `scale`: settings of nkululeko, whose other settings stay at their defaults.
ROWS = [
    {
        "row": "egemaps-svm",
        "what": "openSMILE eGeMAPSv02 functionals, linear SVM",
        "features": "eGeMAPSv02",
        "scaling": "training",
        "grid": C_GRID,
    },
    {
        "row": "compare-svm",
        "what": "openSMILE ComParE_2016 functionals, linear SVM",
        "features": "ComParE_2016",
        "scaling": "training",
        "grid": C_GRID,
    },
    {
        "row": "nkululeko-xgb",
        "what": "nkululeko as in its first example: `os` (eGeMAPSv02), `xgb`",
        "features": "eGeMAPSv02",
        "model": "xgb",
    },
    {
        "row": "nkululeko-svm",
        "what": "nkululeko with `svm` in place of `xgb`, and `scale = standard`",
        "features": "eGeMAPSv02",
        "model": "svm",
        # Its own default, none, puts hertz beside ratios, and its kernel then sees nothing but frequencies.
        "scale": "standard",
    },
    {
        "row": "egemaps-svm-speaker",
        "what": "`egemaps-svm`, standardised for each speaker: **sees the unlabelled test recordings**",
        "features": "eGeMAPSv02",
        "scaling": "speaker",
        "grid": C_GRID,
    },
]


def enter_environment():
    """Goes on in the virtual environment, which is made again when the requirements have changed."""
    python = ENVIRONMENT / "bin/python"
    installed = ENVIRONMENT / REQUIREMENTS.name
    if not installed.exists() or installed.read_text() != REQUIREMENTS.read_text():
        print(f"installing {REQUIREMENTS.name} into {ENVIRONMENT}", file=sys.stderr, flush=True)
        installed.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--requirement",
                        REQUIREMENTS], check=True, stdout=sys.stderr)
        installed.write_text(REQUIREMENTS.read_text())
    if Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        os.execve(python, [python, *sys.argv], os.environ | THREADS)


def versions():
    """Those that figures depend on."""
    from importlib.metadata import version

    names = ["opensmile", "scikit-learn", "nkululeko", "xgboost-cpu", "numpy", "pandas"]
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def written(path, text):
    """Writes a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


class Split:
    """One protocol of a cache: its sides, each a list of lines of a manifest."""

    def __init__(self, folder):
        self.protocol = folder.name
        description = tomllib.loads((folder / "split.toml").read_text(encoding="utf-8"))
        self.labels, self.seed = description["labels"], description["seed"]
        self.sides, self.digests = {}, {}
        for side in SIDES:
            path = folder / f"{side}.jsonl"
            content = path.read_bytes()
            self.digests[side] = hashlib.sha256(content).hexdigest()
            self.sides[side] = [json.loads(line) for line in content.decode().splitlines()]
            if not self.sides[side]:
                sys.exit(f"{path} is empty: this split has no {side} side to measure on")
            for line in self.sides[side]:
                # Peers are given whole files.
                if line.get("parent") is not None:
                    sys.exit(f"{path}: {line['path']} is an augmented copy; prepare a cache without --augment")
                if "start_s" in line:
                    sys.exit(f"{path}: {line['path']} is a segment of a recording; peers measure whole files only")


def chosen_splits(cache, patterns):
    # The link is followed once, so that all manifests are of one generation.
    folder = Path(os.path.realpath(cache / "splits"))
    if not folder.is_dir():
        sys.exit(f"{cache} has no splits: make it with ser-prep --data DATA --out {cache}")
    names = sorted(path.name for path in folder.iterdir() if (path / "split.toml").exists())
    for wanted in [patterns] if patterns else [["speakers-*-of-*"], ["speaker-*"]]:
        chosen = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)]
        if chosen:
            return [Split(folder / name) for name in chosen]
    sys.exit(f"no split of {cache} is meant; it has {', '.join(names)}")


class Recordings:
    """Where the files of manifests are."""

    def __init__(self, data):
        named = [entry.partition("=") for entry in data]
        self.only = Path(data[0]).resolve() if len(data) == 1 and not named[0][1] else None
        self.roots = {name if equals else Path(name).name: Path(folder if equals else name).resolve()
                      for name, equals, folder in named}

    def file(self, line):
        corpus = line.get("corpus")
        if corpus is None:
            root, relative = self.only or next(iter(self.roots.values())), line["path"]
        elif corpus in self.roots:
            root, relative = self.roots[corpus], line["path"].removeprefix(f"{corpus}/")
        else:
            sys.exit(f"the cache has a corpus {corpus}: say where it is with --data {corpus}=FOLDER")
        path = root / relative
        if not path.is_file():
            sys.exit(f"{path} is in the manifests but not there: --data must be the folder that the cache was made from")
        return path


class Features:
    """openSMILE's functionals of recordings, kept on disk: a row of float32 for each line of `names`."""

    def __init__(self, runs, name, recordings):
        import numpy
        import opensmile

        self.numpy, self.recordings, self.name = numpy, recordings, name
        self.smile = opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)
        self.width = len(self.smile.feature_names)
        folder = runs / f"opensmile-{opensmile.__version__}"
        folder.mkdir(parents=True, exist_ok=True)
        self.names, self.values = folder / f"{name}.names", folder / f"{name}.f32"
        self.known = self.load()

    def load(self):
        """What is kept; a half-written end is cut off."""
        if not self.names.exists() or not self.values.exists():
            self.names.write_bytes(b"")
            self.values.write_bytes(b"")
        names = self.names.read_bytes()
        whole = names[: names.rfind(b"\n") + 1].decode().splitlines(keepends=True)
        rows = self.values.stat().st_size // (4 * self.width)
        whole = whole[:rows]
        os.truncate(self.names, len("".join(whole).encode()))
        os.truncate(self.values, 4 * self.width * len(whole))
        table = self.numpy.fromfile(self.values, dtype="<f4").reshape(-1, self.width)
        return {name.rstrip("\n"): row for name, row in zip(whole, table)}

    def identity(self, path):
        """Tells a file from one that has taken its place."""
        status = path.stat()
        return json.dumps([str(path), status.st_size, status.st_mtime_ns])

    def compute(self, lines):
        """Computes those of `lines` that are missing."""
        missing = {}
        for line in lines:
            path = self.recordings.file(line)
            if (identity := self.identity(path)) not in self.known:
                missing[identity] = path
        started = time.monotonic()
        with open(self.names, "ab") as names, open(self.values, "ab") as values:
            for number, (identity, path) in enumerate(missing.items(), 1):
                try:
                    row = self.smile.process_file(str(path)).to_numpy(dtype="<f4").reshape(-1)
                except Exception as why:
                    sys.exit(f"{path}: openSMILE cannot read it: {why}")
                if row.shape != (self.width,) or not self.numpy.isfinite(row).all():
                    sys.exit(f"{path}: openSMILE's {self.name} are not {self.width} finite numbers")
                # The row first: a name stands for a row that is there.
                values.write(row.tobytes())
                values.flush()
                names.write(f"{identity}\n".encode())
                names.flush()
                self.known[identity] = row
                if number % 200 == 0 or number == len(missing):
                    seconds = time.monotonic() - started
                    print(f"{self.name}: {number} of {len(missing)} recordings, {seconds:.0f} s", file=sys.stderr, flush=True)

    def table(self, lines):
        """[recording, feature], in the order of `lines`."""
        rows = [self.known[self.identity(self.recordings.file(line))] for line in lines]
        return self.numpy.stack(rows).astype("f8")


def uar(truth, predicted):
    from sklearn.metrics import recall_score

    # The mean over the classes that are there to be recalled.
    return float(recall_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0))


def standardised(scaling, split, tables):
    from sklearn.preprocessing import StandardScaler
    import numpy

    if scaling == "training":
        scaler = StandardScaler().fit(tables["train"])
        return {side: scaler.transform(table) for side, table in tables.items()}
    speakers = {side: numpy.array([line["speaker"] or "" for line in split.sides[side]]) for side in SIDES}
    if any((names == "").any() for names in speakers.values()):
        sys.exit(f"{split.protocol}: the speakers of some recordings are not known, so nothing can be standardised for each")
    scaled = {side: numpy.empty_like(table) for side, table in tables.items()}
    for speaker in sorted(set().union(*speakers.values())):
        # All that the speaker says, whatever side it is on.
        everything = numpy.concatenate([tables[side][speakers[side] == speaker] for side in SIDES])
        scaler = StandardScaler().fit(everything)
        for side in SIDES:
            if (speakers[side] == speaker).any():
                scaled[side][speakers[side] == speaker] = scaler.transform(tables[side][speakers[side] == speaker])
    return scaled


def support_vectors(row, split, features):
    from sklearn.svm import SVC

    tables = {side: features.table(lines) for side, lines in split.sides.items()}
    tables = standardised(row["scaling"], split, tables)
    truth = {side: [line["label"] for line in lines] for side, lines in split.sides.items()}
    best, by_c = None, {}
    for c in row["grid"]:
        model = SVC(kernel="linear", C=c, class_weight="balanced").fit(tables["train"], truth["train"])
        by_c[f"{c:g}"] = validation = uar(truth["val"], model.predict(tables["val"]))
        if best is None or validation > best[0]:
            best = validation, c, model
    validation, c, model = best
    return {
        "validation_uar": validation,
        "test_uar": uar(truth["test"], model.predict(tables["test"])),
        "c": c,
        "validation_uar_by_c": by_c,
    }


def nkululeko(row, split, features, folder):
    """Runs nkululeko on tables of the three sides, in a folder of its own, and reads what it reports."""
    import pandas


    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    names = {"train": "train", "val": "dev", "test": "test"}
    imports = []
    config = configparser.ConfigParser()
    config["EXP"] = {"root": str(folder), "name": "experiment", "traindevtest": "True"}
    config["DATA"] = {"databases": str(list(names.values())), "target": "emotion", "labels": str(split.labels)}
    for side, name in names.items():
        files = pandas.Index([str(features.recordings.file(line)) for line in split.sides[side]], name="file")
        table, values = folder / f"{name}.csv", folder / f"{name}_features.csv"
        pandas.DataFrame({"speaker": [line["speaker"] for line in split.sides[side]],
                          "emotion": [line["label"] for line in split.sides[side]]}, index=files).to_csv(table)
        # In the order of the table: nkululeko pairs features and labels by their position.
        pandas.DataFrame(features.table(split.sides[side]).astype("f4"), index=files,
                         columns=features.smile.feature_names).to_csv(values)
        imports.append(str(values))
        config["DATA"].update({name: str(table), f"{name}.type": "csv", f"{name}.absolute_path": "True",
                               f"{name}.split_strategy": name})
    # What `type = ['os']` would compute, which is computed once here rather than for every split.
    config["FEATS"] = {"type": "['import']", "import_file": str(imports)}
    if "scale" in row:
        config["FEATS"]["scale"] = row["scale"]
    config["MODEL"] = {"type": row["model"], "n_jobs": "1"}
    with open(folder / "experiment.ini", "w", encoding="utf-8") as ini:
        config.write(ini)
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        done = subprocess.run([sys.executable, "-m", "nkululeko.nkululeko", "--config", folder / "experiment.ini"],
                              cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ | THREADS)
    if done.returncode != 0:
        sys.exit(f"nkululeko ended with {done.returncode}; {folder / 'log.txt'} says why")
    validation, test = (nkululeko_report(folder, mark, split.sides[side]) for side, mark in (("val", "last"), ("test", "test")))
    # The predictions of the test side, which is what was written last, say that this is what was reported.
    table = pandas.read_csv(only_file(folder, "pred_*.csv"))
    expected = {str(features.recordings.file(line)): line["label"] for line in split.sides["test"]}
    if len(table) != len(expected) or dict(zip(table["file"], table["truth"])) != expected:
        sys.exit(f"{folder}: nkululeko's predictions are not of the recordings and labels of {split.protocol}'s test side")
    if abs(uar(list(table["truth"]), list(table["predicted"])) - test) > 1e-9:
        sys.exit(f"{folder}: nkululeko's predictions do not have the UAR that it reports")
    return {"validation_uar": validation, "test_uar": test}


def only_file(folder, pattern):
    found = sorted(folder.glob(f"experiment/results/run_0/{pattern}"))
    if len(found) != 1:
        sys.exit(f"{folder}: nkululeko wrote {len(found)} files {pattern}, not one")
    return found[0]


def nkululeko_report(folder, mark, lines):
    """UAR by a report of nkululeko, which must be about as many recordings of each class as `lines`."""
    path = only_file(folder, f"*_{mark}_0_000.txt")
    report = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    counts = collections.Counter(line["label"] for line in lines)
    reported = {label: report[label]["support"] for label in counts if label in report}
    if reported != counts:
        sys.exit(f"{path} is about {reported}, not {dict(counts)}")
    return sum(report[label]["recall"] for label in counts) / len(counts)


class Results:
    """RUNS/peers.json."""

    def __init__(self, path):
        self.path = path
        self.kept = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
        self.versions = versions()

    def identity(self, row, split):
        settings = {key: value for key, value in row.items() if key != "what"}
        return {"row": row["row"], "protocol": split.protocol, "seed": split.seed, "settings": settings,
                "manifests": split.digests, "versions": self.versions}

    def find(self, row, split):
        identity = self.identity(row, split)
        return next((result for result in self.kept if all(result[key] == identity[key] for key in identity)), None)

    def add(self, row, split, figures, seconds):
        identity = self.identity(row, split)
        counts = {side: len(lines) for side, lines in split.sides.items()}
        replaced = [result for result in self.kept
                    if any(result[key] != identity[key] for key in ("row", "protocol", "seed"))]
        self.kept = [*replaced, identity | {"utterances": counts, "seconds": round(seconds, 2)} | figures]
        self.write([])

    def write(self, summary):
        text = {"summary": summary, "results": self.kept}
        written(self.path, json.dumps(text, indent=1, ensure_ascii=False) + "\n")


def mean_and_error(values):
    """Mean, and its standard error over splits, which one split alone has none of."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, None
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, (variance / len(values)) ** 0.5


def summary(rows, splits, results):
    """A record for each row that has a result for every split."""
    summarised = []
    for row in rows:
        found = [results.find(row, split) for split in splits]
        if None in found:
            continue
        test, error = mean_and_error([result["test_uar"] for result in found])
        validation, validation_error = mean_and_error([result["validation_uar"] for result in found])
        summarised.append({
            "row": row["row"], "what": row["what"],
            "splits": [{"protocol": result["protocol"], "seed": result["seed"], "test_uar": result["test_uar"],
                        "validation_uar": result["validation_uar"]} | ({"c": result["c"]} if "c" in result else {})
                       for result in found],
            "test_uar": {"mean": test, "standard_error": error},
            "validation_uar": {"mean": validation, "standard_error": validation_error},
        })
    return summarised


def markdown(summarised, splits):
    def figure(of):
        return f"{of['mean']:.3f}" + (f" ± {of['standard_error']:.3f}" if of["standard_error"] is not None else "")

    lines = ["| row | what | " + " | ".join(split.protocol for split in splits) + " | test UAR | validation UAR | C |",
             "|---|---|" + "---:|" * len(splits) + "---:|---:|---|"]
    for record in summarised:
        constants = ", ".join(f"{part['c']:g}" for part in record["splits"] if "c" in part)
        cells = [f"`{record['row']}`", record["what"], *(f"{part['test_uar']:.3f}" for part in record["splits"]),
                 figure(record["test_uar"]), figure(record["validation_uar"]), constants]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="what ser-prep wrote")
    parser.add_argument("--data", action="append", required=True, metavar="[NAME=]FOLDER",
                        help="the corpus that the cache was made from; once for each where there are several")
    parser.add_argument("--runs", type=Path, required=True, help="folder of what is kept")
    parser.add_argument("--split", nargs="+", default=[], metavar="PATTERN", help="splits, such as speaker-OAF")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", choices=[row["row"] for row in ROWS])
    options = parser.parse_args()
    enter_environment()

    rows = [row for row in ROWS if not options.only or row["row"] in options.only]
    splits = chosen_splits(options.cache, options.split)
    runs = options.runs.resolve()
    runs.mkdir(parents=True, exist_ok=True)
    results, recordings, features = Results(runs / "peers.json"), Recordings(options.data), {}
    for row in rows:
        for split in splits:
            if results.find(row, split):
                continue
            if row["features"] not in features:
                features[row["features"]] = Features(runs, row["features"], recordings)
            at_hand = features[row["features"]]
            at_hand.compute([line for side in SIDES for line in split.sides[side]])
            started = time.monotonic()
            if "model" in row:
                figures = nkululeko(row, split, at_hand, runs / row["row"] / f"{split.protocol}-seed-{split.seed}")
            else:
                figures = support_vectors(row, split, at_hand)
            results.add(row, split, figures, time.monotonic() - started)
            print(f"{row['row']}: {split.protocol}: test UAR {figures['test_uar']:.3f}", file=sys.stderr, flush=True)
    summarised = summary(rows, splits, results)
    results.write(summary(ROWS, splits, results))
    print(markdown(summarised, splits))


if __name__ == "__main__":
    main()
