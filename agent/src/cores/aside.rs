//! Work that computes or waits for the disk, where it does not hold up the reader of the core's events.

use std::fs;
use std::path::Path;

use super::CoreError;

/// Runs it in a thread for such work.
///
/// # Errors
/// Its own; [`CoreError::Disk`] when it ended early.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CoreError> + Send + 'static,
) -> Result<T, CoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(CoreError::Disk(format!("a background task ended early: {why}"))),
    }
}

/// What is in a file now; nothing when it is not there or cannot be read.
///
/// # Errors
/// [`CoreError::Disk`] when the reading ended early.
pub(super) async fn read(path: &Path) -> Result<Vec<u8>, CoreError> {
    let path = path.to_owned();
    aside(move || Ok(fs::read(path).unwrap_or_default())).await
}
