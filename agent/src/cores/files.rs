//! Files that are either the old ones or the new ones, never halves.

use core::time::Duration;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use super::CoreError;

fn failed(path: &Path) -> impl Fn(io::Error) -> CoreError {
    move |why| CoreError::Disk(format!("{}: {why}", path.display()))
}

/// How old a trial is that no check can still be reading: its process was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// A complete file beside its target, on disk down to the platters. Dropped, it vanishes.
struct Draft(PathBuf);

impl Draft {
    /// Writes `bytes` beside `target`, or in `dir`, under the target's name with this end. The name never ends in `.json`: sing-box
    /// reads every `.json` of its directory, dotfiles included.
    fn write(target: &Path, dir: Option<&Path>, end: &str, bytes: &[u8], mode: u32) -> Result<Self, CoreError> {
        let draft = Self(dir_of(target, dir).join(format!("{}{end}", hidden(target))));
        draft.fill(bytes, mode).map_err(failed(&draft.0))?;
        Ok(draft)
    }

    fn fill(&self, bytes: &[u8], mode: u32) -> io::Result<()> {
        if let Err(why) = fs::remove_file(&self.0)
            && why.kind() != io::ErrorKind::NotFound
        {
            return Err(why);
        }
        // 0600 until it is complete: the umask may be wider than the mode that was asked for.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already after a commit; a file that stays after a failure is overwritten the next time.
        let _ = fs::remove_file(&self.0);
    }
}

fn dir_of<'a>(target: &'a Path, dir: Option<&'a Path>) -> &'a Path {
    dir.or_else(|| target.parent()).filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn hidden(target: &Path) -> String {
    format!(".{}", target.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

/// A complete new version of a file under another name. Dropped uncommitted, it vanishes. Whoever holds one is the only process
/// that writes the target: the agent that runs.
pub(super) struct Staged {
    draft: Draft,
    target: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `target`, or in `dir`, which must be on the same filesystem.
    ///
    /// # Errors
    /// [`CoreError::Disk`] naming the file.
    pub(super) fn write(target: &Path, dir: Option<&Path>, bytes: &[u8], mode: u32) -> Result<Self, CoreError> {
        // One fixed name per target, so that crashes leave at most one file behind.
        let draft = Draft::write(target, dir, ".weir-new", bytes, mode)?;
        Ok(Self { draft, target: target.to_owned() })
    }

    /// Puts the new version in the place of the old one, durably.
    ///
    /// # Errors
    /// [`CoreError::Disk`] naming the file.
    pub(super) fn commit(self) -> Result<(), CoreError> {
        fs::rename(&self.draft.0, &self.target).map_err(failed(&self.target))?;
        sync_dir(&self.target).map_err(failed(&self.target))
    }
}

/// [`Staged::write`] or [`Trial::write`].
pub(super) type Stage<F> = fn(&Path, Option<&Path>, &[u8], u32) -> Result<F, CoreError>;

/// Where the new version waits.
impl AsRef<Path> for Staged {
    fn as_ref(&self) -> &Path {
        &self.draft.0
    }
}

/// A file to be checked in the place of another one, which it can never take. Dropped, it vanishes. Its name is of this process
/// alone, because the agent may run beside it, and have staged a new version of the same file.
pub(super) struct Trial(Draft);

impl Trial {
    /// Writes `bytes` where [`Staged::write`] would.
    ///
    /// # Errors
    /// [`CoreError::Disk`] naming the file.
    pub(super) fn write(target: &Path, dir: Option<&Path>, bytes: &[u8], mode: u32) -> Result<Self, CoreError> {
        let draft = Draft::write(target, dir, &format!(".weir-try-{}", process::id()), bytes, mode)?;
        sweep(&draft.0, &format!("{}.weir-try-", hidden(target)));
        Ok(Self(draft))
    }
}

/// Where it is to be checked.
impl AsRef<Path> for Trial {
    fn as_ref(&self) -> &Path {
        &self.0.0
    }
}

/// Removes what killed processes have left beside a new trial under names that begin so: a template may hold secrets. What cannot be
/// removed does no harm.
fn sweep(new: &Path, start: &str) {
    let (Ok(written), Ok(beside)) = (modified(new), fs::read_dir(dir_of(new, None))) else { return };
    for path in beside.filter_map(Result::ok).map(|entry| entry.path()) {
        let is_trial = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
        let age = || modified(&path).ok().and_then(|at| written.duration_since(at).ok());
        if is_trial && age().is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(path);
        }
    }
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

fn sync_dir(of: &Path) -> io::Result<()> {
    File::open(dir_of(of, None))?.sync_all()
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
        assert_ne!(staged.as_ref().extension().and_then(|of| of.to_str()), Some("json"));
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

    #[test]
    fn a_trial_beside_a_staged_version_neither_becomes_the_file_nor_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let staged = Staged::write(&path, None, b"the agent's", 0o640).unwrap();
        let trial = Trial::write(&path, None, b"the checker's", 0o640).unwrap();
        assert_ne!(trial.as_ref(), staged.as_ref());
        assert_ne!(trial.as_ref().extension().and_then(|of| of.to_str()), Some("json"));
        staged.commit().unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&trial).unwrap()),
            (b"the agent's".into(), b"the checker's".into())
        );
        drop(trial);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_trial_whose_process_was_killed_is_swept_up_after_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let (old, young) = (dir.path().join(".config.json.weir-try-1"), dir.path().join(".config.json.weir-try-2"));
        for (path, age) in [(&old, ABANDONED + Duration::from_secs(1)), (&young, Duration::ZERO)] {
            let file = File::create(path).unwrap();
            file.set_modified(modified(path).unwrap() - age).unwrap();
        }
        drop(Trial::write(&path, None, b"", 0o640).unwrap());
        assert!(!old.exists() && young.exists());
    }
}
