//! What the panel's pages say. Braces hold what is put in. A language that lacks a word does not compile, and a word that no page shows
//! is a warning, which fails the build. Words that several pages say have one file a language; what the pages of one area alone
//! say stands in that area's file, in every language.

/// `of(language)`: the constant `EN`, `ZH`, `RU` or `FA` of the file it stands in.
macro_rules! in_every_language {
    ($words:ident) => {
        /// In a language.
        pub(crate) const fn of(language: $crate::domain::notice::texts::Language) -> &'static $words {
            use $crate::domain::notice::texts::Language;
            match language {
                Language::En => &EN,
                Language::Zh => &ZH,
                Language::Ru => &RU,
                Language::Fa => &FA,
            }
        }
    };
}
use in_every_language;

pub(crate) mod account;
pub(crate) mod alerts;
pub(crate) mod areas;
pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod bulk;
pub(crate) mod clients;
pub(crate) mod details;
mod en;
mod fa;
pub(crate) mod figures;
pub(crate) mod jobs;
pub(crate) mod lists;
pub(crate) mod login;
pub(crate) mod node_edit;
pub(crate) mod operators;
pub(crate) mod plans;
pub(crate) mod reload;
mod ru;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod sources;
pub(crate) mod stand;
pub(crate) mod user_more;
mod zh;

use crate::domain::notice::texts::Language;
use crate::domain::user::{Gate, Status};

/// What a length of time is counted in.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
}

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Heard of a moment ago.
    Online,
    /// Not heard of for a while.
    Silent,
    /// Never heard of.
    New,
}

impl State {
    /// What style sheets call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Silent => "silent",
            Self::New => "new",
        }
    }
}

/// What a language has to say.
pub(crate) struct Words {
    /// A user's status.
    pub(crate) status_of: fn(Status) -> &'static str,
    /// Why he may not pass.
    pub(crate) reason_of: fn(Gate) -> &'static str,
    /// How a node stands.
    pub(crate) state_of: fn(State) -> &'static str,
    /// A length of time.
    pub(crate) span: fn(i64, Unit) -> String,
    pub(crate) dashboard: &'static str,
    pub(crate) users: &'static str,
    pub(crate) nodes: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) skip: &'static str,
    pub(crate) menu: &'static str,
    pub(crate) language: &'static str,
    pub(crate) shortcuts: &'static str,
    pub(crate) find_user: &'static str,
    pub(crate) this_help: &'static str,
    pub(crate) close: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) numbers: &'static str,
    pub(crate) active_users: &'static str,
    pub(crate) online_now: &'static str,
    pub(crate) traffic_all: &'static str,
    pub(crate) last_days: &'static str,
    pub(crate) chart_since: &'static str,
    pub(crate) no_traffic: &'static str,
    pub(crate) by_day: &'static str,
    pub(crate) day: &'static str,
    pub(crate) traffic: &'static str,
    pub(crate) in_all: &'static str,
    pub(crate) top_users: &'static str,
    pub(crate) no_top: &'static str,
    pub(crate) attention: &'static str,
    pub(crate) all_well: &'static str,
    pub(crate) is_silent: &'static str,
    pub(crate) clock_wrong: &'static str,
    pub(crate) two_hosts: &'static str,
    pub(crate) job_failed: &'static str,
    pub(crate) cost_today: &'static str,
    pub(crate) requests: &'static str,
    pub(crate) rows_read: &'static str,
    pub(crate) rows_written: &'static str,
    pub(crate) cost_how: &'static str,
    pub(crate) of: &'static str,
    pub(crate) all: &'static str,
    pub(crate) expires: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) by_person: &'static str,
    pub(crate) for_sharing: &'static str,
    pub(crate) waits: &'static str,
    pub(crate) name: &'static str,
    pub(crate) status: &'static str,
    pub(crate) period: &'static str,
    pub(crate) total: &'static str,
    pub(crate) last_online: &'static str,
    pub(crate) never: &'static str,
    pub(crate) online: &'static str,
    pub(crate) resets: &'static str,
    pub(crate) bonus: &'static str,
    pub(crate) period_of: &'static str,
    pub(crate) total_of: &'static str,
    pub(crate) search: &'static str,
    pub(crate) search_hint: &'static str,
    pub(crate) plan: &'static str,
    pub(crate) any_plan: &'static str,
    pub(crate) any_node: &'static str,
    pub(crate) users_of_node: &'static str,
    pub(crate) no_plan: &'static str,
    pub(crate) order: &'static str,
    pub(crate) newest: &'static str,
    pub(crate) most_used: &'static str,
    pub(crate) no_fit: &'static str,
    pub(crate) show_all: &'static str,
    pub(crate) no_users: &'static str,
    pub(crate) nobody_here: &'static str,
    pub(crate) first_page: &'static str,
    pub(crate) back: &'static str,
    pub(crate) more: &'static str,
    pub(crate) pages: &'static str,
    pub(crate) add_user: &'static str,
    pub(crate) add_node: &'static str,
    pub(crate) name_rule: &'static str,
    pub(crate) email: &'static str,
    pub(crate) note: &'static str,
    pub(crate) monthly_gb: &'static str,
    pub(crate) total_gb: &'static str,
    pub(crate) days_left: &'static str,
    pub(crate) expires_on: &'static str,
    pub(crate) devices_most: &'static str,
    pub(crate) speed_kb: &'static str,
    pub(crate) empty_plan: &'static str,
    pub(crate) zero_unlimited: &'static str,
    pub(crate) empty_no_end: &'static str,
    pub(crate) save: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) edit: &'static str,
    pub(crate) edit_user: &'static str,
    pub(crate) enable: &'static str,
    pub(crate) disable: &'static str,
    pub(crate) reset: &'static str,
    pub(crate) reset_ask: &'static str,
    pub(crate) reset_how: &'static str,
    pub(crate) delete: &'static str,
    pub(crate) delete_ask: &'static str,
    pub(crate) delete_user_how: &'static str,
    pub(crate) delete_node_how: &'static str,
    pub(crate) danger: &'static str,
    pub(crate) actions: &'static str,
    pub(crate) next_reset: &'static str,
    pub(crate) no_reset: &'static str,
    pub(crate) valid_until: &'static str,
    pub(crate) no_end: &'static str,
    pub(crate) created: &'static str,
    pub(crate) speed_limit: &'static str,
    pub(crate) no_limit: &'static str,
    pub(crate) link: &'static str,
    pub(crate) link_how: &'static str,
    pub(crate) copy: &'static str,
    pub(crate) copied: &'static str,
    pub(crate) open_page: &'static str,
    pub(crate) qr: &'static str,
    pub(crate) packages: &'static str,
    pub(crate) no_packages: &'static str,
    pub(crate) add_package: &'static str,
    pub(crate) size_gb: &'static str,
    pub(crate) refunded: &'static str,
    pub(crate) package_ended: &'static str,
    pub(crate) devices: &'static str,
    pub(crate) no_devices: &'static str,
    pub(crate) unnamed: &'static str,
    pub(crate) explained: &'static str,
    pub(crate) from_bonus: &'static str,
    pub(crate) from_earlier: &'static str,
    pub(crate) all_time: &'static str,
    pub(crate) by_node: &'static str,
    pub(crate) gone_node: &'static str,
    pub(crate) no_nodes: &'static str,
    pub(crate) waits_enrol: &'static str,
    pub(crate) seen: &'static str,
    pub(crate) agent: &'static str,
    pub(crate) no_core: &'static str,
    pub(crate) core_down: &'static str,
    pub(crate) online_users: &'static str,
    pub(crate) online_users_how: &'static str,
    pub(crate) connections: &'static str,
    pub(crate) speed: &'static str,
    pub(crate) node_traffic_how: &'static str,
    pub(crate) reloads: &'static str,
    pub(crate) reloads_how: &'static str,
    pub(crate) held_back: &'static str,
    pub(crate) held_back_how: &'static str,
    pub(crate) clock: &'static str,
    pub(crate) clock_how: &'static str,
    pub(crate) clock_right: &'static str,
    pub(crate) ahead: &'static str,
    pub(crate) behind: &'static str,
    pub(crate) unattributed: &'static str,
    pub(crate) unattributed_how: &'static str,
    pub(crate) address: &'static str,
    pub(crate) address_rule: &'static str,
    pub(crate) node_name_rule: &'static str,
    pub(crate) country: &'static str,
    pub(crate) country_rule: &'static str,
    pub(crate) coefficient: &'static str,
    pub(crate) coefficient_how: &'static str,
    pub(crate) install: &'static str,
    pub(crate) install_how: &'static str,
    pub(crate) install_then: &'static str,
    pub(crate) to_node: &'static str,
    pub(crate) rotate: &'static str,
    pub(crate) rotate_how: &'static str,
    pub(crate) inbounds: &'static str,
    pub(crate) no_inbounds: &'static str,
    pub(crate) addresses: &'static str,
    pub(crate) no_addresses: &'static str,
    pub(crate) port: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) events: &'static str,
    pub(crate) just_now: &'static str,
    pub(crate) ago: &'static str,
    pub(crate) after: &'static str,
}

/// The words of a language.
pub(crate) const fn of(language: Language) -> &'static Words {
    match language {
        Language::En => &en::WORDS,
        Language::Zh => &zh::WORDS,
        Language::Ru => &ru::WORDS,
        Language::Fa => &fa::WORDS,
    }
}
