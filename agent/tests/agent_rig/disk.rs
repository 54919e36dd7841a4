//! A disk of its own for the agent's state: small, so that it can be filled, and one that can become read-only.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::singbox_rig::eventually;

/// Unmounted when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Puts a disk of this size under a folder, with the files that are there. `None`, with a word, where nobody may.
    pub fn under(folder: &Path, size: &str) -> Option<Self> {
        let files = fs::read_dir(folder).unwrap().map(|of| of.unwrap().path());
        let files: Vec<_> = files.map(|path| (fs::read(&path).unwrap(), path)).collect();
        let options = format!("size={size},mode=0700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "weir-test"]).arg(folder).status();
        if !done.is_ok_and(|done| done.success()) {
            eprintln!("SKIPPED: this test mounts a small disk, and may not here");
            return None;
        }
        for (bytes, path) in files {
            fs::write(path, bytes).unwrap();
        }
        Some(Self(folder.to_owned()))
    }

    /// Leaves no room for anything. What is given back meanwhile is taken when this is called again.
    pub fn fill(&self) {
        let mut file = fs::File::options().append(true).create(true).open(self.0.join("fill")).unwrap();
        for size in [64 << 10, 1] {
            let full = loop {
                if let Err(error) = file.write_all(&vec![0; size]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull);
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        fs::remove_file(self.0.join("fill")).unwrap();
    }

    /// Makes it read-only (`ro`) or writable (`rw`), in a moment in which nobody has a file open for writing.
    pub async fn remount(&self, mode: &str) {
        let options = format!("remount,{mode}");
        eventually("it is remounted", || async {
            let done = Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap();
            done.status.success()
        })
        .await;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because an agent that was just killed may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
