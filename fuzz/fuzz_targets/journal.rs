//! Any file as the journal of a study, and any lines after the beginning of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_tune::{Journal, StudySummary};
use ser_fuzz::{memory, seeds};

fuzz_target!(init: ser_fuzz::start("journal"), |data: &[u8]| {
    thread_local! {
        static FOLDER: tempfile::TempDir = ser_fuzz::scratch_folder();
        static BEGINNING: Vec<u8> = seeds::beginning_of_a_study().expect("a study can be begun");
    }
    let Some((&mode, lines)) = data.split_first() else { return };
    let file = match mode % 2 {
        0 => lines.to_vec(),
        _ => BEGINNING.with(|beginning| [beginning, lines].concat()),
    };
    let folder = FOLDER.with(|folder| folder.path().to_owned());
    std::fs::write(folder.join("journal.log"), &file).expect("the folder can be written to");
    memory::bounded(1024 * file.len() + (8 << 20), || {
        let Ok(replay) = Journal::read(&folder) else { return };
        for study in replay.studies() {
            let numbers = replay.trials(study.id).map(|trial| trial.number);
            assert!(numbers.eq(0..replay.trials(study.id).count() as u64));
        }
        let Ok(outcome) = StudySummary::read(&folder) else { return };
        let sum: f64 = outcome.importance.values().sum();
        assert!(outcome.importance.is_empty() || (sum - 1.0).abs() < 1e-6, "{:?}", outcome.importance);
        assert!(outcome.best.is_none_or(|best| best.value.is_some_and(f64::is_finite)));
    });
});
