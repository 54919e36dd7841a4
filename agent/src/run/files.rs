//! Small files beside the ledger.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::Serialize;

use crate::loading::Template;

/// How a file looks now; `None` when there is none.
pub(super) fn look(path: &Path) -> Option<Template> {
    let metadata = fs::metadata(path).ok()?;
    Some(Template { modified: (metadata.mtime(), metadata.mtime_nsec()), length: metadata.len() })
}

/// Replaces a file by JSON, so that a reader sees the old one or the new one. It is not worth an fsync.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    fs::rename(&beside, path)
}
