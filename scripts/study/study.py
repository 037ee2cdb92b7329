"""Trains recipes/unheard.toml, and what it is compared with, on RAVDESS and on TESS, and writes the tables of a document.

    python3 scripts/study/study.py --ravdess DIR --tess DIR --runs RUNS [--seeds 5] [--row-seeds 2] [--jobs 2]
        [--peers PYTHON] [--ge2e FOLDER] [--only ROW ...] [--table-only] [--out DOCUMENT]

Python 3.11 and nothing else. ser-prep, ser-fit and ser-report do the work; each run is on one thread, `--jobs` at a time.
One of the corpora may be left out. With `--peers`, peers.py measures what other tools achieve, started with that Python.
Rows on a speaker encoder need the folder that scripts/encoders/ge2e.py makes, `--ge2e`, and are left out without it.

It continues where it stopped: finished runs are kept, also those that were put there, as RUNS/<corpus>/<row>/<protocol>/
seed-<seed>. The corpora are `ravdess` (folds of speakers), `tess` (each of the two speakers, and a random split) and `both`
(one corpus tested by a network of the other, over common labels). The recipe itself is the row `unheard`, and
RUNS/<corpus>/ensemble has all seeds of it as one.

A recipe is chosen by the table of validation figures, over folds and seeds of RAVDESS. Its rows are not tested, unless
rows.toml says so: those that would choose nothing. Each table replaces what is between `<!-- table: NAME -->` and `<!-- end
of table -->` in the document; one for which nothing is trained yet is left as it is.
"""

import argparse
import concurrent.futures
import copy
import csv
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COVERAGES = [0.8, 0.9, 0.95]
# Which protocols of a corpus are trained.
PROTOCOLS = {"ravdess": "speakers-*", "tess": "speaker-*,random", "both": "corpus-*"}


def to_toml(value):
    """A value as inline TOML, which JSON is for texts, numbers and lists."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {to_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


def recipe_of(row, base):
    recipe = {} if row.get("from") == "plain" else copy.deepcopy(base)
    for name, value in row.get("set", {}).items():
        *tables, last = name.split(".")
        table = recipe
        for step in tables:
            table = table.setdefault(step, {})
        table[last] = value
    return recipe


def ser(command, *arguments, also=()):
    """What a command prints; it must end with 0, or with one of the codes in `also`."""
    done = subprocess.run([ROOT / "target/release" / command, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in (0, *also):
        sys.exit(f"{command} {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def mean_and_error(values):
    """Mean, and its standard error, which one value alone has none of."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, (sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)) ** 0.5


def over_cells(cells):
    """Mean over protocols of the means over seeds, and its standard error over seeds; protocols are independent."""
    parts = [mean_and_error(list(by_seed.values())) for by_seed in cells.values()]
    errors = [error for _, error in parts]
    mean = sum(mean for mean, _ in parts) / len(parts)
    return mean, None if None in errors else sum(error**2 for error in errors) ** 0.5 / len(parts)


def seeds_of(cells):
    """How many seeds each protocol has."""
    counts = sorted({len(by_seed) for by_seed in cells.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def figure(mean, error=None, sign=""):
    text = f"{round(mean, 3) + 0.0:{sign}.3f}".replace("-", "−")  # + 0.0: no negative zero
    return text if error is None else f"{text} ± {error:.3f}"


def markdown(head, rows):
    """The first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


class Study:
    def __init__(self, options):
        self.options, self.runs = options, options.runs.resolve()
        self.base = tomllib.loads(options.recipe.read_text(encoding="utf-8"))
        self.data = {}
        if options.ravdess:
            self.data["ravdess"] = {"RAVDESS": options.ravdess.resolve()}
        if options.tess:
            self.data["tess"] = {"TESS": options.tess.resolve()}
        if len(self.data) == 2:
            self.data["both"] = self.data["ravdess"] | self.data["tess"]
        self.kept = {}

    def cache(self, corpus):
        return self.runs / "cache" / corpus

    def prepare(self, corpus, features=None):
        """Makes or completes the cache of a corpus, and returns the name of the feature set."""
        features = ["--preset", self.base["feature_set"]] if features is None else features
        options = {
            "ravdess": ["--folds", self.options.folds],
            "tess": [],
            "both": ["--map", "common", "--folds", 0],
        }[corpus]
        names = self.data[corpus]
        data = [f"{name}={folder}" if len(names) > 1 else folder for name, folder in names.items()]
        data = [part for folder in data for part in ("--data", folder)]
        # 3: some recordings cannot be used, each of them named in prep-report.json.
        prepared = ser("ser-prep", *data, "--out", self.cache(corpus), *options, *features, "--json", also=(3,))
        return json.loads(prepared)["feature_set"]

    def jobs_of(self, corpus, row, seeds):
        """Prepares a row of a corpus for training: what `fit` is to be called with."""
        features = ["--encoder", self.options.ge2e.resolve()] if row.get("encoder") else row.get("features")
        recipe = recipe_of(row, self.base) | {"feature_set": self.prepare(corpus, features)}
        path = self.runs / "recipes" / f"{corpus}-{row['name']}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key} = {to_toml(value)}\n" for key, value in recipe.items()), encoding="utf-8")
        return [(corpus, row["name"], path, protocol, seeds) for protocol in self.protocols(corpus)]

    def fit(self, corpus, row, recipe, protocol, seeds):
        ser("ser-fit", "--cache", self.cache(corpus), "--config", recipe, "--protocols", protocol, "--seeds", seeds,
            "--threads", 1, "--runs", self.runs / corpus / row, "--quiet")
        print(f"{corpus}: {row}: {protocol} trained", file=sys.stderr, flush=True)

    def protocols(self, corpus):
        names = sorted(path.name for path in (self.cache(corpus) / "splits").iterdir())
        wanted = [pattern.removesuffix("*") for pattern in PROTOCOLS[corpus].split(",")]
        return [name for name in names if any(name.startswith(start) for start in wanted)]

    def train(self, rows):
        jobs = []
        for corpus in self.data:
            for row in [{"name": "unheard", "test": True}, *rows]:
                if self.options.only and row["name"] not in self.options.only:
                    continue
                if row.get("test"):
                    jobs += self.jobs_of(corpus, row, self.options.seeds)
                elif corpus == "ravdess":
                    jobs += self.jobs_of(corpus, row, self.options.row_seeds)
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for job in concurrent.futures.as_completed([pool.submit(self.fit, *job) for job in jobs]):
                job.result()

    def join(self):
        """All seeds of the recipe as one ensemble for each protocol."""
        for corpus in self.data:
            for protocol in sorted((self.runs / corpus / "unheard").glob("*/seed-0")):
                members = [protocol.parent / f"seed-{seed}/best.pt" for seed in range(self.options.seeds)]
                place = self.runs / corpus / "ensemble" / protocol.parent.name / "seed-0"
                if len(members) > 1 and all(map(pathlib.Path.exists, members)) and not (place / "best.pt").exists():
                    ser("ser-fit", "--join", *members, "--run", place, "--quiet")

    def peers(self):
        for corpus, names in self.data.items():
            data = [f"{name}={folder}" if len(names) > 1 else folder for name, folder in names.items()]
            data = [part for folder in data for part in ("--data", str(folder))]
            runs = self.runs / "peers" / corpus
            subprocess.run([self.options.peers, HERE / "peers.py", "--cache", self.cache(corpus), *data, "--runs", runs,
                            "--split", *PROTOCOLS[corpus].split(",")], check=True, stdout=sys.stderr)

    # What came out.

    def reported(self, corpus, row, coverage=0.9):
        """What ser-report says of each finished run: {protocol: {seed: figures}}."""
        key = corpus, row, coverage
        if key not in self.kept:
            folder, found = self.runs / corpus / row, {}
            if any(folder.glob("*/seed-*/best.pt")):
                # 3: some runs are not finished, and left out.
                report = ser("ser-report", "--runs", folder, "--cache", self.cache(corpus), "--coverage", coverage,
                             "--threads", 1, "--json", also=(3,))
                for run in json.loads(report)["runs"]:
                    found.setdefault(run["protocol"], {})[run["seed"]] = run
            self.kept[key] = dict(sorted(found.items()))
        return self.kept[key]

    def test_rows(self, corpus, rows):
        """Name and {protocol: {seed: UAR}} of what is tested, the peers last."""
        names = ["unheard", "ensemble", *(row["name"] for row in rows if row.get("test"))]
        what = {row["name"]: f"`{row['name']}`: {row['what']}" for row in rows}
        what |= {"unheard": "**`unheard`**", "ensemble": f"**{self.options.seeds} networks of `unheard` as one**"}
        tested = []
        for name in names:
            uars = {protocol: {seed: run["uar"] for seed, run in by_seed.items()}
                    for protocol, by_seed in self.reported(corpus, name).items()}
            if uars:
                tested.append((what[name], uars))
            for row in rows:
                if row["name"] == name and row.get("encoder") and (uars := self.beside(corpus, "unheard", name)):
                    tested.append((f"`unheard` and `{name}`, the mean of their log-probabilities", uars))
        path = self.runs / "peers" / corpus / "peers.json"
        for peer in json.loads(path.read_text(encoding="utf-8"))["summary"] if path.exists() else []:
            tested.append((peer["what"], {part["protocol"]: {0: part["test_uar"]} for part in peer["splits"]}))
        return tested

    def beside(self, corpus, one, other):
        """{protocol: {seed: UAR}} of two rows together: the mean of the log-probabilities of their networks of a seed."""
        found = {}
        finished = self.reported(corpus, other)
        for protocol, by_seed in self.reported(corpus, one).items():
            for seed in by_seed.keys() & finished.get(protocol, {}).keys():
                place = pathlib.Path(protocol, f"seed-{seed}", "best.pt")
                checkpoints = [self.runs / corpus / row / place for row in (one, other)]
                found.setdefault(protocol, {})[seed] = self.uar_together(corpus, checkpoints)
        return found

    def uar_together(self, corpus, checkpoints):
        """Test UAR of checkpoints of one split as one."""
        sums, said = {}, {}
        for checkpoint in checkpoints:
            with tempfile.NamedTemporaryFile(suffix=".csv") as file:
                ser("ser-report", "--checkpoint", checkpoint, "--cache", self.cache(corpus), "--csv", file.name,
                    "--threads", 1, "--quiet")
                with open(file.name, encoding="utf-8", newline="") as lines:
                    for row in csv.DictReader(lines):
                        said[row["path"]] = row["true"]
                        of_clip = sums.setdefault(row["path"], {})
                        for name, value in row.items():
                            if label := name.removeprefix("probability_") if name.startswith("probability_") else "":
                                of_clip[label] = of_clip.get(label, 0.0) + math.log(max(float(value), 1e-30))
        right = {}
        for path, label in said.items():
            right.setdefault(label, []).append(max(sums[path], key=sums[path].get) == label)
        return sum(sum(of_class) / len(of_class) for of_class in right.values()) / len(right)

    def tested(self, corpus, rows, head, mean_of=None):
        """Test UAR of each protocol, and their mean over those that `mean_of` chooses."""
        tested = self.test_rows(corpus, rows)
        if not tested:
            return None
        protocols = sorted({protocol for _, cells in tested for protocol in cells})
        apart = [protocol for protocol in protocols if mean_of and not re.match(mean_of, protocol)]
        together = [protocol for protocol in protocols if protocol not in apart]
        lines = []
        for what, cells in tested:
            known = {protocol: cells[protocol] for protocol in together if protocol in cells}
            line = [what, seeds_of(cells)]
            one = lambda protocol: figure(*mean_and_error(list(cells[protocol].values()))) if protocol in cells else ""
            line += map(one, together)
            if len(together) > 1 and mean_of:
                line.append(figure(*over_cells(known)) if len(known) == len(together) else "")
            lines.append(line + list(map(one, apart)))
        mean = ["mean"] if len(together) > 1 and mean_of else []
        return markdown(["test UAR", "seeds", *map(head, together), *mean, *map(head, apart)], lines)

    def coverage_table(self):
        """Measured coverage of the prediction sets of the ensembles beside what was asked for."""
        lines = []
        for coverage in COVERAGES:
            found = self.reported("ravdess", "ensemble", coverage)
            sets = [run["sets"] for by_seed in found.values() for run in by_seed.values() if run["sets"]]
            if sets:
                measured = [of["measured"] for of in sets]
                size = sum(of["mean_size"] for of in sets) / len(sets)
                lines.append([f"{coverage:.2f}", *map(figure, measured), figure(sum(measured) / len(measured)), f"{size:.1f}"])
        folds = list(self.reported("ravdess", "ensemble"))
        return lines and markdown(["coverage asked for", *map(fold, folds), "mean", "mean size of a set"], lines)

    def domain_table(self):
        """What ensembles of each corpus call out of domain, of their own test side and of the other corpus."""
        lines = []
        for corpus, other in [("ravdess", "tess"), ("tess", "ravdess")]:
            if not {corpus, other} <= self.data.keys():
                continue
            for checkpoint in sorted((self.runs / corpus / "ensemble").glob("*/seed-0/best.pt")):
                report = ser("ser-report", "--checkpoint", checkpoint, "--cache", self.cache(corpus), "--other-corpus",
                             self.cache(other), "--threads", 1, "--json")
                if found := json.loads(report).get("out_of_domain"):
                    away = found["other_corpus"]
                    lines.append([f"{corpus.upper()}, {checkpoint.parent.parent.name}", figure(found["flagged"]),
                                  figure(found["auroc"]), figure(away["flagged"]), figure(away["auroc"])])
        head = ["trained on", "own test side", "AUROC", "the other corpus", "AUROC"]
        return lines and markdown(head, lines)

    def validated(self, row):
        """Validation UAR of the epoch that each finished run keeps: {protocol: {seed: UAR}}."""
        found = {}
        for metrics in sorted((self.runs / "ravdess" / row).glob("*/seed-*/metrics.jsonl")):
            config = tomllib.loads((metrics.parent / "config.toml").read_text(encoding="utf-8"))
            records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
            best = max((number for number, record in enumerate(records) if record["best"]), default=None)
            if best is None:
                continue
            has_all = records[-1]["steps"] >= steps if (steps := config.get("steps", 0)) else \
                records[-1]["epoch"] >= config["epochs"]
            gave_up = 0 < config["patience"] <= len(records) - 1 - best
            if has_all or gave_up:
                found.setdefault(metrics.parent.parent.name, {})[metrics.parent.name] = records[best]["val_uar"]
        return found

    def validation_table(self, rows):
        base, lines = self.validated("unheard"), []
        folds = list(base)
        for row in [{"name": "unheard", "what": "**the recipe**"}, *rows]:
            cells = self.validated(row["name"])
            if not base or any(protocol not in cells for protocol in folds):
                continue
            line = [f"`{row['name']}`", row["what"], seeds_of(cells)]
            line += [figure(*mean_and_error(list(cells[protocol].values()))) for protocol in folds]
            mean, error = over_cells(cells)
            line.append(figure(mean, error))
            if row["name"] != "unheard":
                base_mean, base_error = over_cells(base)
                known = error is not None and base_error is not None
                line.append(figure(mean - base_mean, (error**2 + base_error**2) ** 0.5 if known else None, sign="+"))
            else:
                line.append("")
            lines.append(line)
        if not lines:
            return None
        table = markdown(["row", "validation UAR", "seeds", *map(fold, folds), "mean", "difference"], lines)
        return table.replace("| --- | ---: |", "| --- | --- |", 1)

    def tables(self, rows):
        found = {}
        if "ravdess" in self.data:
            found["ravdess"] = self.tested("ravdess", rows, fold, "speakers-")
            found["validation"] = self.validation_table(rows)
            found["coverage"] = self.coverage_table()
        if "tess" in self.data:
            found["tess"] = self.tested("tess", rows, lambda name: name, "speaker-")
        if "both" in self.data:
            found["across"] = self.tested("both", rows, across)
            found["domain"] = self.domain_table()
        return {name: table for name, table in found.items() if table}


def fold(protocol):
    return "fold " + protocol.removeprefix("speakers-").partition("-of-")[0]


def across(protocol):
    tested = protocol.removeprefix("corpus-")
    return f"{'TESS' if tested == 'RAVDESS' else 'RAVDESS'} → {tested}"


def replaced(document, tables):
    """The document with the tables in place of those with the same names."""
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end of table -->\n)", re.DOTALL)
        if not pattern.search(document):
            sys.exit(f"the document has no place <!-- table: {name} -->")
        document = pattern.sub(lambda place: f"{place[1]}{table}\n{place[2]}", document)
    return document


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--tess", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--runs", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="of what is tested")
    parser.add_argument("--row-seeds", type=int, default=2, help="of what is only validated")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--peers", metavar="PYTHON", help="Python 3.11 for peers.py, which installs what it needs")
    parser.add_argument("--ge2e", type=pathlib.Path, metavar="FOLDER", help="a speaker encoder, by scripts/encoders/ge2e.py")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW")
    parser.add_argument("--recipe", type=pathlib.Path, default=ROOT / "recipes/unheard.toml")
    parser.add_argument("--rows", type=pathlib.Path, default=HERE / "rows.toml")
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/generalisation.md")
    options = parser.parse_args()
    rows = tomllib.loads(options.rows.read_text(encoding="utf-8"))["row"]
    if not options.table_only and not options.ge2e:
        rows = [row for row in rows if "encoder" not in row]
    if unknown := set(options.only) - {"unheard", *(row["name"] for row in rows)}:
        sys.exit(f"no such rows: {', '.join(sorted(unknown))}")
    for folder in [options.ravdess, options.tess, options.ge2e]:
        if folder and not folder.is_dir():
            sys.exit(f"{folder} is not a folder")
    study = Study(options)
    if not study.data:
        sys.exit("name a corpus: --ravdess DIR, --tess DIR or both")
    if not options.table_only:
        study.train(rows)
        if options.peers:
            study.peers()
    study.join()
    tables = study.tables(rows)
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
    if tables:
        options.out.write_text(replaced(options.out.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
