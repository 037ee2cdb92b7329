# The entry point: `./just` lists the recipes, `./just demo` shows the pipeline at work. Each recipe that
# needs libtorch fetches it first.

set positional-arguments

# The demo's synthetic corpus, and how long it is trained on.
demo_words := "80"
demo_epochs := "12"

[private]
default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --unsorted

# Make a small speech corpus, or use the folder DATA, and run the three commands on it
demo DATA="": (_folder DATA) build
    @scripts/demo {{ demo_words }} {{ demo_epochs }} {{ quote(invocation_directory()) }} "$1"

# Run every test; ARGS go to `cargo test`
test *ARGS: setup
    cargo test --release --no-fail-fast "$@"
    @[ -n "${SER_TESS-}" ] || echo 'SER_TESS is not set, so the tests on the real TESS corpus did not run.'
    @[ -n "${SER_RAVDESS-}" ] || echo 'SER_RAVDESS is not set, so the tests on the real RAVDESS corpus did not run.'

# Kill ser-prep COUNT times at random moments, on TESS if SER_TESS names it; TEST kill_fit does it to ser-fit
kill COUNT="1000" TEST="kill": setup
    SER_KILLS="$1" cargo test --release --test "$2" -- --nocapture

# Build the commands into target/release/
build: setup
    cargo build --release

# Check formatting, lints, dependencies and scripts; any warning fails
lint: setup
    cargo fmt --check
    cargo clippy --release --all-targets -- -D warnings
    cargo clippy --release --lib --bins --no-default-features -- -D warnings
    @scripts/lint-extra

# Measure; ARGS go to `cargo bench`
bench *ARGS: setup
    cargo bench "$@"

# Compare ser with commonly used tools, on DATA or a synthetic corpus, and write docs/benchmarks.md
bench-peers *ARGS: build
    @scripts/bench/peers {{ quote(invocation_directory()) }} "$@"

# Compare encoders of the usual sizes with transformers: every hidden state, and the time for a synthetic corpus of WORDS (12)
bench-encoders *WORDS: build
    @scripts/encoders/bench "$@"

# Compare the training speed of two ranks of one thread with that of one process of two threads; ARGS go to scripts/bench/ranks.py
bench-ranks *ARGS: build
    @python3 scripts/bench/ranks.py "$@"

# Check the CUDA path against the CPU's and measure it; --rehearse takes the CPU for the GPU
gpu *ARGS: build
    @python3 scripts/gpu/check.py "$@"

# Serve the checkpoint best.pt on http://127.0.0.1:7777, with a page that listens; ARGS go to ser-serve
serve *ARGS: build
    @cd {{ quote(invocation_directory()) }} && {{ quote(justfile_directory()) }}/target/release/ser-serve "$@"

# Train recipes/unheard.toml and what it is compared with, and write the tables of docs/generalisation.md; takes days
study *ARGS: build
    @cd {{ quote(invocation_directory()) }} && \
        python3 {{ quote(justfile_directory()) }}/scripts/study/study.py --runs {{ quote(justfile_directory()) }}/runs/study "$@"

# Run the fuzz targets for SECONDS each (60), or only those named, or `build` them; what they find stays in fuzz/artifacts/
fuzz *ARGS: _compilers
    @scripts/fuzz "$@"

# Build the library's documentation; any warning fails
doc: setup
    RUSTDOCFLAGS='-D warnings' cargo doc --release --no-deps

# Fetch a Python with the packages that tests compare with, and say where it is: SER_PYTHON=$(./just python) ./just test
python:
    @scripts/python/fetch

# Fetch onnxruntime-web, which a page by ser-export --web runs the model with, into .tools/onnxruntime-web
[no-exit-message]
web-runtime:
    @scripts/web/fetch

# Check the compilers and fetch libtorch; every recipe that builds does this first
setup: _compilers libtorch

# Fetch libtorch into .libtorch/, for what this machine has, or for cpu or cuda
[no-exit-message]
libtorch FLAVOUR="":
    @scripts/libtorch/fetch "$1"

[no-exit-message, private]
_compilers:
    @scripts/compilers

# Rejects a wrong DATA before the build rather than after it.
[no-exit-message, private]
_folder DATA:
    @cd {{ quote(invocation_directory()) }} && [ -z "$1" ] || [ -d "$1" ] || \
        { echo "demo: $1 is not a folder" >&2; exit 2; }
