//! `weir-agent set-ledger-aside`: a ledger that cannot be used makes room for a new one.

use std::fs;
use std::path::{Path, PathBuf};

use weir_wire::Second;

use super::{Ledger, LedgerError};

/// Renames a ledger that is damaged or of a later version. Returns its new name.
///
/// # Errors
/// A sentence: there is none, it is good, it is in use, or the disk does not let it.
pub(crate) fn set_aside(path: &Path, now: Second) -> Result<PathBuf, String> {
    if !path.exists() {
        return Err(format!("there is no ledger {}", path.display()));
    }
    match Ledger::open(path) {
        Ok(_) => return Err(format!("{} is a good ledger: it stays where it is", path.display())),
        Err(LedgerError::Damaged(_) | LedgerError::Newer { .. }) => {}
        Err(error) => return Err(error.to_string()),
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".aside-{now}"));
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(aside)
}
