//! What stands around every page: the way to the others, the language, the keyboard.

use super::super::asset::{self, Asset};
use super::say::Say;
use super::words::{self, Words};
use crate::domain::notice::texts::Language;
use crate::domain::page::language::{LANGUAGES, code};

/// A part of the panel that the menu leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// `/`
    Dashboard,
    /// `/users...`
    Users,
    /// `/nodes...`
    Nodes,
    /// `/plans...`
    Plans,
    /// `/sources...`: sources and direct configs.
    Sources,
    /// `/alerts...`: what is told to whom, and what became of it.
    Alerts,
    /// `/audit...`
    Audit,
    /// `/settings`
    Settings,
    /// `/settings/clients`
    Clients,
    /// `/settings/operators`: operators and API keys.
    Operators,
    /// `/settings/jobs`
    Jobs,
    /// `/settings/backups`
    Backups,
    /// `/account`: one's own sign-in. The operator's name leads there.
    Account,
}

impl Section {
    /// Whether the second menu, of settings, leads to it.
    const fn is_setting(self) -> bool {
        matches!(self, Self::Settings | Self::Clients | Self::Operators | Self::Jobs | Self::Backups)
    }
}

/// An entry of the menu.
pub(crate) struct Entry {
    /// Where it leads.
    pub(crate) path: &'static str,
    /// What it is called.
    pub(crate) name: &'static str,
    /// The letter that leads there after `g`.
    pub(crate) key: char,
    /// Whether the page belongs to it.
    pub(crate) is_here: bool,
}

/// A language to choose.
pub(crate) struct Choice {
    /// Its code.
    pub(crate) code: &'static str,
    /// Its own name.
    pub(crate) name: &'static str,
    /// Whether this page is in it.
    pub(crate) is_chosen: bool,
}

/// See the module's description.
pub(crate) struct Shell<'a> {
    /// The words of the language.
    pub(crate) words: &'static Words,
    /// What the parts of the panel are called in it.
    pub(crate) areas: &'static words::areas::Areas,
    /// Its code.
    pub(crate) code: &'static str,
    /// `ltr` or `rtl`.
    pub(crate) direction: &'static str,
    /// Who is signed in.
    pub(crate) operator: &'a str,
    /// This page, with its query.
    pub(crate) path: &'a str,
    /// Whether he may change anything.
    pub(crate) changes: bool,
    /// Whether this is the page of his own sign-in.
    pub(crate) is_account: bool,
    /// The menu.
    pub(crate) menu: Vec<Entry>,
    /// The second menu, on pages of settings.
    pub(crate) settings: Vec<Entry>,
    /// Every language.
    pub(crate) languages: [Choice; 4],
}

impl<'a> Shell<'a> {
    /// Around a page of this section; `sees` tells which sections the operator may look at, `changes` whether
    /// he may change anything: what he may not is not offered to him.
    pub(crate) fn new(
        say: &Say,
        operator: &'a str,
        path: &'a str,
        section: Section,
        sees: impl Fn(Section) -> bool,
        changes: bool,
    ) -> Self {
        let words = say.words;
        let areas = words::areas::of(say.language);
        let entry = |which: Section, path, name, key| {
            let is_here = which == section || which == Section::Settings && section.is_setting();
            sees(which).then_some(Entry { path, name, key, is_here })
        };
        let setting = |which: Section, path, name| {
            let is_here = which == section;
            (section.is_setting() && sees(which)).then_some(Entry { path, name, key: ' ', is_here })
        };
        Self {
            words,
            code: code(say.language),
            direction: if matches!(say.language, Language::Fa) { "rtl" } else { "ltr" },
            operator,
            path,
            // His own sign-in is everybody's to change.
            changes: changes || section == Section::Account,
            menu: [
                entry(Section::Dashboard, "/", words.dashboard, 'd'),
                entry(Section::Users, "/users", words.users, 'u'),
                entry(Section::Nodes, "/nodes", words.nodes, 'n'),
                entry(Section::Plans, "/plans", areas.plans, 'p'),
                entry(Section::Sources, "/sources", areas.sources, 's'),
                entry(Section::Alerts, "/alerts", areas.alerts, 'a'),
                entry(Section::Audit, "/audit", areas.audit, 'l'),
                entry(Section::Settings, "/settings", areas.settings, 'e'),
            ]
            .into_iter()
            .flatten()
            .collect(),
            settings: [
                setting(Section::Settings, "/settings", areas.general),
                setting(Section::Clients, "/settings/clients", areas.clients),
                setting(Section::Operators, "/settings/operators", areas.operators),
                setting(Section::Jobs, "/settings/jobs", areas.jobs),
                setting(Section::Backups, "/settings/backups", areas.backups),
            ]
            .into_iter()
            .flatten()
            .collect(),
            areas,
            is_account: section == Section::Account,
            languages: LANGUAGES.map(|(language, code, name)| Choice {
                code,
                name,
                is_chosen: language == say.language,
            }),
        }
    }

    /// The scripts of every page.
    #[expect(clippy::unused_self, reason = "templates call it as a method")]
    pub(crate) fn scripts(&self) -> [Asset; 2] {
        [asset::LIVE_SCRIPT, asset::PANEL_SCRIPT]
    }
}
