//! Folders and files named for their classes: the conventions for an unknown corpus.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Annotation;
use crate::conventions::{CorpusConvention, PathName, tess};

/// Labels by the folder of the file; where names are as in TESS also its speaker and word, and one spelling of each
/// emotion. Any other folder's name is the label as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Folder;

/// Labels by the name of the file, `<speaker>_<word>_<emotion>`; the folder's prefix still names the speaker if the
/// folder is named as in TESS.
#[derive(Debug, Clone, Copy)]
pub struct Filename;

impl CorpusConvention for Folder {
    fn name(&self) -> &str {
        "folder"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let name = PathName::of(path);
        let Some(folder) = name.folder else {
            let what = "lies directly in the corpus, so no folder names its class";
            return Err(Error::new(ErrorKind::Unusable, what).at(path).help(remedy![
                "put it into a folder named for its class, or use ",
                Setting::Labels.to("filename"),
                " or a CSV file"
            ]));
        };
        Ok(tess::by_folder(&name).unwrap_or_else(|| Annotation::labelled(folder)))
    }

    fn following(&self, _: &[&str]) -> usize {
        0
    }
}

impl CorpusConvention for Filename {
    fn name(&self) -> &str {
        "filename"
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        tess::by_filename(&PathName::of(path)).ok_or_else(|| {
            Error::new(ErrorKind::Unusable, "has a name that is not <speaker>_<word>_<emotion>")
                .at(path)
                .help(remedy!["rename it, or use ", Setting::Labels.to("folder"), " or a CSV file"])
        })
    }

    fn following(&self, _: &[&str]) -> usize {
        0
    }
}
