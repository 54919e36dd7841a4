//! The sign-in page.

use askama::Template;

use super::asset;
use super::panel::words::login as words;
use crate::domain::notice::texts::Language;
use crate::domain::page::language::{LANGUAGES, code, digits};

/// Why a sign-in was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Name or password.
    Wrong,
    /// The code of the second factor.
    Code,
    /// The passkey.
    Passkey,
    /// The second factor came too late.
    Late,
    /// Too many attempts: minutes to wait.
    Often(u32),
}

/// `GET /login`, and what a refused sign-in sees.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct Login {
    words: &'static words::Login,
    code: &'static str,
    direction: &'static str,
    /// What was typed as name.
    name: String,
    problem: Option<String>,
    ticket: Option<String>,
    has_passkeys: bool,
}

impl Login {
    /// Asks for name and password, and for a passkey where the panel has a host name to which browsers bind one.
    pub(crate) fn new(language: Language, has_passkeys: bool) -> Self {
        Self {
            words: words::of(language),
            code: code(language),
            direction: if matches!(language, Language::Fa) { "rtl" } else { "ltr" },
            name: String::new(),
            problem: None,
            ticket: None,
            has_passkeys,
        }
    }

    /// Name and password were right: the second factor is asked for, with which this comes back.
    pub(crate) fn with_ticket(self, ticket: Option<String>) -> Self {
        Self { ticket, ..self }
    }

    /// The sign-in of this name was refused.
    pub(crate) fn refused(self, name: String, problem: Problem) -> Self {
        let words = self.words;
        let language =
            LANGUAGES.iter().find(|(_, code, _)| *code == self.code).map_or(Language::En, |(language, _, _)| *language);
        let problem = match problem {
            Problem::Wrong => words.wrong.to_owned(),
            Problem::Code => words.wrong_code.to_owned(),
            Problem::Passkey => words.wrong_passkey.to_owned(),
            Problem::Late => words.too_late.to_owned(),
            Problem::Often(minutes) => words.too_often.replace("{minutes}", &digits(&minutes.to_string(), language)),
        };
        Self { name, problem: Some(problem), ..self }
    }

    /// Every language with its own name.
    #[expect(clippy::unused_self, reason = "templates call it as a method")]
    fn languages(&self) -> [(&'static str, &'static str); 4] {
        LANGUAGES.map(|(_, code, name)| (code, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_wherever_they_stand() {
        for (language, _, _) in LANGUAGES {
            let login = Login::new(language, true).refused("\"><script>".into(), Problem::Wrong);
            let html = login.render().unwrap();
            assert!(!html.contains("\"><script>"), "{html}");
        }
    }

    #[test]
    fn how_long_to_wait_is_told_in_the_readers_digits() {
        let html = |language| Login::new(language, false).refused(String::new(), Problem::Often(15)).render().unwrap();
        assert!(html(Language::En).contains("Try again in 15 min."));
        assert!(html(Language::Fa).contains("۱۵ دقیقهٔ دیگر"));
    }
}
