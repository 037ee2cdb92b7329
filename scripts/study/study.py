"""Trains every recipe of rows.toml on each speaker of a corpus, and writes their results into a document.

    python3 scripts/study/study.py DATA --runs RUNS [--seeds 5] [--jobs 2] [--only ROW ...] [--table-only]

Python 3.11 and nothing else. ser-prep, ser-fit and ser-report do the work; each run is on one thread, `--jobs` rows at a
time. It continues where it stopped: finished runs are kept. Between `<!-- table -->` and `<!-- end of table -->` the
document is replaced.
"""

import argparse
import concurrent.futures
import copy
import json
import pathlib
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOG_MEL = ["--preset", "log-mel"]


def to_toml(value):
    """A value as inline TOML, which JSON is for texts, numbers and lists."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {to_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


def recipe_of(row):
    shipped = tomllib.loads((ROOT / "recipes/speaker-independent.toml").read_text())
    recipe = {} if row.get("from") == "plain" else copy.deepcopy(shipped)
    for name, value in row.get("set", {}).items():
        *tables, last = name.split(".")
        table = recipe
        for step in tables:
            table = table.setdefault(step, {})
        table[last] = value
    if without := row.get("without"):
        kept = [step for step in recipe["augment"]["waveform"] if step["kind"] != without]
        assert len(kept) + 1 == len(recipe["augment"]["waveform"]), f"{row['name']}: there is no {without}"
        recipe["augment"]["waveform"] = kept
    return recipe


def ser(command, *arguments, also=()):
    """What a command prints; it must end with 0, or with one of the codes in `also`."""
    done = subprocess.run([ROOT / "target/release" / command, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in (0, *also):
        sys.exit(f"{command} {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


class Study:
    def __init__(self, options):
        self.options = options
        self.cache = options.runs / "cache"
        self.ensemble = f"ensemble-of-{options.seeds}"
        options.runs.mkdir(parents=True, exist_ok=True)

    def feature_set(self, features):
        prepared = ser("ser-prep", "--data", self.options.data, "--out", self.cache, "--json", *features)
        return json.loads(prepared)["feature_set"]

    def train(self, row, feature_set, protocols):
        recipe = recipe_of(row) | {"cache": str(self.cache), "feature_set": feature_set}
        path = self.options.runs / f"{row['name']}.toml"
        path.write_text("".join(f"{key} = {to_toml(value)}\n" for key, value in recipe.items()))
        ser("ser-fit", "--config", path, "--protocols", protocols, "--seeds", self.options.seeds, "--threads", 1,
            "--runs", self.options.runs / row["name"], "--quiet")
        print(f"{row['name']}: {protocols} trained", flush=True)

    def join(self):
        """The networks of the recipe shipped, all seeds of them, as one ensemble for each speaker."""
        for protocol in sorted((self.options.runs / "shipped").glob("speaker-*")):
            members = [protocol / f"seed-{seed}/best.pt" for seed in range(self.options.seeds)]
            place = self.options.runs / self.ensemble / protocol.name / "seed-0"
            if not (place / "best.pt").exists():
                ser("ser-fit", "--join", *members, "--run", place, "--quiet")

    def figures(self, name):
        """UAR of each protocol, and of the classes on unseen speakers."""
        folder = self.options.runs / name
        if not folder.is_dir():
            return None
        # 3: some runs are not finished; the table says how many seeds there are.
        report = json.loads(ser("ser-report", "--runs", folder, "--json", "--threads", 1, also=(3,)))
        [recipe] = report["recipes"]
        return {row["protocol"]: row for row in recipe["rows"]}


def plus_minus(figure):
    deviation = figure.get("deviation")
    return f"{figure['mean']:.3f}" + (f" ± {deviation:.3f}" if deviation else "")


def on_unseen_speakers(figures):
    return [figure for protocol, figure in sorted(figures.items())
            if protocol.startswith("speaker-") and protocol != "speaker-independent"]


def mean_uar(figures):
    """Mean UAR of the speakers, and the variance of this mean, unknown with one seed."""
    speakers = [(figure["uar"], len(figure["seeds"])) for figure in on_unseen_speakers(figures)]
    mean = sum(uar["mean"] for uar, _ in speakers) / len(speakers)
    variances = [uar["deviation"] ** 2 / seeds if seeds > 1 else None for uar, seeds in speakers]
    # Runs on different speakers are independent of each other.
    return mean, None if None in variances else sum(variances) / len(speakers) ** 2


def difference(figures, base):
    """By how much the mean UAR differs from that of `base`, with its standard error over seeds."""
    (mean, variance), (base_mean, base_variance) = mean_uar(figures), mean_uar(base)
    text = f"{round(mean - base_mean, 3) + 0.0:+.3f}".replace("-", "−")  # + 0.0: no negative zero
    known = variance is not None and base_variance is not None
    return f"{text} ± {(variance + base_variance) ** 0.5:.3f}" if known else text


def cells_of(row, figures, base):
    speakers = on_unseen_speakers(figures)
    happy = sum(item["mean"] for figure in speakers for item in figure["recall"] if item["label"] == "happy")
    known = figures.get("random")
    return [
        f"`{row['name']}`",
        row["what"],
        min(len(figure["seeds"]) for figure in speakers),
        *(plus_minus(figure["uar"]) for figure in speakers),
        f"{mean_uar(figures)[0]:.3f}",
        f"{difference(figures, base)} `{row['against']}`" if base else "",
        f"{happy / len(speakers):.2f}",
        f"{plus_minus(known['uar'])} ({len(known['seeds'])} seeds)" if known else "",
    ]


def table(study, rows):
    lines = ["| row | recipe | seeds | speaker-OAF | speaker-YAF | mean | difference | happy | random |",
             "|---|---|---:|---|---|---:|---|---:|---|"]
    ensemble = f"**{study.options.seeds} networks of `shipped` as one ensemble**"
    rows = rows + [{"name": study.ensemble, "what": ensemble}]
    with concurrent.futures.ThreadPoolExecutor(study.options.jobs) as pool:
        figures = dict(zip((row["name"] for row in rows), pool.map(study.figures, (row["name"] for row in rows))))
    for row in rows:
        if figures[row["name"]]:
            cells = cells_of(row, figures[row["name"]], figures.get(row.get("against")))
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--runs", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--table-only", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/generalisation.md")
    options = parser.parse_args()
    rows = tomllib.loads((HERE / "rows.toml").read_text())["row"]
    if unknown := set(options.only) - {row["name"] for row in rows}:
        sys.exit(f"no such rows: {', '.join(sorted(unknown))}")
    study = Study(options)
    if not options.table_only:
        wanted = [row for row in rows if not options.only or row["name"] in options.only]
        # One after another, since they share the cache.
        sets = [study.feature_set(row.get("features", LOG_MEL)) for row in wanted]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            jobs = [pool.submit(study.train, row, name, "speaker-*") for row, name in zip(wanted, sets)]
            jobs += [pool.submit(study.train, row, name, "random") for row, name in zip(wanted, sets)
                     if row["name"] == "shipped"]
            for job in concurrent.futures.as_completed(jobs):
                job.result()
        if study.options.seeds > 1 and any(row["name"] == "shipped" for row in wanted):
            study.join()
    before, rest = options.out.read_text().split("<!-- table -->\n")
    _, after = rest.split("<!-- end of table -->\n")
    options.out.write_text(f"{before}<!-- table -->\n{table(study, rows)}\n<!-- end of table -->\n{after}")


if __name__ == "__main__":
    main()
