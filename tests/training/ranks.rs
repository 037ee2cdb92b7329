//! Training by several processes: it comes to what one process comes to, goes on after a rank is killed, and refuses ranks
//! that do not belong together.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ser_model::EpochRecord;
use ser_model::checkpoint::Checkpoint;

use crate::common_fit::training::{Ended, metrics_of};
use crate::common_fit::{Prepared, SMALL_FEATURES, ser_fit, ser_prep, stderr, succeed};
use crate::common_python::python_with;

fn prepared() -> &'static Prepared {
    crate::common_fit::prepared(&SMALL_FEATURES)
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A command that trains into `run` with the recipe `recipe`.
fn fit(folder: &Path, recipe: &str, run: &str) -> Command {
    let mut command = ser_fit(folder);
    command.args(["--quiet", "--cache"]).arg(&prepared().cache).args(["--config", recipe, "--run", run]);
    command
}

/// Makes a command one of `count` ranks that meet at `port`.
fn rank(command: &mut Command, rank: u32, count: u32, port: u16) -> &mut Command {
    let set =
        [("RANK", rank.to_string()), ("WORLD_SIZE", count.to_string()), ("MASTER_PORT", port.to_string())];
    command.envs(set).env("MASTER_ADDR", "127.0.0.1")
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What all ranks of a command say in the end.
fn together(count: u32, mut command: impl FnMut(u32) -> Command) -> Vec<Output> {
    let port = free_port();
    let ranks: Vec<Child> =
        (0..count).map(|number| start(rank(&mut command(number), number, count, port))).collect();
    ranks.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn all_succeed(outputs: &[Output]) {
    for (rank, output) in outputs.iter().enumerate() {
        assert!(output.status.success(), "rank {rank}: {}", stderr(output));
    }
}

/// The largest difference of two loss curves.
fn apart(one: &[EpochRecord], other: &[EpochRecord]) -> f64 {
    assert_eq!(one.len(), other.len());
    let losses = |record: &EpochRecord| [record.train_loss, record.val_loss];
    let pairs = one.iter().flat_map(losses).zip(other.iter().flat_map(losses));
    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f64::max)
}

/// 58 utterances in batches of 19: the last batch has one, which leaves some ranks none.
const WHOLE: &str = "\
batch_size = 19
epochs = 1
lr = 0.001
threads = 1
precision = \"f32\"
device = \"cpu\"
gradient_clip = 1.0
";

#[test]
fn two_and_four_ranks_learn_what_one_process_learns() {
    // Normalised by libtorch, since channels are no multiple of 16, and in one pass with pooling.
    let small = "[network]\nchannels = [4, 6]\nhidden = 12\ndense = 16\n";
    let wide = "[network]\nchannels = [16, 32]\nhidden = 12\ndense = 16\n";
    // Padding is masked, utterances are mixed, and classes weigh differently.
    let masked = "class_weights = \"balanced\"\nlabel_smoothing = 0.1\n[network]\narch = \"cnn-statistics\"\n\
                  [augment.features]\nmixup_alpha = 0.4\ntime_masks = 1\ntime_mask_frames = 10\n";
    for (name, rest, counts) in
        [("read", small, &[2, 4][..]), ("wide", wide, &[4][..]), ("masked", masked, &[2][..])]
    {
        let folder = tempfile::tempdir().unwrap();
        let whole = match name {
            // BatchNorm over a single utterance that is a mixture with itself magnifies how sums are rounded.
            "masked" => WHOLE.replace("batch_size = 19", "batch_size = 16"),
            _ => WHOLE.to_owned(),
        };
        std::fs::write(folder.path().join("recipe.toml"), format!("{whole}{rest}")).unwrap();
        succeed(&mut fit(folder.path(), "recipe.toml", "one"));
        let one = metrics_of(&folder.path().join("one"));
        for &count in counts {
            let run = format!("ranks-{count}");
            all_succeed(&together(count, |_| fit(folder.path(), "recipe.toml", &run)));
            let several = metrics_of(&folder.path().join(&run));
            let apart = apart(&one, &several);
            println!("{name}: {count} ranks are {apart:.1e} from one process");
            assert!(apart <= 1e-4, "{name}, {count} ranks: {apart}\n{one:?}\n{several:?}");
            assert_eq!(one[0].steps, several[0].steps);
            // The same format, with the same tensors.
            let [alone, ranks] = ["one", &run].map(|run| {
                let last = Checkpoint::read(folder.path().join(run).join("last.pt")).unwrap();
                let names: Vec<String> = last.model_state.iter().map(|(name, _)| name.clone()).collect();
                let extra: Vec<String> = last.extra.iter().map(|(name, _)| name.clone()).collect();
                (names, extra)
            });
            assert_eq!(alone, ranks);
        }
        if name == "read" {
            // Statistics of a rank's own are another network.
            let local = |_| {
                let mut command = fit(folder.path(), "recipe.toml", "local");
                command.args(["--batch-norm", "local"]);
                command
            };
            all_succeed(&together(2, local));
            let variance = |run: &str| {
                let last = Checkpoint::read(folder.path().join(run).join("last.pt")).unwrap();
                last.tensor("cnn.1.running_var").unwrap().to_f32().unwrap()[0]
            };
            let [one, two, local] = ["one", "ranks-2", "local"].map(variance);
            assert!(
                (two / one - 1.0).abs() < 1e-4 && (local / one - 1.0).abs() > 1e-4,
                "{one} {two} {local}"
            );
        }
    }
}

const LONGER: &str = "\
batch_size = 16
epochs = 12
lr = 0.003
threads = 1
precision = \"f32\"
device = \"cpu\"
[network]
channels = [4, 6]
hidden = 12
dense = 16
";

/// Waits until so many epochs of the run are over.
fn wait_for_epochs(run: &Path, epochs: usize) {
    let begun = Instant::now();
    loop {
        let over = std::fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
        if over >= epochs {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "no epoch ends");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_rank_ends_the_others_and_all_go_on_from_the_last_checkpoint_also_as_fewer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recipe.toml"), LONGER).unwrap();
    let port = free_port();
    let mut ranks: Vec<Child> = (0..2)
        .map(|number| start(rank(&mut fit(folder.path(), "recipe.toml", "run"), number, 2, port)))
        .collect();
    wait_for_epochs(&folder.path().join("run"), 2);
    let mut killed = ranks.pop().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = ranks.pop().unwrap().wait_with_output().unwrap();
    let said = stderr(&left);
    assert_eq!(left.status.code(), Some(1), "{said}");
    assert!(said.contains("lost the connection to another rank"), "{said}");

    // What torchrun says of the next attempt, in which one rank is left.
    let mut command = ser_fit(folder.path());
    command.args(["--config", "recipe.toml", "--run", "run", "--cache"]).arg(&prepared().cache);
    command.env("TORCHELASTIC_RESTART_COUNT", "1");
    let output = rank(&mut command, 0, 1, free_port()).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("continuing with 1 rank a run that had 2"), "{said}");
    assert_eq!(metrics_of(&folder.path().join("run")).len(), 12);
}

#[test]
fn torchrun_starts_all_ranks_again_when_one_is_killed_and_nothing_is_lost() {
    let Some(python) = python_with("torch.distributed.run") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recipe.toml"), LONGER).unwrap();
    // Says which process is which. In a file, since torchrun takes a $ in an argument for a word of its own.
    let script = "echo $$ > \"pid-$TORCHELASTIC_RESTART_COUNT-$RANK\"; exec \"$@\"\n";
    std::fs::write(folder.path().join("start"), script).unwrap();
    let mut torchrun = Command::new(python);
    torchrun
        .current_dir(folder.path())
        .args(["-m", "torch.distributed.run", "--no-python", "--nproc-per-node", "2", "--max-restarts", "1"])
        .args(["--monitor-interval", "0.1", "--master-port", &free_port().to_string(), "--"])
        .args(["sh", "start", env!("CARGO_BIN_EXE_ser-fit"), "--quiet", "--cache"])
        .arg(&prepared().cache)
        .args(["--config", "recipe.toml", "--run", "run"]);
    let torchrun = start(&mut torchrun);
    wait_for_epochs(&folder.path().join("run"), 1);
    let pid = std::fs::read_to_string(folder.path().join("pid-0-1")).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    let output = torchrun.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(folder.path().join("pid-1-1").exists(), "nothing was started again");

    all_succeed(&together(2, |_| fit(folder.path(), "recipe.toml", "never-killed")));
    let [killed, never] = ["run", "never-killed"].map(|run| Ended::at(&folder.path().join(run)));
    assert_eq!(killed, never);
}

#[test]
fn ranks_that_differ_in_recipe_or_cache_are_refused_on_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recipe.toml"), LONGER).unwrap();
    let outputs = together(2, |rank| {
        let mut command = fit(folder.path(), "recipe.toml", "run");
        command.args(["--lr", if rank == 0 { "0.01" } else { "0.02" }]);
        command
    });
    for output in outputs {
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("ranks 0 and 1 disagree on the recipe: `lr = 0.01` and `lr = 0.02`"), "{said}");
    }
    assert!(!folder.path().join("run").exists());

    let mut prep = ser_prep(folder.path());
    prep.args(["--quiet", "--seed", "7", "--out", "other", "--data"]).arg(&prepared().corpus);
    succeed(prep.args(SMALL_FEATURES));
    let outputs = together(2, |rank| {
        let mut command = ser_fit(folder.path());
        command.args(["--quiet", "--config", "recipe.toml", "--run", "run", "--cache"]);
        command.arg(if rank == 1 { Path::new("other") } else { &prepared().cache });
        command
    });
    for output in outputs {
        let said = stderr(&output);
        assert!(!output.status.success());
        assert!(said.contains("ranks 0 and 1 disagree on the split"), "{said}");
    }

    let outputs = together(2, |_| {
        let mut command = ser_fit(folder.path());
        command.args(["--quiet", "--cache"]).arg(&prepared().cache);
        command
    });
    for output in outputs {
        assert!(stderr(&output).contains("2 ranks need one folder for their run"), "{}", stderr(&output));
    }
    let output = fit(folder.path(), "recipe.toml", "run").env("WORLD_SIZE", "2").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("WORLD_SIZE is set in the environment, and RANK is not"));
}

#[test]
fn whole_runs_are_dealt_to_ranks() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recipe.toml"), LONGER.replace("epochs = 12", "epochs = 1")).unwrap();
    let matrix = |runs: &str| {
        let mut command = ser_fit(folder.path());
        command.args([
            "--json",
            "--config",
            "recipe.toml",
            "--protocols",
            "random",
            "--seeds",
            "3",
            "--runs",
            runs,
        ]);
        command.arg("--cache").arg(&prepared().cache);
        command
    };
    let outputs = together(2, |_| matrix("ranks"));
    all_succeed(&outputs);
    succeed(&mut matrix("one"));
    let said: Vec<serde_json::Value> = serde_json::from_slice(&outputs[0].stdout).unwrap();
    assert_eq!((said.len(), outputs[1].stdout.len()), (3, 0));
    for (seed, of_run) in said.iter().enumerate() {
        let [ranks, one] =
            ["ranks", "one"].map(|runs| Ended::at(&folder.path().join(format!("{runs}/random/seed-{seed}"))));
        assert_eq!(ranks, one, "seed {seed}");
        let checkpoint = of_run["checkpoint"].as_str().unwrap();
        assert!(checkpoint.contains(&format!("seed-{seed}")), "{checkpoint}");
    }
}
