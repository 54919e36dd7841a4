//! What stands around every page: the way to the others, the language, the keyboard.

use super::super::asset::{self, Asset};
use super::say::Say;
use super::words::Words;
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
    /// The menu.
    pub(crate) menu: Vec<Entry>,
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
        let entry = |which, path, name, key| sees(which).then(|| Entry { path, name, key, is_here: which == section });
        Self {
            words,
            code: code(say.language),
            direction: if matches!(say.language, Language::Fa) { "rtl" } else { "ltr" },
            operator,
            path,
            changes,
            menu: [
                entry(Section::Dashboard, "/", words.dashboard, 'd'),
                entry(Section::Users, "/users", words.users, 'u'),
                entry(Section::Nodes, "/nodes", words.nodes, 'n'),
            ]
            .into_iter()
            .flatten()
            .collect(),
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
