//! Sources and direct configs.

use askama::Template;
use serde_json::json;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::format::Moment;
use super::say::Say;
use super::shell::Shell;
use super::words::sources::{Sources as Words, of};
use crate::domain::source::gather::LeftOut;
use crate::domain::source::rules::Rules;
use crate::domain::source::userinfo::Userinfo;
use crate::store::sources::Source;
use crate::store::xpert_direct::Config;

/// `GET /sources`
#[derive(Template)]
#[template(path = "panel/sources.html")]
pub(crate) struct Sources<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The words.
    pub(crate) words: &'static Words,
    /// Whether he may change anything here.
    pub(crate) changes: bool,
    /// What is fetched again when something was done.
    pub(crate) live: SourcesLive<'a>,
}

/// Which direct configs are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Configs before them.
    pub(crate) offset: u32,
    /// Configs on a page.
    pub(crate) size: u32,
}

impl Turn {
    fn link(offset: u32) -> String {
        if offset == 0 { "/sources#direct".to_owned() } else { format!("/sources?offset={offset}#direct") }
    }
}

/// See [`Sources::live`].
#[derive(Template)]
#[template(path = "panel/sources_live.html")]
pub(crate) struct SourcesLive<'a> {
    /// The words.
    pub(crate) words: &'static Words,
    general: &'static super::words::Words,
    changes: bool,
    sources: Vec<SourceView<'a>>,
    note: Option<String>,
    configs: Vec<ConfigView<'a>>,
    before: Option<String>,
    after: Option<String>,
}

/// A source as it is told.
struct SourceView<'a> {
    id: i64,
    name: &'a str,
    is_on: bool,
    /// What style sheets call its state, and the word.
    state: (&'static str, &'static str),
    /// None for who may not see it.
    url: Option<&'a str>,
    /// What is known of it: name and value.
    facts: Vec<(&'static str, String)>,
    /// The last fetch, and the last good copy.
    times: Vec<(&'static str, Moment)>,
    error: Option<&'a str>,
}

/// A direct config as it is told.
struct ConfigView<'a> {
    id: i64,
    place: String,
    name: &'a str,
    remarks: &'a str,
    protocol: &'a str,
    server: String,
    is_on: bool,
    is_permanent: bool,
    /// The one whose place it takes when it goes up.
    above: Option<i64>,
    /// And down.
    below: Option<i64>,
    delete_ask: String,
    edit_title: String,
    /// What the form to change it begins with, as JSON; it holds the link, which is for who may change it alone.
    begins: Option<String>,
}

/// What the provider says of its own account, such as `12 GB of 100 GB until 1 December 2026`.
fn provider(header: &str, say: &Say) -> Option<String> {
    let info = Userinfo::read(header);
    let size = |bytes: u64| say.size(Bytes::saturating(bytes));
    let used = info.upload.unwrap_or_default().saturating_add(info.download.unwrap_or_default());
    let sizes = match info.total.filter(|total| *total > 0) {
        Some(total) => Some(format!("{} {}", size(used), say.words.of.replace("{quota}", &size(total)))),
        None => (info.upload.is_some() || info.download.is_some()).then(|| size(used)),
    };
    let until = info
        .expire
        .filter(|expire| *expire > 0)
        .and_then(|expire| i64::try_from(expire).ok())
        .map(|expire| of(say.language).until.replace("{date}", &say.date(Second::clamped(expire))));
    let parts: Vec<String> = sizes.into_iter().chain(until).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

impl<'a> SourceView<'a> {
    fn new(source: &'a Source, shows_links: bool, say: &Say) -> Self {
        let words = of(say.language);
        let is_on = source.enabled == 1;
        let left_out: LeftOut = serde_json::from_str(&source.left_out).unwrap_or_default();
        let left_out: Vec<String> =
            left_out.iter().map(|(code, count)| format!("{code} {}", say.count((*count).into()))).collect();
        let next = if source.next_at > say.now.get() {
            say.moment(Second::clamped(source.next_at)).words
        } else {
            words.due.to_owned()
        };
        let facts = [
            Some((words.nodes, say.count(source.config_count.into()))),
            source.format.clone().map(|format| (words.format, format)),
            Some((words.priority, source.priority.to_string())),
            is_on.then_some((words.next_fetch, next)),
            source.userinfo.as_deref().and_then(|header| provider(header, say)).map(|told| (words.provider, told)),
            (!left_out.is_empty()).then(|| (words.left_out, left_out.join(", "))),
        ];
        let time = |name, at: Option<i64>| at.map(|at| (name, say.moment(Second::clamped(at))));
        Self {
            id: source.id,
            name: &source.name,
            is_on,
            state: match (is_on, source.failures, source.good_at) {
                (false, ..) => ("off", words.is_off),
                (true, 1.., _) => ("silent", words.is_failing),
                (true, 0, None) => ("new", words.is_new),
                (true, 0, Some(_)) => ("online", words.is_on),
            },
            url: shows_links.then_some(source.url.as_str()),
            facts: facts.into_iter().flatten().collect(),
            times: [time(words.last_try, source.tried_at), time(words.last_good, source.good_at)]
                .into_iter()
                .flatten()
                .collect(),
            error: source.error.as_deref(),
        }
    }
}

impl<'a> SourcesLive<'a> {
    /// All sources, and a page of the direct configs: those of `turn`, with one before and one after where there are. `rights`: whether
    /// addresses may be seen, and whether anything may be changed.
    pub(crate) fn new(
        sources: &'a [Source],
        note: Option<String>,
        configs: &'a [Config],
        turn: Turn,
        rights: (bool, bool),
        say: &Say,
    ) -> Self {
        let (shows_links, changes) = rights;
        let first = usize::from(turn.offset > 0);
        let size = usize::try_from(turn.size).unwrap_or_default();
        let id = |at: Option<usize>| at.and_then(|at| configs.get(at)).map(|config| config.id);
        let view = |(at, config): (usize, &'a Config)| ConfigView {
            id: config.id,
            place: say.count(u64::from(turn.offset) + u64::try_from(at + 1 - first).unwrap_or_default()),
            name: if config.name.is_empty() { of(say.language).no_name } else { &config.name },
            remarks: &config.remarks,
            protocol: &config.protocol,
            server: format!("{}:{}", config.server, config.port),
            is_on: config.is_active == 1,
            is_permanent: config.is_permanent == 1,
            above: id(at.checked_sub(1)),
            below: id(at.checked_add(1)),
            delete_ask: say.words.delete_ask.replace("{name}", &config.name),
            edit_title: of(say.language).edit_direct.replace("{name}", &config.name),
            begins: changes.then(|| json!({ "raw": config.raw, "remarks": config.remarks }).to_string()),
        };
        Self {
            words: of(say.language),
            general: say.words,
            changes,
            sources: sources.iter().map(|source| SourceView::new(source, shows_links, say)).collect(),
            note,
            configs: configs.iter().enumerate().skip(first).take(size).map(view).collect(),
            before: (turn.offset > 0).then(|| Turn::link(turn.offset.saturating_sub(turn.size))),
            after: (configs.len() > first + size).then(|| Turn::link(turn.offset.saturating_add(turn.size))),
        }
    }
}

/// The fields of a source.
pub(crate) struct SourceForm {
    name: String,
    url: String,
    priority: String,
    agent: String,
    interval: String,
    include: String,
    exclude: String,
    protocols: String,
    rename: String,
    most: String,
}

impl SourceForm {
    fn new(name: &str, url: &str, priority: i64, rules: Rules) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            priority: priority.to_string(),
            agent: rules.user_agent,
            interval: rules.interval_minutes.to_string(),
            include: rules.include.join("\n"),
            exclude: rules.exclude.join("\n"),
            protocols: rules.protocols.join(" "),
            rename: rules.rename,
            most: rules.max_nodes.to_string(),
        }
    }
}

/// `GET /new/source`
#[derive(Template)]
#[template(path = "panel/add_source.html")]
pub(crate) struct AddSource<'a> {
    shell: Shell<'a>,
    words: &'static Words,
    form: SourceForm,
}

impl<'a> AddSource<'a> {
    /// With the defaults.
    pub(crate) fn new(shell: Shell<'a>, say: &Say) -> Self {
        Self { shell, words: of(say.language), form: SourceForm::new("", "", 1, Rules::default()) }
    }
}

/// `GET /sources/{id}`
#[derive(Template)]
#[template(path = "panel/source.html")]
pub(crate) struct SourcePage<'a> {
    shell: Shell<'a>,
    words: &'static Words,
    id: i64,
    title: String,
    delete_ask: String,
    form: SourceForm,
}

impl<'a> SourcePage<'a> {
    /// As it stands.
    pub(crate) fn new(shell: Shell<'a>, source: &Source, rules: Rules, say: &Say) -> Self {
        Self {
            shell,
            words: of(say.language),
            id: source.id,
            title: say.words.edit_user.replace("{name}", &source.name),
            delete_ask: say.words.delete_ask.replace("{name}", &source.name),
            form: SourceForm::new(&source.name, &source.url, source.priority, rules),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    fn say() -> Say {
        Say::new(Language::En, Zone::UTC, Second::clamped(1_796_083_200))
    }

    fn config(id: i64) -> Config {
        Config {
            id,
            raw: format!("trojan://x@a.example:443#{id}"),
            protocol: "trojan".into(),
            server: "a.example".into(),
            port: 443,
            name: id.to_string(),
            remarks: String::new(),
            is_active: 1,
            is_permanent: 0,
            position: id,
            added_at: 0,
        }
    }

    #[test]
    fn the_providers_numbers_are_told_as_far_as_it_tells_them() {
        let gb = 1_u64 << 30;
        let told = |header: String| provider(&header, &say());
        assert_eq!(
            told(format!("upload={gb}; download={gb}; total={}; expire=1796083200", 5 * gb)).as_deref(),
            Some("2 GB of 5 GB until 1 December 2026")
        );
        assert_eq!(told(format!("download={gb}; total=0")).as_deref(), Some("1 GB"));
        assert_eq!(told("plan=gold".into()), None);
    }

    #[test]
    fn those_at_the_ends_of_a_page_can_leave_it() {
        let configs: Vec<Config> = (1..=4).map(config).collect();
        let live = SourcesLive::new(&[], None, &configs, Turn { offset: 1, size: 2 }, (true, true), &say());
        let shown: Vec<_> = live.configs.iter().map(|one| (one.id, one.place.as_str(), one.above, one.below)).collect();
        assert_eq!(shown, [(2, "2", Some(1), Some(3)), (3, "3", Some(2), Some(4))]);
        assert_eq!(
            (live.before.as_deref(), live.after.as_deref()),
            (Some("/sources#direct"), Some("/sources?offset=3#direct"))
        );
        let all = SourcesLive::new(&[], None, &configs, Turn { offset: 0, size: 4 }, (true, true), &say());
        assert_eq!(all.configs.first().map(|one| (one.above, one.below)), Some((None, Some(2))));
        assert_eq!((all.before, all.after), (None, None));
    }
}
