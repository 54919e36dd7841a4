//! What goes wrong with a core.

use core::fmt;

/// What went wrong, in a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreError {
    /// The core does not answer; the same call may work later.
    Unreachable(String),
    /// The template, or the file made from it, is wrong; the running core and its file were left as they are.
    Config(String),
    /// The new file made the core fail; the last good file is back in place.
    RolledBack(String),
    /// The new file made the core fail, and there is no earlier one that could be put back.
    NotTaken(String),
    /// A file could not be written.
    Disk(String),
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the core does not answer: {why}"),
            Self::Config(why) => write!(f, "the core's configuration is wrong: {why}"),
            Self::RolledBack(why) => write!(f, "the new configuration failed and the last good one is back: {why}"),
            Self::NotTaken(why) => write!(f, "the core does not come up, look in its log: {why}"),
            Self::Disk(why) => write!(f, "a file could not be written: {why}"),
        }
    }
}

impl std::error::Error for CoreError {}
