//! The last configuration that a core came up with before the present one: what it gets back when a new one fails.

use std::fs;
use std::path::{Path, PathBuf};

use super::aside::aside;
use super::{CoreError, files};

/// Readable by the core's group: a configuration holds every user's credentials.
pub(super) const MODE: u32 = 0o640;

/// Where it is kept.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("last-good")
}

/// Keeps what is in the output, which a configuration of the digest `new` is about to replace, if the core came up with it
/// (`proven`); so is what was there before anything of ours, once. `digest_of` reads the digest of a file of ours.
///
/// # Errors
/// [`CoreError::Disk`] naming the file.
pub(super) fn keep(
    state_dir: &Path,
    output: &Path,
    digest_of: impl Fn(&[u8]) -> Option<String>,
    proven: Option<&String>,
    new: &str,
) -> Result<(), CoreError> {
    let old = fs::read(output).unwrap_or_default();
    let good = path(state_dir);
    let keeps = match digest_of(&old) {
        Some(digest) => proven == Some(&digest) && digest != new,
        None => !old.is_empty() && !good.exists(),
    };
    if keeps { files::place(&good, &old, MODE) } else { Ok(()) }
}

/// Puts it back in the place of what failed for the reason `why`. Returns what `read` finds in it.
///
/// # Errors
/// [`CoreError::NotTaken`]: there is none, or the disk refuses it.
pub(super) async fn put_back<T: Send + 'static>(
    state_dir: &Path,
    output: &Path,
    why: &str,
    read: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, CoreError> {
    let (good, output) = (path(state_dir), output.to_owned());
    let restored = aside(move || {
        let Ok(good) = fs::read(good) else { return Ok(None) };
        files::place(&output, &good, MODE)?;
        Ok(Some(read(&good)))
    })
    .await;
    match restored {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(CoreError::NotTaken(why.to_owned())),
        Err(disk) => Err(CoreError::NotTaken(format!("{why}; and the last good configuration is not back: {disk}"))),
    }
}

/// What is told once it is back, and the core was started with it.
pub(super) fn rolled_back<T>(why: String, started: Result<T, String>) -> CoreError {
    match started {
        Ok(_) => CoreError::RolledBack(why),
        Err(failed) => CoreError::RolledBack(format!("{why}; and the core does not start with it either: {failed}")),
    }
}
