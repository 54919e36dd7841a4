//! Everything that can go wrong with a request, by who must act, and its one mapping to HTTP.

use crate::domain::role::Role;
use crate::store::StoreError;

/// Why a request was not done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The body is not what it says it is. The sentence is for the caller.
    Malformed(String),
    /// What is asked for cannot be done as things are; the sentence is for the caller. Of Marzban's API, which answers so with 400.
    Refused(String),
    /// No valid credential.
    Unauthorized,
    /// The credential does not reach this far: the scope that is missing.
    Forbidden(&'static str),
    /// The operator's role does not reach this far.
    Role {
        /// What he is.
        role: Role,
        /// What he asked for, as [`crate::domain::role`] names it.
        action: &'static str,
    },
    /// Nobody may do this, whatever he is; the sentence is for the caller.
    Denied(&'static str),
    /// It is about the caller's own sign-in, and he has none: he holds an API key.
    Keyed,
    /// A browser sent the session's cookie from a page that is none of ours.
    Foreign,
    /// There is no such thing: what was looked for.
    NotFound(&'static str),
    /// The path knows other methods only.
    Method(&'static str),
    /// The request contradicts what is there.
    Conflict {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// The report of an agent that is not the one which its epoch needs next.
    Report(Unwanted),
    /// It was here and is gone for good.
    Gone(&'static str),
    /// The body is larger than this many bytes.
    TooLarge(usize),
    /// A field breaks its rule.
    Invalid {
        /// Path of the field, such as `report.users[3].up`.
        field: String,
        /// The rule, as a sentence.
        rule: String,
    },
    /// The other side speaks another protocol version. The sentence names both.
    Protocol(String),
    /// Too many requests; seconds to wait.
    TooOften(u32),
    /// The panel was sent to itself by a source.
    Loop,
    /// The operator has not configured this secret or binding: fail closed.
    Unconfigured(&'static str),
    /// The database is busy; the same request may work in a moment. The text is for the log.
    Busy(String),
    /// Our own fault. The text is for the log and never leaves.
    Broken(String),
}

/// Why a report cannot be applied as the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwanted {
    /// This report is needed first.
    Expect(u64),
    /// Another report was applied under this number: the ledger is a copy, and this one was certainly not applied.
    Fork(u64),
    /// Its number was applied so long ago that nobody can tell what it was: the ledger is a copy.
    Old(u64),
}

impl Failure {
    /// A field that breaks its rule.
    pub(crate) fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), rule: rule.into() }
    }

    /// HTTP status, code for programs, sentence for people.
    pub(crate) fn describe(&self) -> (u16, &'static str, String) {
        match self {
            Self::Malformed(why) => (400, "malformed", why.clone()),
            Self::Refused(why) => (400, "refused", why.clone()),
            Self::Unauthorized => (401, "unauthorized", "a valid credential is needed".into()),
            Self::Forbidden(scope) => (403, "forbidden", format!("the credential lacks the scope {scope}")),
            Self::Role { role, action } => {
                (403, "forbidden", format!("the role {} does not reach {action}", role.name()))
            }
            Self::Denied(why) => (403, "forbidden", (*why).into()),
            Self::Keyed => (403, "forbidden", "an operator who is signed in is needed here, not an API key".into()),
            Self::Foreign => (403, "foreign", "the request does not come from a page of this site".into()),
            Self::NotFound(what) => (404, "not_found", format!("{what} not found")),
            Self::Method(allow) => (405, "method_not_allowed", format!("this path knows {allow}")),
            Self::Conflict { code, message } => (409, code, message.clone()),
            Self::Report(Unwanted::Expect(seq)) => (409, "expect", format!("the panel needs report {seq}")),
            Self::Report(Unwanted::Fork(seq)) => {
                (409, "fork", format!("this ledger is a copy: the panel knows another report {seq}"))
            }
            Self::Report(Unwanted::Old(seq)) => {
                (409, "fork", format!("this ledger is a copy: report {seq} is older than those that are kept"))
            }
            Self::Gone(what) => (410, "gone", format!("{what} is gone")),
            Self::TooLarge(limit) => (413, "too_large", format!("the body is larger than {limit} bytes")),
            Self::Invalid { field, rule } => (422, "invalid", format!("{field}: {rule}")),
            Self::Protocol(sentence) => (426, "protocol", sentence.clone()),
            Self::TooOften(wait) => (429, "too_often", format!("too many requests; try again in {wait} s")),
            Self::Loop => (508, "loop", "this panel fetches itself".into()),
            Self::Unconfigured(what) => (503, "unconfigured", format!("{what} is not configured")),
            Self::Busy(_) => (503, "unavailable", "the database is busy; try again".into()),
            Self::Broken(_) => (500, "internal", "internal error; the log has it under this request's id".into()),
        }
    }

    /// What only the log may see.
    pub(crate) fn internal(&self) -> Option<&str> {
        match self {
            Self::Busy(text) | Self::Broken(text) => Some(text),
            _ => None,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale => Self::Busy("the row changed again and again".into()),
            StoreError::Taken => Self::Conflict { code: "taken", message: "the name is taken".into() },
            StoreError::Allowance("users") => Self::Conflict {
                code: "user_allowance",
                message: "the reseller has as many users as his allowance has".into(),
            },
            StoreError::Allowance(_) => Self::Conflict {
                code: "byte_allowance",
                message: "it would let the reseller's users use more bytes than his allowance has".into(),
            },
            StoreError::LastOwner => {
                Self::Conflict { code: "last_owner", message: "no owner would be left who is not disabled".into() }
            }
            StoreError::NoRoom => Self::Conflict {
                code: "too_many",
                message:
                    "the direct configs that are on would have more than 500,000 bytes: delete some, or switch them off"
                        .into(),
            },
            StoreError::Busy(text) => Self::Busy(text),
            StoreError::Broken(text) => Self::Broken(text),
        }
    }
}

impl From<worker::Error> for Failure {
    fn from(error: worker::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
