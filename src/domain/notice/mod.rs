//! What operators and users are told: kinds of events, who wants which, when they may be told, and in which words.

pub mod channel;
pub mod chat;
pub mod discreet;
pub mod endpoint;
pub mod marzban;
pub mod order;
pub mod quiet;
pub mod report;
pub mod retry;
pub mod settings;
pub mod signature;
pub mod texts;
pub mod warning;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $severity:ident;)*) => {
        /// What happened, in the terms that receivers know.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name, as in the database and the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$kind => Severity::$severity),* }
            }
        }
    };
}

kinds! {
    /// A user has used so many percent of his monthly quota.
    QuotaWarning = "user.quota_warning", Warning;
    /// A quota is used up.
    Limited = "user.limited", Warning;
    /// The account expires soon.
    Expiring = "user.expiring", Warning;
    /// The account has expired.
    Expired = "user.expired", Warning;
    /// A user may pass again.
    Enabled = "user.enabled", Info;
    /// A person, or the rule against shared accounts, shut a user out.
    Disabled = "user.disabled", Info;
    /// A user was created.
    Created = "user.created", Info;
    /// A user's fields or quotas were changed.
    Updated = "user.updated", Info;
    /// A user was deleted.
    Deleted = "user.deleted", Info;
    /// A period began.
    Reset = "user.reset", Info;
    /// A user's link and credentials were replaced.
    Revoked = "user.revoked", Info;
    /// A node was not heard of for some time.
    Silent = "node.silent", Critical;
    /// A node that was silent is heard again.
    Back = "node.back", Info;
    /// A node's ledger was copied, or reports are lost.
    Fork = "node.fork", Critical;
    /// A user connects from more places than one person is at.
    Sharing = "sharing.suspected", Warning;
    /// A job fails again and again.
    JobFailed = "job.failed", Critical;
    /// The day in numbers.
    DailyReport = "report.daily", Info;
    /// An operator tries a channel; never stored.
    Test = "channel.test", Info;
}

impl Kind {
    /// Whether a channel gets it without naming it. The others are for programs that follow every change, and each costs
    /// rows where it happens.
    #[must_use]
    pub const fn is_default(self) -> bool {
        !matches!(self, Self::Created | Self::Updated | Self::Deleted | Self::Reset | Self::Revoked | Self::Test)
    }

    /// Whether the user whom it is about may be told himself.
    #[must_use]
    pub const fn concerns_user(self) -> bool {
        matches!(
            self,
            Self::QuotaWarning
                | Self::Limited
                | Self::Expiring
                | Self::Expired
                | Self::Enabled
                | Self::Disabled
                | Self::Reset
        )
    }
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Somebody is or will be affected.
    Warning,
    /// Something is broken.
    Critical,
}

/// An event as it is told. Its id never changes, so whoever gets it twice knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Id.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// When, unix seconds.
    pub at: i64,
    /// What belongs to it, by kind.
    pub data: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_named() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn severities_rise() {
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
    }
}
