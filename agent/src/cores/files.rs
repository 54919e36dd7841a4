//! Files that are either the old ones or the new ones, never halves.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::CoreError;

fn failed(path: &Path) -> impl Fn(io::Error) -> CoreError {
    move |why| CoreError::Disk(format!("{}: {why}", path.display()))
}

/// A complete new version of a file under another name, on disk down to the platters. Dropped uncommitted, it vanishes.
pub(super) struct Staged {
    path: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `target`, or in `dir`, which must be on the same filesystem. The name never ends in
    /// `.json`: sing-box reads every `.json` of its directory, dotfiles included.
    ///
    /// # Errors
    /// [`CoreError::Disk`] naming the file.
    pub(super) fn write(target: &Path, dir: Option<&Path>, bytes: &[u8], mode: u32) -> Result<Self, CoreError> {
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let dir = dir.or_else(|| target.parent()).filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // One fixed name per target, so that crashes leave at most one file behind.
        let path = dir.join(format!(".{name}.weir-new"));
        let staged = Self { path, target: target.to_owned() };
        staged.fill(bytes, mode).map_err(failed(&staged.path))?;
        Ok(staged)
    }

    fn fill(&self, bytes: &[u8], mode: u32) -> io::Result<()> {
        if let Err(why) = fs::remove_file(&self.path)
            && why.kind() != io::ErrorKind::NotFound
        {
            return Err(why);
        }
        // 0600 until it is complete: the umask may be wider than the mode that was asked for.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    }

    /// Where the new version waits.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the new version in the place of the old one, durably.
    ///
    /// # Errors
    /// [`CoreError::Disk`] naming the file.
    pub(super) fn commit(self) -> Result<(), CoreError> {
        fs::rename(&self.path, &self.target).map_err(failed(&self.target))?;
        sync_dir(&self.target).map_err(failed(&self.target))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already after a commit; a file that stays after a failure is overwritten the next time.
        let _ = fs::remove_file(&self.path);
    }
}

fn sync_dir(of: &Path) -> io::Result<()> {
    let dir = of.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// Writes a file durably and at once.
///
/// # Errors
/// [`CoreError::Disk`] naming the file.
pub(super) fn place(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CoreError> {
    Staged::write(path, None, bytes, mode)?.commit()
}

/// Removes a file, if it is there.
///
/// # Errors
/// [`CoreError::Disk`] naming the file.
pub(super) fn remove(path: &Path) -> Result<(), CoreError> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(failed(path)(why)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_old_content_until_the_new_one_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        place(&path, b"old", 0o640).unwrap();
        let staged = Staged::write(&path, None, b"new", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_ne!(staged.path().extension().and_then(|of| of.to_str()), Some("json"));
        staged.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_new_version_that_is_given_up_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        drop(Staged::write(&dir.path().join("config.json"), None, b"new", 0o640).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_staging_directory_keeps_the_core_s_own_directory_clean() {
        let dir = tempfile::tempdir().unwrap();
        let (core, stage) = (dir.path().join("core"), dir.path().join("stage"));
        fs::create_dir(&core).unwrap();
        fs::create_dir(&stage).unwrap();
        let staged = Staged::write(&core.join("config.json"), Some(&stage), b"new", 0o640).unwrap();
        assert_eq!(fs::read_dir(&core).unwrap().count(), 0);
        staged.commit().unwrap();
        assert_eq!(fs::read(core.join("config.json")).unwrap(), b"new");
    }
}
