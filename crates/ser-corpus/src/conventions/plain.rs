//! Folders and files named for their classes: the conventions for an unknown corpus.

use crate::Annotation;
use crate::conventions::{Name, tess};

/// Labels by the folder of the file; where names are as in TESS also its speaker and word, and one spelling of each
/// emotion. Any other folder's name is the label as it stands.
pub(super) fn by_folder(name: &Name<'_>) -> Result<Annotation, String> {
    let folder = name.folder.ok_or("lies directly in the corpus, so no folder names its class")?;
    Ok(tess::by_folder(name).unwrap_or_else(|| Annotation::labelled(folder)))
}

/// Labels by the name of the file, `<speaker>_<word>_<emotion>`; the folder's prefix still names the speaker if
/// the folder is named as in TESS.
pub(super) fn by_filename(name: &Name<'_>) -> Result<Annotation, String> {
    tess::by_filename(name).ok_or_else(|| "has a name that is not <speaker>_<word>_<emotion>".to_owned())
}
