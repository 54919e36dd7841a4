//! What the page of a subscription says: one file a language. Braces hold what is put in.

mod en;
mod fa;
mod ru;
mod zh;

use crate::domain::notice::texts::Language;
use crate::domain::user::{Gate, Status};

/// What a length of time is counted in.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Day,
    Hour,
    Minute,
}

/// What a language has to say.
pub(super) struct Words {
    pub(super) status: fn(Status) -> &'static str,
    /// The status of whom sharing has shut out for a while.
    pub(super) paused: &'static str,
    /// Why he may not pass, in a few words.
    pub(super) reason: fn(Gate) -> &'static str,
    /// What happens next.
    pub(super) next: Next,
    /// "of {quota}", "unlimited", "{left} left".
    pub(super) of: &'static str,
    pub(super) unlimited: &'static str,
    pub(super) left: &'static str,
    pub(super) usage: &'static str,
    pub(super) plan: &'static str,
    pub(super) next_reset: &'static str,
    pub(super) valid_until: &'static str,
    pub(super) no_end: &'static str,
    pub(super) bonus: &'static str,
    /// A length of time.
    pub(super) span: fn(i64, Unit) -> String,
    /// The same as something that is to come.
    pub(super) after: &'static str,
    pub(super) last_days: &'static str,
    pub(super) no_traffic: &'static str,
    pub(super) per_day: &'static str,
    pub(super) day: &'static str,
    pub(super) traffic: &'static str,
    pub(super) connect: &'static str,
    pub(super) connect_how: &'static str,
    pub(super) link: &'static str,
    pub(super) link_how: &'static str,
    pub(super) copy: &'static str,
    pub(super) copied: &'static str,
    pub(super) qr: &'static str,
    pub(super) servers: &'static str,
    pub(super) servers_how: &'static str,
    pub(super) help: &'static str,
    pub(super) language: &'static str,
    /// A link that belongs to nobody, and what to do about it.
    pub(super) gone: &'static str,
    pub(super) gone_next: &'static str,
}

/// What happens next, by why somebody may not pass.
pub(super) struct Next {
    /// At "{date}" there is new traffic.
    pub(super) month: &'static str,
    /// Nothing comes by itself.
    pub(super) total: &'static str,
    /// It ended at "{date}".
    pub(super) expired: &'static str,
    pub(super) disabled: &'static str,
    /// It opens at "{time}".
    pub(super) sharing: &'static str,
    /// It lasts "{span}" from the first use on.
    pub(super) waits: &'static str,
}

/// The words of a language.
pub(super) const fn of(language: Language) -> &'static Words {
    match language {
        Language::En => &en::WORDS,
        Language::Zh => &zh::WORDS,
        Language::Ru => &ru::WORDS,
        Language::Fa => &fa::WORDS,
    }
}
