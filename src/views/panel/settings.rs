//! The general settings: one card an area, each with its own form, which sends what was changed in it.

use askama::Template;
use serde_json::{Map, Value};

use super::super::asset;
use super::say::Say;
use super::shell::Shell;
use super::words::settings::{self as words, SettingsWords};
use crate::domain::devices::{Devices, Nameless};
use crate::domain::notice::settings::Alerts;
use crate::domain::presentation::{Barred, Presentation};
use crate::domain::settings::{Backup, Retention};
use crate::domain::sharing::{Action, Sharing};
use crate::domain::xpert::settings::{Counting, Settings as Xpert};

/// What is typed or chosen.
enum Input {
    /// Text, or a number; `kind` and `empty` as in public/panel.js, `stands_in` what counts while it is empty.
    Text {
        value: String,
        kind: &'static str,
        empty: &'static str,
        stands_in: String,
    },
    Check(bool),
    Select(Vec<(&'static str, &'static str)>, &'static str),
}

/// A setting.
struct Field {
    /// As the API calls it.
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    input: Input,
}

impl Field {
    fn new(name: &'static str, (label, hint): (&'static str, &'static str), input: Input) -> Self {
        Self { name, label, hint, input }
    }

    fn text(name: &'static str, words: (&'static str, &'static str), value: Option<&str>, stands_in: &str) -> Self {
        let value = value.unwrap_or_default().to_owned();
        Self::new(name, words, Input::Text { value, kind: "", empty: "null", stands_in: stands_in.to_owned() })
    }

    fn number(name: &'static str, words: (&'static str, &'static str), number: u32) -> Self {
        let value = number.to_string();
        // A number that is taken away has its default again.
        Self::new(name, words, Input::Text { value, kind: "int", empty: "null", stands_in: String::new() })
    }

    fn maybe(name: &'static str, words: (&'static str, &'static str), number: Option<u32>, stands_in: u32) -> Self {
        let value = number.map(|number| number.to_string()).unwrap_or_default();
        Self::new(name, words, Input::Text { value, kind: "int", empty: "null", stands_in: stands_in.to_string() })
    }

    fn list(name: &'static str, words: (&'static str, &'static str), numbers: &[u32]) -> Self {
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let value = numbers.join(", ");
        Self::new(name, words, Input::Text { value, kind: "ints", empty: "list", stands_in: String::new() })
    }

    fn check(name: &'static str, words: (&'static str, &'static str), is_on: bool) -> Self {
        Self::new(name, words, Input::Check(is_on))
    }

    fn select<const N: usize>(
        name: &'static str,
        words: (&'static str, &'static str),
        options: [(&'static str, &'static str); N],
        chosen: &'static str,
    ) -> Self {
        Self::new(name, words, Input::Select(options.to_vec(), chosen))
    }

    /// For whom may not change it.
    fn shown(&self, words: &SettingsWords) -> String {
        match &self.input {
            Input::Text { value, stands_in, .. } if value.is_empty() => stands_in.clone(),
            Input::Text { value, .. } => value.clone(),
            Input::Check(is_on) => if *is_on { words.yes } else { words.no }.to_owned(),
            Input::Select(options, chosen) => {
                let found = options.iter().find(|(value, _)| value == chosen);
                found.map_or("", |(_, text)| text).to_owned()
            }
        }
    }
}

/// A group of settings that is written as one.
struct Card {
    id: &'static str,
    title: &'static str,
    how: &'static str,
    path: &'static str,
    fields: Vec<Field>,
}

/// What the page is made from.
pub(crate) struct SettingsFacts {
    /// What was set of how subscriptions present themselves.
    pub(crate) presentation: Presentation,
    /// Title, hours and help as they are where nothing was set.
    pub(crate) stands_in: (String, u32, String),
    /// Devices that fetch.
    pub(crate) devices: Devices,
    /// Account sharing.
    pub(crate) sharing: Sharing,
    /// Alerts.
    pub(crate) alerts: Alerts,
    /// History.
    pub(crate) retention: Retention,
    /// Backups.
    pub(crate) backup: Backup,
    /// What is in force of traffic through other servers.
    pub(crate) xpert: Xpert,
    /// What of it was set in the panel.
    pub(crate) xpert_set: Map<String, Value>,
    /// Whether a Marzban's secret was imported.
    pub(crate) marzban: bool,
    /// Whether they may be changed.
    pub(crate) changes: bool,
}

/// `GET /settings`
#[derive(Template)]
#[template(path = "panel/settings.html")]
pub(crate) struct Settings<'a> {
    shell: Shell<'a>,
    setting: &'static SettingsWords,
    cards: Vec<Card>,
    marzban: bool,
    changes: bool,
}

impl<'a> Settings<'a> {
    /// All areas.
    pub(crate) fn new(shell: Shell<'a>, facts: &SettingsFacts, say: &Say) -> Self {
        let setting = words::of(say.language);
        let cards = vec![
            subscriptions(facts, setting),
            devices(&facts.devices, setting),
            sharing(&facts.sharing, setting),
            alerts(&facts.alerts, setting),
            retention(&facts.retention, setting),
            backup(&facts.backup, setting),
            xpert(facts, setting),
        ];
        Self { shell, setting, cards, marzban: facts.marzban, changes: facts.changes }
    }
}

fn subscriptions(facts: &SettingsFacts, words: &SettingsWords) -> Card {
    let (set, (title, hours, support)) = (&facts.presentation, &facts.stands_in);
    let barred = match set.barred {
        Barred::Notice => "notice",
        Barred::Empty => "empty",
    };
    let options = [("notice", words.barred_notice), ("empty", words.barred_empty)];
    let fields = vec![
        Field::text("title", words.title, set.title.as_deref(), title),
        Field::maybe("update_hours", words.update_hours, set.update_hours, *hours),
        Field::text("support_url", words.support_url, set.support_url.as_deref(), support),
        Field::select("barred", words.barred, options, barred),
    ];
    let (title, how) = words.subscriptions;
    Card { id: "subscriptions", title, how, path: "/api/v1/settings/subscriptions", fields }
}

fn devices(set: &Devices, words: &SettingsWords) -> Card {
    let without_id = match set.without_id {
        Nameless::Serve => "serve",
        Nameless::Refuse => "refuse",
    };
    let options = [("serve", words.serve), ("refuse", words.refuse)];
    let fields = vec![
        Field::check("enabled", words.devices_enabled, set.enabled),
        Field::number("limit", words.devices_limit, set.limit),
        Field::select("without_id", words.without_id, options, without_id),
    ];
    let (title, how) = words.devices;
    Card { id: "devices", title, how, path: "/api/v1/settings/devices", fields }
}

fn sharing(set: &Sharing, words: &SettingsWords) -> Card {
    let action = match set.action {
        Action::Log => "log",
        Action::Cut => "cut",
    };
    let fields = vec![
        Field::number("limit", words.sharing_limit, set.limit),
        Field::select("action", words.action, [("log", words.action_log), ("cut", words.action_cut)], action),
        Field::number("cut_minutes", words.cut_minutes, set.cut_minutes),
        Field::number("keep_days", words.sharing_days, set.keep_days),
    ];
    let (title, how) = words.sharing;
    Card { id: "sharing", title, how, path: "/api/v1/settings/sharing", fields }
}

fn alerts(set: &Alerts, words: &SettingsWords) -> Card {
    let fields = vec![
        Field::list("quota_percent", words.quota_percent, &set.quota_percent),
        Field::list("expiring_days", words.expiring_days, &set.expiring_days),
        Field::number("silent_minutes", words.silent_minutes, set.silent_minutes),
        Field::number("report_hour", words.report_hour, set.report_hour),
        Field::number("keep_days", words.events_days, set.keep_days),
    ];
    let (title, how) = words.alerts;
    Card { id: "alerts", title, how, path: "/api/v1/settings/alerts", fields }
}

fn retention(set: &Retention, words: &SettingsWords) -> Card {
    let fields = vec![
        Field::number("hours_days", words.hours_days, set.hours_days),
        Field::number("days_days", words.days_days, set.days_days),
    ];
    let (title, how) = words.retention;
    Card { id: "retention", title, how, path: "/api/v1/settings/retention", fields }
}

fn backup(set: &Backup, words: &SettingsWords) -> Card {
    let fields = vec![
        Field::check("enabled", words.backup_enabled, set.enabled),
        Field::number("hour", words.backup_hour, set.hour),
        Field::number("keep", words.backup_keep, set.keep),
        Field::number("queries", words.backup_queries, set.queries),
    ];
    let (title, how) = words.backup;
    Card { id: "backup", title, how, path: "/api/v1/settings/backup", fields }
}

fn xpert(facts: &SettingsFacts, words: &SettingsWords) -> Card {
    let (force, set) = (&facts.xpert, &facts.xpert_set);
    let text = |name: &str| set.get(name).and_then(Value::as_str);
    let number = |name: &str| set.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let counting = match force.quota_counting {
        Counting::None => "none",
        Counting::Trusted => "trusted",
        Counting::All => "all",
    };
    let options = [("none", words.counting_none), ("trusted", words.counting_trusted), ("all", words.counting_all)];
    let fields = vec![
        Field::check("tracking_enabled", words.tracking, force.tracking_enabled),
        Field::select("quota_counting", words.counting, options, counting),
        Field::maybe("retention_days", words.retention_days, number("retention_days"), force.retention_days),
        Field::maybe("fetch_log_days", words.fetch_log_days, number("fetch_log_days"), force.fetch_log_days),
        Field::text("domain", words.domain, text("domain"), &force.domain),
        Field::text("title", words.list_title, text("title"), &force.title),
        Field::text("direct_title", words.direct_title, text("direct_title"), &force.direct_title),
    ];
    let (title, how) = words.xpert;
    Card { id: "xpert", title, how, path: "/api/xpert/settings", fields }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;

    fn facts() -> SettingsFacts {
        SettingsFacts {
            presentation: Presentation::default(),
            stands_in: ("Weir".into(), 12, String::new()),
            devices: Devices::default(),
            sharing: Sharing::default(),
            alerts: Alerts::default(),
            retention: Retention::default(),
            backup: Backup::default(),
            xpert: Xpert::default(),
            xpert_set: Map::new(),
            marzban: false,
            changes: true,
        }
    }

    fn names(card: &Card) -> Vec<String> {
        let mut names: Vec<String> = card.fields.iter().map(|field| field.name.to_owned()).collect();
        names.sort_unstable();
        names
    }

    fn fields(area: &impl serde::Serialize) -> Vec<String> {
        let Ok(Value::Object(fields)) = serde_json::to_value(area) else { panic!("an object") };
        let mut names: Vec<String> = fields.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// An area that gets a field must not keep it from whoever sits before the panel.
    #[test]
    fn every_field_of_every_area_is_on_the_page() {
        let (facts, words) = (facts(), words::of(Language::En));
        assert_eq!(names(&subscriptions(&facts, words)), fields(&facts.presentation));
        assert_eq!(names(&devices(&facts.devices, words)), fields(&facts.devices));
        assert_eq!(names(&sharing(&facts.sharing, words)), fields(&facts.sharing));
        assert_eq!(names(&alerts(&facts.alerts, words)), fields(&facts.alerts));
        assert_eq!(names(&retention(&facts.retention, words)), fields(&facts.retention));
        assert_eq!(names(&backup(&facts.backup, words)), fields(&facts.backup));
        assert_eq!(names(&xpert(&facts, words)), fields(&facts.xpert));
    }

    #[test]
    fn who_may_not_change_a_setting_reads_what_counts() {
        let words = words::of(Language::En);
        let shown = |card: Card| card.fields.iter().map(|field| field.shown(words)).collect::<Vec<_>>();
        assert_eq!(shown(subscriptions(&facts(), words)), ["Weir", "12", "", "one entry that says why"]);
        assert_eq!(shown(alerts(&Alerts::default(), words)), ["80", "3", "10", "8", "30"]);
        assert_eq!(shown(devices(&Devices::default(), words)), ["no", "0", "get the list"]);
    }
}
