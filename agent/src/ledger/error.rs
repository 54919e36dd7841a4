//! What is wrong with the ledger, and what the operator can do.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::FORMAT;

/// What is wrong with the ledger, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LedgerError {
    /// Another process has the file open.
    InUse(PathBuf),
    /// A later version of the agent has written it.
    Newer {
        /// Its format.
        format: u32,
    },
    /// A page or a row is not what it should be.
    Damaged(String),
    /// The file cannot be read or written.
    Disk(String),
}

impl LedgerError {
    /// What the store says of the file.
    pub(super) fn of(path: &Path, error: impl Into<redb::Error>) -> Self {
        use redb::Error as Of;
        let told = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
        match error.into() {
            Of::DatabaseAlreadyOpen => Self::InUse(path.to_owned()),
            // Not what any read or write of a good file can meet.
            Of::Io(why) if matches!(why.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                Self::Damaged(told(&why))
            }
            Of::Io(why) => Self::Disk(told(&why)),
            Of::Corrupted(why) => Self::Damaged(told(&why)),
            why @ (Of::UpgradeRequired(_)
            | Of::TableTypeMismatch { .. }
            | Of::TableIsMultimap(_)
            | Of::TypeDefinitionChanged { .. }) => Self::Damaged(told(&why)),
            why => Self::Disk(told(&why)),
        }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "{}: another weir-agent has this ledger open", path.display()),
            Self::Newer { format } => write!(
                f,
                "the ledger has format {format}, and this version of weir-agent knows only up to {FORMAT}; it was not \
                 touched: install the version that wrote it, or a later one"
            ),
            Self::Damaged(what) => write!(
                f,
                "the ledger is damaged ({what}): `weir-agent set-ledger-aside` keeps it under another name, so that \
                 this host can be enrolled anew; what it had not reported is lost then"
            ),
            Self::Disk(why) => write!(f, "the ledger cannot be read or written: {why}"),
        }
    }
}

impl std::error::Error for LedgerError {}
