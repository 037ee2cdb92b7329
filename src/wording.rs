//! What the commands call the settings, actions and stages that libraries speak of: the only place that knows which
//! flag is meant.

use ser_core::remedy::{Action, Assignment, Setting, Stage, Wording};

/// Flags and command lines.
#[derive(Debug)]
pub(crate) struct CommandWording;

impl Wording for CommandWording {
    fn setting(&self, setting: Setting) -> String {
        match setting {
            Setting::Mmap => "--no-mmap".to_owned(),
            _ => format!("--{}", <&str>::from(setting).replace('_', "-")),
        }
    }

    fn assignment(&self, Assignment { setting, value }: &Assignment) -> String {
        format!("{} {value}", self.setting(*setting))
    }

    fn action(&self, action: &Action) -> String {
        match action {
            Action::Prepare => "run ser-prep".to_owned(),
            Action::PrepareInto(cache) => {
                format!("make one with: ser-prep --data <recordings> --out {}", cache.display())
            }
            Action::Repair => "run ser-cache verify --repair".to_owned(),
            Action::PushCache => {
                "name a folder; ser-cache push copies a cache from there into a store".to_owned()
            }
            Action::PullCache => "bring it into a folder first, with ser-cache pull".to_owned(),
            Action::Train => "run ser-fit".to_owned(),
            Action::Resume(run) => format!("run: ser-fit --resume {}", run.display()),
            Action::Finish(run) => format!("finish it with: ser-fit --resume {}", run.display()),
            Action::TrainProtocols => {
                "make some with: ser-fit --protocols all --seeds 5 --runs DIR".to_owned()
            }
            Action::CompareCheckpoints => "name them both: ser-report a.pt b.pt".to_owned(),
            Action::ReportRuns => "use ser-report --runs".to_owned(),
            Action::Search => "run ser-tune --space".to_owned(),
            Action::ListDevices => "run ser-fit --doctor".to_owned(),
        }
    }

    fn stage(&self, stage: Stage) -> String {
        match stage {
            Stage::Preparation => "ser-prep".to_owned(),
            Stage::Training => "ser-fit".to_owned(),
            Stage::Search => "ser-tune".to_owned(),
            Stage::Repair => "ser-cache verify --repair".to_owned(),
            Stage::Collection => "ser-cache gc".to_owned(),
        }
    }
}
