//! Several protocols with several seeds each: `--protocols`.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use ser::{Bar, Ending};
use ser_core::Result;
use ser_core::storage::Storage;
use ser_distributed::Ranks;
use ser_model::FitConfig;
use ser_train::matrix::{self, MatrixRun, Prepared};
use ser_train::run::FitSummary;
use ser_train::train::{FitRequest, Material};
use tch::Device;

use crate::fit_table::FitTable;
use crate::matrix_table::MatrixTable;
use crate::{Arguments, train};

/// Trains all runs that are not finished, and prints what came of them.
///
/// # Errors
/// When the cache has no such protocol, ranks differ, or a run cannot be trained.
pub(crate) fn fit_matrix(
    arguments: &Arguments,
    config: &FitConfig,
    protocols: &str,
    folder: &Path,
    device: Device,
    ranks: &Ranks,
    stop: &AtomicBool,
) -> Result<Ending> {
    let cells = matrix::plan(config, protocols, arguments.seeds, folder)?;
    let config = &matrix::on_one_feature_set(config, &cells)?;
    ranks.agree("the runs to train", &listed(&cells))?;
    ranks.agree("the recipe", &config.what_ranks_share()?)?;
    let silent = arguments.quiet || arguments.json;
    let table = MatrixTable::new(silent);
    let cut = Material::open(config)?.cut_frames();
    MatrixTable::new(silent || !ranks.is_first()).print_header(&cells, cut)?;
    // Whole runs are dealt to ranks, each trained by one alone.
    let own = cells.iter().skip(ranks.rank() as usize).step_by(ranks.count() as usize);
    let trained = own.map(|cell| {
        let progress = Bar::new(silent || ranks.are_several());
        let summary = fit_cell(arguments, cell, config, device, &progress, stop)?;
        table.add(cell, &summary)?;
        Ok(summary)
    });
    let mut json = trained.collect::<Result<Vec<_>>>().and_then(|summaries| ser::to_json(&summaries));
    if ranks.are_several() {
        // The others wait for this one, and have to know if it could not go on.
        let all = ranks.gather(json)?;
        json = ser::to_json(&matrix::in_order(&all, cells.len())?);
    }
    let json = json?;
    if !ranks.is_first() {
        return Ok(Ending::Done);
    }
    table.conclude(folder, &json)?;
    if arguments.json {
        ser::print(&format!("{json}\n"))?;
    }
    Ok(Ending::Done)
}

/// Trains the run `cell`, or what is left of it.
fn fit_cell(
    arguments: &Arguments,
    cell: &MatrixRun,
    config: &FitConfig,
    device: Device,
    progress: &Bar,
    stop: &AtomicBool,
) -> Result<FitSummary> {
    let Prepared { config, run, resume } = cell.prepare(&Storage::native(), config, device)?;
    let material = arguments.material(&config)?;
    let request = FitRequest {
        config: &config,
        material: &material,
        run: &run,
        device,
        ranks: &Ranks::alone(),
        resume,
        stop,
        progress,
        on_event: &mut |event| FitTable::new(true).add(&event),
    };
    train(request).map_err(matrix::with_rerun_hint)
}

/// The protocols and seeds of some runs, a line each.
fn listed(cells: &[MatrixRun]) -> String {
    cells.iter().map(|cell| format!("{} seed {}\n", cell.protocol, cell.seed)).collect()
}
