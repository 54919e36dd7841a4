//! What `weir-agent status` shows, written beside the task: a disk that hangs must not keep a user's gate open.

use core::time::Duration;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::ended::Done;
use super::files;
use crate::node::status::Report;

/// How long the agent's end waits for the disk.
const LAST_WITHIN: Duration = Duration::from_secs(3);

/// The status file. One writing is under way at most.
pub(super) struct StatusFile {
    path: PathBuf,
    done: mpsc::UnboundedSender<Done>,
    writing: Option<JoinHandle<()>>,
}

impl StatusFile {
    /// A file that is not there yet. What comes of each writing is told to `done`.
    pub(super) const fn new(path: PathBuf, done: mpsc::UnboundedSender<Done>) -> Self {
        Self { path, done, writing: None }
    }

    /// Begins to write, unless the disk is still busy with an earlier report: the next one will be newer than this.
    pub(super) fn write(&mut self, report: &Report) {
        if self.writing.as_ref().is_none_or(JoinHandle::is_finished) {
            let (path, done, report) = (self.path.clone(), self.done.clone(), report.clone());
            self.writing = Some(spawn_blocking(move || {
                let _ = done.send(Done::StatusWritten(put(&path, &report)));
            }));
        }
    }

    /// Writes the last report, after the one that is under way.
    ///
    /// # Errors
    /// What the disk said, or that it said nothing in time.
    pub(super) async fn write_last(self, report: Report) -> Result<(), String> {
        let Self { path, writing, .. } = self;
        let last = async {
            if let Some(writing) = writing {
                // It has told what came of it.
                let _ = writing.await;
            }
            spawn_blocking(move || put(&path, &report)).await.map_err(|why| why.to_string())?
        };
        timeout(LAST_WITHIN, last)
            .await
            .map_err(|_| format!("the disk took longer than {} s", LAST_WITHIN.as_secs()))?
    }
}

fn put(path: &Path, report: &Report) -> Result<(), String> {
    files::write_json(path, report).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;
    use crate::health::tests::well;
    use crate::testing::block_on;

    fn report(written_at: i64) -> Report {
        Report { written_at, ..well() }
    }

    /// A file that cannot be written before it is read, as on a disk that hangs.
    fn hanging(dir: &Path) -> PathBuf {
        mkfifoat(CWD, dir.join("status.new"), Mode::RUSR | Mode::WUSR).unwrap();
        dir.join("status.json")
    }

    #[test]
    fn a_disk_that_hangs_holds_up_nothing_and_is_given_one_report_at_a_time() {
        block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let (done, mut told) = mpsc::unbounded_channel();
            let mut file = StatusFile::new(hanging(dir.path()), done);
            file.write(&report(1));
            file.write(&report(2));
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(told.try_recv().is_err());
            let beside = dir.path().join("status.new");
            let read = spawn_blocking(move || fs::read(beside).unwrap()).await.unwrap();
            assert_eq!(serde_json::from_slice::<Report>(&read).unwrap(), report(1));
            assert!(matches!(told.recv().await, Some(Done::StatusWritten(Ok(())))));
            file.write_last(report(3)).await.unwrap();
            let last = fs::read(dir.path().join("status.json")).unwrap();
            assert_eq!(serde_json::from_slice::<Report>(&last).unwrap(), report(3));
            assert!(told.try_recv().is_err());
        });
    }

    #[test]
    fn what_the_disk_says_is_told_with_the_name_of_the_file() {
        block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let (done, mut told) = mpsc::unbounded_channel();
            let mut file = StatusFile::new(dir.path().join("none").join("status.json"), done);
            file.write(&report(1));
            let Some(Done::StatusWritten(Err(why))) = told.recv().await else { panic!("it was written") };
            assert!(why.contains("none/status.json: "), "{why}");
        });
    }
}
