"""Measures ser beside the Python programs people use today, both in one go on this machine, and writes a table.

    python peers.py TESS --ser target/release --scratch FOLDER --out docs/benchmarks.md

Run it by `./just bench-peers [DATA]`, which builds ser and installs the peers first. Two programs that are compared
take turns, so that a change of the machine's speed meets both, and the median of each counts. `--only NAME` repeats a
part; `--quick` takes a few hundred files and one turn, for a first look.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass
class Ran:
    """What a process did."""

    seconds: float
    peak_mb: float
    stdout: str


@dataclass
class Row:
    """A line of the table. `value` is what the target is about; larger is better if `at_least`."""

    what: str
    ours: str
    peer: str
    value: float
    shown: str
    target: float
    at_least: bool
    note: str = ""

    def met(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target


def run(*command: object, cwd: Path | None = None) -> Ran:
    """Runs a process and fails loudly if it does."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd
    )
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode not in (0, 3):
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{stdout}\n{stderr}")
    return Ran(seconds, 0.0, stdout)


def peak_of(*command: object) -> Ran:
    """As `run`, and says how much memory the process had at most."""
    started = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        sys.exit(f"{' '.join(map(str, command))} failed")
    return Ran(time.perf_counter() - started, usage.ru_maxrss / 1024, "")


def turns(times: int, *measures):
    """Lets the measures take turns, and returns the median of each."""
    seen = [[measure() for measure in measures] for _ in range(times)]
    return [statistics.median(column) for column in zip(*seen)]


class Bench:
    def __init__(self, arguments: argparse.Namespace):
        self.ser = Path(arguments.ser).resolve()
        self.scratch = Path(arguments.scratch).resolve()
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.quick = arguments.quick
        self.times = 1 if self.quick else 3
        self.data = self.corpus(arguments.data)
        self.files = sum(1 for path in self.data.rglob("*") if path.suffix.lower() == ".wav")
        self.rows: list[Row] = []

    def corpus(self, data: str | None) -> Path:
        """The corpus asked for, or one of TESS's shape; the small version takes a few hundred files of it."""
        if data is None:
            whole = self.scratch / "corpus"
            if not whole.exists():
                run(self.ser / "ser-synth", "--out", whole, "--words", 30 if self.quick else 200, "--quiet")
        else:
            whole = Path(data).resolve()
        if not self.quick:
            return whole
        few = self.scratch / "few"
        shutil.rmtree(few, ignore_errors=True)
        for folder in sorted(path for path in whole.iterdir() if path.is_dir()):
            (few / folder.name).mkdir(parents=True)
            for file in sorted(folder.glob("*.wav"))[:24]:
                os.symlink(file, few / folder.name / file.name)
        return few

    def fresh(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def prep(self, *options: object, data: Path | None = None, fresh: bool = True) -> Ran:
        cache = self.fresh("cache") if fresh else self.scratch / "cache"
        return run(self.ser / "ser-prep", "--data", data or self.data, "--out", cache, "--quiet", *options)

    def python(self, script: str, *arguments: object) -> dict:
        """Runs a peer, which prints a JSON object on its last line."""
        ran = run(sys.executable, HERE / script, *arguments)
        return json.loads(ran.stdout.strip().splitlines()[-1]) | {"wall": ran.seconds}

    # --- the parts ---

    def prep_cold(self) -> None:
        self.prep()  # the page cache is warm from here on, for both
        ours, librosa = turns(
            self.times,
            lambda: self.prep().seconds,
            lambda: self.python("librosa_prep.py", self.data, self.scratch / "librosa", "--processes", 2)["seconds"],
        )
        self.add("cold ser-prep, against librosa with 2 processes", f"{ours:.2f} s", f"{librosa:.1f} s",
                 librosa / ours, 30, at_least=True)
        if self.quick:
            return
        ours, peer = turns(
            self.times,
            lambda: self.prep("--jobs", 1).seconds / self.files,
            lambda: self.python("torchaudio_prep.py", self.data, self.scratch / "torchaudio", "--files", 400)["seconds"] / 400,
        )
        self.add("the same on one core, against soundfile + soxr + torchaudio", f"{ours * 1e3:.2f} ms a file",
                 f"{peer * 1e3:.2f} ms a file", peer / ours, 5, at_least=True)

    def prep_again(self) -> None:
        self.prep()
        again = statistics.median(self.prep(fresh=False).seconds for _ in range(5))
        self.add(f"unchanged re-run over {self.files} files", f"{again:.3f} s", "", again, 0.1, unit="s")
        rehash = statistics.median(self.prep("--rehash", fresh=False).seconds for _ in range(3))
        self.add("the same with --rehash, which reads every byte", f"{rehash:.3f} s", "", rehash, 2.0, unit="s")
        cache = self.fresh("cache")
        peak = peak_of(self.ser / "ser-prep", "--data", self.data, "--out", cache, "--quiet").peak_mb
        self.add(f"peak memory of ser-prep, {self.files} files", f"{peak:.0f} MB", "", peak, 150, unit="MB")

    def prep_large(self) -> None:
        """100,000 short files, each of them different."""
        seconds = {}
        for count in (10_000, 100_000):
            data = many(self.scratch / f"many-{count}", count)
            cache = self.fresh("large-cache")
            ran = peak_of(self.ser / "ser-prep", "--data", data, "--out", cache, "--quiet", "--max-frames", 16)
            seconds[count] = ran.seconds
            if count == 100_000:
                self.add("peak memory of ser-prep, 100,000 files", f"{ran.peak_mb:.0f} MB", "", ran.peak_mb, 150,
                         unit="MB")
            shutil.rmtree(cache)
            shutil.rmtree(data)
        growth = seconds[100_000] / seconds[10_000] / 10
        self.add("time for 100,000 files by ten times that for 10,000", f"{seconds[100_000]:.1f} s",
                 f"10 × {seconds[10_000]:.2f} s", growth, 1.15)

    def fit_step(self) -> None:
        """Steps and evaluations take turns by epochs: ser f32, PyTorch, ser bf16."""
        self.prep()
        if not (self.scratch / "librosa" / "utterances.json").exists():
            self.python("librosa_prep.py", self.data, self.scratch / "librosa", "--processes", 2)
        epochs = 2 if self.quick else 3
        seen: dict[str, list[float]] = {}
        waiting = []
        for _ in range(self.times):
            for precision in ("f32", "bf16"):
                history = self.fit("--epochs", epochs, "--precision", precision)["history"]
                steps = [32 / epoch["samples_per_s"] for epoch in history]
                seen.setdefault(precision, []).append(min(steps))
                if precision == "f32":
                    validated = [epoch["validated_per_s"] for epoch in history]
                    seen.setdefault("validated", []).append(max(validated))
                    waiting += [epoch["waiting_share"] for epoch in history]
            peer = self.python("pytorch_fit.py", self.scratch / "librosa", "--epochs", epochs)
            seen.setdefault("pytorch", []).append(min(peer["step_s"]))
            seen.setdefault("pytorch validated", []).append(max(peer["evaluated_per_s"]))
        median = {name: statistics.median(values) for name, values in seen.items()}
        ms = lambda name: f"{median[name] * 1e3:.1f} ms"  # noqa: E731
        self.add("training step, f32, against PyTorch eager", ms("f32"), ms("pytorch"),
                 median["f32"] / median["pytorch"], 0.45)
        self.add("training step, bf16, against PyTorch eager in f32", ms("bf16"), ms("pytorch"),
                 median["bf16"] / median["pytorch"], 0.28)
        self.add("evaluation, utterances a second", f"{median['validated']:.0f}", f"{median['pytorch validated']:.0f}",
                 median["validated"] / median["pytorch validated"], 3, at_least=True)
        self.add("waiting for data, share of a step", "", "", max(waiting) * 100, 1.0, unit="%")

    def fit(self, *options: object) -> dict:
        run_folder = self.fresh("run")
        ran = run(self.ser / "ser-fit", "--cache", self.scratch / "cache", "--run", run_folder, "--json",
                  "--device", "cpu", *options)
        return json.loads(ran.stdout) | {"wall": ran.seconds}

    def whole_job(self) -> None:
        def ours() -> float:
            seconds = self.prep().seconds + self.fit()["wall"]
            report = run(self.ser / "ser-report", "--checkpoint", self.scratch / "run" / "best.pt")
            return seconds + report.seconds

        def theirs() -> float:
            features = self.scratch / "librosa"
            return (self.python("librosa_prep.py", self.data, features, "--processes", 2)["wall"]
                    + self.python("pytorch_fit.py", features, "--epochs", 20)["wall"])

        mine, peer = turns(1, ours, theirs)
        self.add("the whole job, recordings to report, 20 epochs, defaults", f"{mine:.0f} s", f"{peer:.0f} s",
                 mine / peer, 0.28)

    def start_up(self) -> None:
        start = statistics.median(run(self.ser / "ser-prep", "--help").seconds for _ in range(21))
        self.add("ser-prep --help", f"{start * 1e3:.1f} ms", "", start * 1e3, 10, unit="ms")
        corpus, cache = self.scratch / "tiny", self.fresh("tiny-cache")
        if not corpus.exists():
            run(self.ser / "ser-synth", "--out", corpus, "--words", 3, "--quiet")
        run(self.ser / "ser-prep", "--data", corpus, "--out", cache, "--quiet")
        times = []
        for _ in range(5):
            folder = self.fresh("tiny-run")
            times.append(run(self.ser / "ser-fit", "--cache", cache, "--run", folder, "--epochs", 1, "--device", "cpu",
                             "--quiet").seconds)
        fit = statistics.median(times)
        self.add("ser-fit: start, one step, validation and checkpoints", f"{fit:.2f} s", "", fit, 0.7, unit="s",
                 note="an upper bound of the time to the first step")

    # --- the table ---

    def add(self, what: str, ours: str, peer: str, value: float, target: float, at_least: bool = False,
            unit: str = "", note: str = "") -> None:
        shown = f"{value:.1f} {unit}".strip() if unit and unit != "s" else f"{value:.2f} {unit or '×'}".strip()
        row = Row(what, ours, peer, value, shown, target, at_least, note)
        self.rows.append(row)
        sign = "≥" if at_least else "≤"
        print(f"{what}: {ours}{' against ' + peer if peer else ''}: {shown} (target {sign} {target}) "
              f"{'met' if row.met() else 'MISSED'}", flush=True)


def many(folder: Path, count: int) -> Path:
    """`count` WAV files of about a fifth of a second, all different, in two classes."""
    import array
    import random
    import struct

    if folder.exists():
        shutil.rmtree(folder)
    draw = random.Random(0)
    noise = array.array("h", (draw.randrange(-8000, 8000) for _ in range(3200 + count)))
    for number in range(count):
        place = folder / f"class_{number % 2}" / f"part_{number // 2000}"
        if number % 2000 < 2:
            place.mkdir(parents=True, exist_ok=True)
        samples = noise[number:number + 3200].tobytes()
        header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, 16000,
                             32000, 2, 16, b"data", len(samples))
        (place / f"{number}.wav").write_bytes(header + samples)
    return folder


def machine() -> str:
    """One line about where this was measured."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    field = lambda name: next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith(name)), "")  # noqa: E731
    flags = set(field("flags").split())
    sets = [name for name, flag in [("AVX2", "avx2"), ("AVX-512", "avx512f"), ("bf16", "avx512_bf16"), ("AMX", "amx_bf16")]
            if flag in flags]
    return f"{field('model name') or platform.processor()}, {os.cpu_count()} processors, {', '.join(sets)}, {platform.system()} {platform.release()}"


def versions() -> str:
    from importlib.metadata import version

    names = ["librosa", "soundfile", "soxr", "numpy", "torch", "torchaudio", "scikit-learn"]
    return ", ".join(f"{name} {version(name)}" for name in names) + f", Python {platform.python_version()}"


def page(bench: Bench) -> str:
    lines = [
        "# Benchmarks", "",
        "Written by `./just bench-peers DATA`, which installs the peers, runs both sides in turns on one machine and takes",
        "medians. Ratios are what to compare; seconds are this machine's.", "",
        f"- machine: {machine()}", f"- corpus: {bench.files} recordings", f"- peers: {versions()}", "",
        "| what | ser | peer | result | target | |", "|---|---|---|---|---|---|",
    ]
    for row in bench.rows:
        sign = "≥" if row.at_least else "≤"
        verdict = ("met" if row.met() else "**missed**") + (f"; {row.note}" if row.note else "")
        lines.append(f"| {row.what} | {row.ours} | {row.peer} | {row.shown} | {sign} {row.target:g} | {verdict} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ser", required=True, help="folder of the commands")
    parser.add_argument("data", nargs="?", help="corpus; without it a synthetic one of the shape of TESS")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--out", help="where to write the table")
    parser.add_argument("--only", action="append")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    parts = [bench.prep_cold, bench.fit_step] if arguments.quick else [
        bench.prep_cold, bench.prep_again, bench.prep_large, bench.start_up, bench.fit_step, bench.whole_job,
    ]
    for part in parts:
        if not arguments.only or part.__name__ in arguments.only:
            part()
    if arguments.out:
        Path(arguments.out).write_text(page(bench))


if __name__ == "__main__":
    main()
