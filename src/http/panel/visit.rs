//! Who visits a page, and in which language.

use worker::{Request, Response};

use super::go_to;
use crate::domain::audit::Actor;
use crate::domain::notice::texts::Language;
use crate::domain::page::language::{code, named, preferred};
use crate::domain::percent::form_field;
use crate::domain::role::Reach;
use crate::http::auth::{self, Session};
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::views::panel::{Say, Section, Shell};

/// The cookie that keeps a language that was chosen. It is no secret and decides nothing else.
const COOKIE: &str = "language";
/// Seconds for which it is kept: a year.
const KEPT: u32 = 31_536_000;

/// An operator who looks at a page.
pub(super) struct Visit {
    /// How to speak to him.
    pub(super) say: Say,
    /// Whether a script asks for the part of the page that refreshes itself.
    pub(super) wants_part: bool,
    /// Who he is.
    pub(super) session: Session,
    path: String,
}

impl Visit {
    /// The visit, if somebody is signed in. Rows read: 2.
    pub(super) async fn of(request: &Request, call: &Call) -> Result<Option<Self>, Failure> {
        let Some(session) = auth::session(request, call).await? else { return Ok(None) };
        let url = request.inner().url();
        let path = url
            .find("://")
            .and_then(|at| url.get(at + 3..))
            .and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)));
        Ok(Some(Self {
            say: Say::new(language(request)?, settings::zone(&call.env), call.now),
            wants_part: request.headers().get("weir-part")?.as_deref() == Some("live"),
            session,
            path: path.unwrap_or("/").to_owned(),
        }))
    }

    /// What stands around a page of a section.
    pub(super) fn shell(&self, section: Section) -> Shell<'_> {
        // A reseller's panel is his users.
        let sees = |section| match section {
            Section::Dashboard => self.may("stats:read"),
            Section::Users | Section::Account => true,
            Section::Nodes => self.may("nodes:read"),
            Section::Plans => self.may("plans:read"),
            Section::Sources | Section::Settings | Section::Clients | Section::Jobs => self.may("settings:read"),
            Section::Alerts => self.may("channels:read"),
            Section::Audit => self.may("audit:read"),
            Section::Operators => self.may("operators:read"),
            Section::Backups => self.may("backup:write"),
        };
        let changes = self.session.role.reach("users:write") != Reach::None;
        Shell::new(&self.say, &self.session.name, &self.path, section, sees, changes)
    }

    /// Whether he reaches an action everywhere.
    pub(super) fn may(&self, action: &'static str) -> bool {
        self.session.may(action)
    }

    /// Refuses the page to whom does not.
    pub(super) fn ask(&self, action: &'static str) -> Result<(), Failure> {
        self.session.ask(action)
    }

    /// Him as one who does something with users: with everybody's, or with his own alone ([`Actor::only`]).
    pub(super) fn actor(&self, request: &Request, action: &'static str) -> Result<Actor, Failure> {
        self.session.reaching(request, action)
    }
}

/// The language that was chosen, else the one that the browser prefers.
pub(super) fn language(request: &Request) -> Result<Language, Failure> {
    let cookies = request.headers().get("cookie")?.unwrap_or_default();
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let chosen = pairs.find(|(key, _)| *key == COOKIE).and_then(|(_, value)| named(value));
    let accepted = request.headers().get("accept-language")?.unwrap_or_default();
    Ok(chosen.unwrap_or_else(|| preferred(&accepted)))
}

/// The language of the page that made a call; none for a program, which has no session.
pub(crate) fn of_page(request: &Request) -> Option<Language> {
    auth::has_session(request).then(|| language(request).ok()).flatten()
}

/// `POST /language`
///
/// Keeps the `language` in a cookie and goes `back` to a page of the panel. Rows read: 0.
pub(crate) async fn choose(mut request: Request) -> Result<Response, Failure> {
    if !auth::is_own_origin(&request)? {
        return Err(Failure::Foreign);
    }
    let form = body::form(&mut request).await?;
    let chosen = form_field(&form, "language").and_then(|code| named(&code));
    let chosen = chosen.ok_or_else(|| Failure::invalid("language", "en, zh, ru or fa"))?;
    let response = go_to(own_path(&form_field(&form, "back").unwrap_or_default()))?;
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={KEPT}", code(chosen));
    response.headers().set("set-cookie", &cookie)?;
    Ok(response)
}

/// A path of this panel, whatever was asked for: never the address of another site.
fn own_path(asked: &str) -> &str {
    let is_path = asked.starts_with('/') && !asked.starts_with("//");
    let is_plain = asked.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_path && is_plain { asked } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leaves_the_panel() {
        assert_eq!(own_path("/users?q=ann"), "/users?q=ann");
        for foreign in ["", "//evil.example", "/\\evil.example", "https://evil.example", "users", "/a\nb", "/\tb"] {
            assert_eq!(own_path(foreign), "/", "{foreign}");
        }
    }
}
