//! What a link or a rule names: a format, or the page.

use serde::{Deserialize, Serialize};

use super::Format;

/// What a client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Given {
    /// The page for people.
    Page,
    /// A list for apps.
    List(Format),
}

/// The page's name where formats have theirs.
const PAGE: &str = "page";

impl Given {
    /// What a path, a query or a rule names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == PAGE { Some(Self::Page) } else { Format::named(name).map(Self::List) }
    }

    /// Its own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Page => PAGE,
            Self::List(format) => format.name(),
        }
    }

    /// Every name that there is, for a message.
    #[must_use]
    pub fn names() -> String {
        format!("{PAGE}, {}", Format::names())
    }

    /// The body's media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Page => "text/html; charset=utf-8",
            Self::List(format) => format.content_type(),
        }
    }
}

impl From<Given> for &'static str {
    fn from(given: Given) -> Self {
        given.name()
    }
}

impl TryFrom<String> for Given {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| format!("unknown format {name}; there are {}", Self::names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_stands_beside_the_formats_and_takes_the_name_of_none() {
        assert_eq!(Given::named("page"), Some(Given::Page));
        assert_eq!(Format::named("page"), None);
        assert_eq!(Given::named("clash").map(Given::name), Some("clash"));
        assert_eq!(Given::named("pigeon"), None);
        assert!(Given::names().starts_with("page, base64, "));
    }
}
