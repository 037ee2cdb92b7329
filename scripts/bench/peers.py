"""Compares ser with commonly used Python programs, both in one run on this machine, and writes a table.

    python peers.py TESS --ser target/release --scratch FOLDER --out docs/benchmarks.md

Run it by `./just bench-peers [DATA]`, which builds ser and installs the peers first. Two programs that are compared
take turns, so that a change of the machine's speed meets both, and the median of each counts. The table of another kind of
machine stays in the document. `--only NAME` repeats a part and replaces its rows; `--quick` takes a few hundred files, for a
first look. `--guard DOCUMENT` is quick too, measures what it judges alone, and fails where ser is less than half as far ahead of
a peer as that document, written earlier, says of a machine with the same vector instructions, and a third slower; on
others, where ser is slower than the peer by a tenth, which is what two runs differ by.
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
    # How many times faster than its peer ser is, where there is a peer.
    ahead: float | None = None

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


COLD_PREP = "cold ser-prep, against librosa with 2 processes"
STEP_F32 = "training step, f32, against PyTorch eager"
STEP_BF16 = "training step, bf16, against PyTorch eager in f32"
# Utterances in a step and threads that are measured beside the defaults.
SIZES = [(8, 1), (8, 2), (32, 1), (32, 2), (128, 1), (128, 2)]

# What the default network multiplies and adds for an utterance, forward: two convolutions, and the LSTM's two
# directions over 50 positions. Backward takes twice that, but for the gradient of the input.
CONVOLUTIONS = [2 * 3 * 9 * 32 * 40 * 200, 2 * 32 * 9 * 64 * 20 * 100]
LSTM = 2 * 2 * 4 * 128 * (640 + 128) * 50
FORWARD_GFLOP = (sum(CONVOLUTIONS) + LSTM) / 1e9
STEP_GFLOP = 32 * (3 * FORWARD_GFLOP - CONVOLUTIONS[0] / 1e9)


@dataclass
class Limits:
    """What this machine could do at best, measured in the same run: large products of matrices, which is most of what
    a step is, and hashing and writing, without which there is no cache keyed by content."""

    # By precision, of 1, 2, … threads.
    gflops: dict[str, list[float]]
    hash_gb_s: float
    write_gb_s: float

    @classmethod
    def measure(cls, scratch: Path, precisions: list[str]) -> "Limits":
        """By a process of its own: what this one holds would count as the memory of those it starts."""
        ran = run(sys.executable, HERE / "limits.py", scratch / "written", *precisions)
        return cls(**json.loads(ran.stdout))

    def of_prep(self, seconds: float, cores: int) -> str:
        """For a corpus of TESS's size: 0.28 GB to read, 0.27 GB to write, both to be hashed."""
        hashing, writing = 0.55 / self.hash_gb_s / cores, 0.27 / self.write_gb_s / cores
        return (f"SHA-256 of recordings and shards at {self.hash_gb_s:.1f} GB/s and writing shards at "
                f"{self.write_gb_s:.1f} GB/s a core take {hashing + writing:.2f} s of {seconds:.2f} s on TESS")

    def of_step(self, precision: str, peer: float, batch: int = 32, threads: int | None = None) -> str:
        rate, gflop = self.rate(precision, threads), STEP_GFLOP / 32 * batch
        return (f"{gflop:.1f} GFLOP at the {rate:.0f} GFLOP/s of a large matrix product take {gflop / rate * 1e3:.0f} ms, "
                f"{gflop / rate / peer:.2f} × the peer")

    def rate(self, precision: str, threads: int | None = None) -> float:
        """GFLOP/s of so many threads, or of all."""
        rates = self.gflops[precision]
        return rates[min(threads or len(rates), len(rates)) - 1]

    def of_evaluation(self, precision: str, peer: float) -> str:
        rate = self.rate(precision)
        most = rate / FORWARD_GFLOP
        return (f"{FORWARD_GFLOP:.2f} GFLOP an utterance at {rate:.0f} GFLOP/s allow {most:.0f}, {most / peer:.2f} times as many "
                "as the peer's")

    def of_job(self, files: int, epochs: int, peer: float) -> str:
        """Of so many recordings 70 % are learnt from, in the quickest arithmetic, and 15 % validated, in f32."""
        quickest = max(self.gflops, key=self.rate)
        learning = epochs * 0.70 * files * STEP_GFLOP / 32 / self.rate(quickest)
        least = learning + epochs * 0.15 * files * FORWARD_GFLOP / self.rate("f32")
        return (f"the matrix products of {epochs} epochs at the {self.rate(quickest):.0f} GFLOP/s of a large one in {quickest}, and of "
                f"validation in f32, take {least:.0f} s, {least / peer:.2f} × the peer")


class Bench:
    def __init__(self, arguments: argparse.Namespace):
        self.ser = Path(arguments.ser).resolve()
        self.scratch = Path(arguments.scratch).resolve()
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.quick = arguments.quick
        # A processor without bf16 instructions emulates them, ten times slower than f32: nobody would train so.
        self.precisions = ["f32"]
        if not arguments.guard and {"bf16", "AMX"} & set(vector_sets()):
            self.precisions.append("bf16")
        self.times = 2 if self.quick else 3
        self.data = self.corpus(arguments.data)
        self.files = sum(1 for path in self.data.rglob("*") if path.suffix.lower() == ".wav")
        self.rows: list[Row] = []
        # What could not be measured here: what, target, why.
        self.unmeasured = [("20 epochs on one H100", "≤ 3 s", "not measured: no such machine was at hand")]
        if "bf16" not in self.precisions:
            self.unmeasured.append((STEP_BF16, "≤ 0.28", "not measured: this processor has no bf16 instructions"))
        self.limits = Limits.measure(self.scratch, self.precisions)

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
        self.add(COLD_PREP, f"{ours:.2f} s", f"{librosa:.1f} s", librosa / ours, 30, at_least=True,
                 ahead=librosa / ours, note=self.limits.of_prep(ours, 2))
        if self.quick:
            return
        ours, peer = turns(
            self.times,
            lambda: self.prep("--jobs", 1).seconds / self.files,
            lambda: self.python("torchaudio_prep.py", self.data, self.scratch / "torchaudio", "--files", 400)["seconds"] / 400,
        )
        self.add("the same on one core, against soundfile + soxr + torchaudio", f"{ours * 1e3:.2f} ms a file",
                 f"{peer * 1e3:.2f} ms a file", peer / ours, 5, at_least=True, ahead=peer / ours,
                 note=self.limits.of_prep(ours * self.files, 1))

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
            for precision in self.precisions:
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
        for name, precision, target in [(STEP_F32, "f32", 0.45), (STEP_BF16, "bf16", 0.28)]:
            if precision not in median:
                continue
            share = median[precision] / median["pytorch"]
            self.add(name, ms(precision), ms("pytorch"), share, target, ahead=1 / share,
                     note=self.limits.of_step(precision, median["pytorch"]))
        self.add("evaluation, utterances a second", f"{median['validated']:.0f}", f"{median['pytorch validated']:.0f}",
                 median["validated"] / median["pytorch validated"], 3, at_least=True,
                 note=self.limits.of_evaluation("f32", median["pytorch validated"]))
        self.add("waiting for data, share of a step", "", "", statistics.median(waiting) * 100, 1.0, unit="%")

    def fit_best(self) -> None:
        """Against PyTorch at its best: the fastest of memory layouts, compilation and allocator settings in the same precision,
        for several batches and numbers of threads."""
        self.prep()
        if not (self.scratch / "librosa" / "utterances.json").exists():
            self.python("librosa_prep.py", self.data, self.scratch / "librosa", "--processes", 2)
        for batch, threads in SIZES:
            for precision in self.precisions:
                options = ["--batch-size", batch, "--threads", threads, "--precision", precision]
                # Compiling takes a minute, so only the default batch is compiled.
                compiled = [] if (batch, threads) == (32, 2) else ["--no-compile"]
                validation = ["--validation-precision", precision]
                history = lambda: self.fit("--epochs", 2, *options, *validation)["history"]  # noqa: E731
                before = history()
                peers = self.python("pytorch_step.py", self.scratch / "librosa", *options, *compiled)[precision]
                epochs = before + history()
                ours = min(batch / epoch["samples_per_s"] for epoch in epochs)
                name = min(peers, key=lambda name: peers[name]["step_s"])
                peer = peers[name]["step_s"]
                what = f"training step, {precision}, batch {batch}, threads: {threads}, against PyTorch at its best"
                self.add(what, f"{ours * 1e3:.1f} ms", f"{peer * 1e3:.1f} ms ({name})", ours / peer, 0.7, ahead=peer / ours,
                         note=self.limits.of_step(precision, peer, batch, threads))
                if (batch, threads) != (32, 2):
                    continue
                name = max(peers, key=lambda name: peers[name]["evaluated_per_s"])
                peer = peers[name]["evaluated_per_s"]
                ours = max(epoch["validated_per_s"] for epoch in epochs)
                self.add(f"evaluation, {precision}, utterances a second, against PyTorch at its best", f"{ours:.0f}",
                         f"{peer:.0f} ({name})", peer / ours, 0.8, ahead=ours / peer, note=self.limits.of_evaluation(precision, peer))

    def fit_architectures(self) -> None:
        """The other architectures, each against its class of docs/architectures.md at its best, with the default batch."""
        self.prep()
        if not (self.scratch / "librosa" / "utterances.json").exists():
            self.python("librosa_prep.py", self.data, self.scratch / "librosa", "--processes", 2)
        for arch in ["cnn-statistics", "cnn-transformer"]:
            for precision in self.precisions:
                options = ["--arch", arch, "--precision", precision]
                validation = ["--validation-precision", precision]
                before = self.fit("--epochs", 2, *options, *validation)["history"]
                # Compiled, these take minutes, since each batch has another number of real frames.
                peers = self.python("pytorch_step.py", self.scratch / "librosa", *options, "--no-compile")[precision]
                epochs = before + self.fit("--epochs", 2, *options, *validation)["history"]
                name = min(peers, key=lambda name: peers[name]["step_s"])
                ours, peer = min(32 / epoch["samples_per_s"] for epoch in epochs), peers[name]["step_s"]
                self.add(f"training step, {arch}, {precision}, against PyTorch at its best", f"{ours * 1e3:.1f} ms",
                         f"{peer * 1e3:.1f} ms ({name})", ours / peer, 0.7, ahead=peer / ours)
                name = max(peers, key=lambda name: peers[name]["evaluated_per_s"])
                ours, peer = max(epoch["validated_per_s"] for epoch in epochs), peers[name]["evaluated_per_s"]
                self.add(f"evaluation, {arch}, {precision}, utterances a second, against PyTorch at its best", f"{ours:.0f}",
                         f"{peer:.0f} ({name})", peer / ours, 0.8, ahead=ours / peer)

    def fit_limited(self) -> None:
        """An epoch over a cache ten times the memory that the process may have, pages of the cache included."""
        limit = 512 << 20
        group = MemoryGroup.make("ser-bench", limit)
        name = "waiting for data, cache ten times the memory limit, share of a step"
        if group is None:
            self.unmeasured.append((name, "≤ 1", "not measured: memory cannot be limited here (needs root and cgroups)"))
            return
        row = 3 * 40 * 200 * 4
        data, cache = many(self.scratch / "many-large", 10 * limit // row), self.fresh("large-cache")
        run(self.ser / "ser-prep", "--data", data, "--out", cache, "--quiet")
        folder = self.fresh("large-run")
        command = [self.ser / "ser-fit", "--cache", cache, "--run", folder, "--epochs", "1", "--device", "cpu", "--quiet"]
        process = group.start(*command)
        anonymous = []
        while process.poll() is None:
            time.sleep(1.0)
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                break
            field = next((line for line in status.splitlines() if line.startswith("RssAnon")), None)
            if field and (folder / "config.toml").exists():
                anonymous.append(int(field.split()[1]) / 1024)
        if process.wait() != 0:
            sys.exit(f"ser-fit with {limit >> 20} MB ended with {process.returncode}")
        record = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
        step = (1 - record["waiting_share"]) * 32 / record["samples_per_s"]
        reader = group.start(sys.executable, HERE / "read_ahead.py", cache / "shards", "--row", row, "--step", step,
                             stdout=subprocess.PIPE)
        least = json.loads(reader.communicate()[0])["waiting_share"]
        group.remove()
        # The first seconds build the network; the last ones validate, with larger batches.
        steady = anonymous[5:-15] or anonymous
        size = sum(path.stat().st_size for path in (cache / "shards").iterdir()) / (1 << 20)
        self.add(name, f"{size / 1024:.1f} GB in {limit >> 20} MB", "", record["waiting_share"] * 100, 1.0, unit="%",
                 note=f"a process that only reads, as far ahead, waits {least:.1%} on this disk between steps of {step * 1e3:.0f} ms")
        self.add("anonymous memory over that epoch, largest by smallest", f"{min(steady):.0f} to {max(steady):.0f} MB", "",
                 max(steady) / min(steady), 1.05)
        for folder in (data, cache):
            shutil.rmtree(folder)

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
                 mine / peer, 0.28, note=self.limits.of_job(self.files, 20, peer))

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
        self.add("ser-fit: start, one epoch of one step, validation and checkpoints", f"{fit:.2f} s", "", fit, 0.7,
                 unit="s")

    # --- the table ---

    def add(self, what: str, ours: str, peer: str, value: float, target: float, at_least: bool = False,
            unit: str = "", note: str = "", ahead: float | None = None) -> None:
        shown = f"{value:.1f} {unit}".strip() if unit and unit != "s" else f"{value:.2f} {unit or '×'}".strip()
        row = Row(what, ours, peer, value, shown, target, at_least, note, ahead)
        self.rows.append(row)
        sign = "≥" if at_least else "≤"
        print(f"{what}: {ours}{' against ' + peer if peer else ''}: {shown} (target {sign} {target}) "
              f"{'met' if row.met() else 'MISSED'}", flush=True)


@dataclass
class MemoryGroup:
    """A control group whose processes share a limit of memory."""

    folder: Path
    tasks: Path

    @classmethod
    def make(cls, name: str, limit: int) -> "MemoryGroup | None":
        for root, file in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]:
            folder = Path(root) / name
            try:
                folder.mkdir(exist_ok=True)
                (folder / file).write_text(str(limit))
                return cls(folder, folder / "cgroup.procs")
            except OSError:
                continue
        return None

    def start(self, *command: object, **options: object) -> subprocess.Popen:
        """A process that is in the group from its beginning."""
        return subprocess.Popen(["sh", "-c", f'echo $$ > {self.tasks} && exec "$@"', "sh", *map(str, command)], **options)

    def remove(self) -> None:
        self.folder.rmdir()


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


def cpu(name: str) -> str:
    """A field of the first processor in /proc/cpuinfo; empty where there is none."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith(name)), "")


# Names of vector instructions, and the kernel's flags for them.
VECTOR_SETS = {"AVX2": "avx2", "AVX-512": "avx512f", "bf16": "avx512_bf16", "AMX": "amx_bf16"}


def vector_sets() -> list[str]:
    """The vector instructions that a training step depends on."""
    flags = set(cpu("flags").split())
    return [name for name, flag in VECTOR_SETS.items() if flag in flags]


def machine() -> str:
    """The kind of machine, which a table is about."""
    return f"{cpu('model name') or platform.processor()}, {os.cpu_count()} processors, {', '.join(vector_sets())}"


def versions() -> str:
    from importlib.metadata import version

    names = ["librosa", "soundfile", "soxr", "numpy", "torch", "torchaudio", "scikit-learn"]
    return ", ".join(f"{name} {version(name)}" for name in names) + f", Python {platform.python_version()}"


HEAD = ["| what | ser | peer | result | target | |", "|---|---|---|---|---|---|"]
# What a table's heading begins with, before the machine.
ON = "## On "


def tables_of(page: str) -> dict[str, list[str]]:
    """What stands below the heading of each machine."""
    tables, lines = {}, []
    for line in page.splitlines():
        if line.startswith("## "):
            lines = tables.setdefault(line.removeprefix(ON), []) if line.startswith(ON) else []
        lines.append(line)
    return tables


def cells_of(lines: list[str]) -> dict[str, list[str]]:
    """The rows of a table by what they are about."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ") and line not in HEAD]
    return {row[0]: row for row in rows}


def system() -> str:
    """The system and the first two numbers of its version: what follows them is the name of somebody's build."""
    return f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"


def page(bench: Bench, earlier: str, whole: bool) -> str:
    """The page; tables of other machines stay as they are in the `earlier` one, and rows that were not measured now, unless it
    was the `whole`."""
    rows = {}
    for row in bench.rows:
        sign = "≥" if row.at_least else "≤"
        verdict = "met" if row.met() else "**missed**" + (f": {row.note}" if row.note else "")
        rows[row.what] = [row.what, row.ours, row.peer, row.shown, f"{sign} {row.target:g}", verdict]
    for what, target, why in bench.unmeasured:
        rows[what] = [what, "", "", "", target, why]
    tables, here = tables_of(earlier), machine()
    rows = ({} if whole else cells_of(tables.get(here, []))) | rows
    tables[here] = [
        f"{ON}{here}", "",
        f"- system: {system()}", f"- corpus: {bench.files} recordings", f"- peers: {versions()}", "",
        *HEAD, *("| " + " | ".join(row) + " |" for row in rows.values()), "",
    ]
    return "\n".join([
        "# Benchmarks", "",
        "Written by `./just bench-peers DATA`, which installs the peers, runs both sides in turns on one machine and takes",
        "medians: a table for each kind of machine. Ratios are what to compare; seconds are that machine's. Targets were set before",
        "anything was measured.", "",
        *(line for lines in tables.values() for line in lines),
    ]) + (HERE / "reasons.md").read_text()


def guard(bench: Bench, document: Path) -> None:
    """Fails where ser is less than half as far ahead as `document` says of a machine with these vector instructions. How far a peer
    can be left behind depends on them; with others ser must be no slower than the peer, within what two runs differ by."""
    recorded = {}
    for here, lines in tables_of(document.read_text()).items():
        if [name for name in VECTOR_SETS if name in here.split(", ")] != vector_sets():
            continue
        for what, _, _, shown, target, _ in cells_of(lines).values():
            if shown.endswith(" ×"):
                value = float(shown.removesuffix(" ×"))
                recorded[what] = value if target.startswith("≥") else 1 / value
    behind = []
    for row in bench.rows:
        if row.what not in (COLD_PREP, STEP_F32):
            continue
        known = recorded.get(row.what)
        # Half as far on a scale of ratios: four times as fast must stay twice as fast. The same program on the same machine
        # was seen at 1.01 and at 1.33 times PyTorch's speed, an hour apart.
        least = 0.9 if known is None else min(known ** 0.5, 0.65 * known)
        said = "not recorded with these vector instructions" if known is None else f"recorded {known:.2f}"
        print(f"{row.what}: {row.ahead:.2f} times as fast, {said}, at least {least:.2f}")
        if row.ahead < least:
            behind.append(row.what)
    if behind:
        sys.exit("slower than recorded: " + "; ".join(behind))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ser", required=True, help="folder of the commands")
    parser.add_argument("data", nargs="?", help="corpus; without it a synthetic one of the shape of TESS")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--out", help="where to write the table")
    parser.add_argument("--only", action="append")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--guard", metavar="DOCUMENT", type=Path)
    arguments = parser.parse_args()
    arguments.quick |= arguments.guard is not None
    bench = Bench(arguments)
    parts = [bench.prep_cold, bench.fit_step] if arguments.quick else [
        bench.prep_cold, bench.prep_again, bench.prep_large, bench.start_up, bench.fit_step, bench.fit_best,
        bench.fit_architectures, bench.fit_limited, bench.whole_job,
    ]
    for part in parts:
        if not arguments.only or part.__name__ in arguments.only:
            part()
    if arguments.guard:
        guard(bench, arguments.guard)
    elif arguments.out and not arguments.quick:
        out = Path(arguments.out)
        earlier = out.read_text() if out.exists() else ""
        out.write_text(page(bench, earlier, not arguments.only))


if __name__ == "__main__":
    main()
