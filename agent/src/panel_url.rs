//! Where the panel is.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use http::Uri;
use serde::{Deserialize, Serialize};

/// A panel's base URL without a trailing slash: `https`, or `http` on loopback only, because the node key and every
/// slot's secret travel on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PanelUrl(String);

/// The text is no URL that an agent may talk to; the sentence says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAPanelUrl(&'static str);

impl fmt::Display for NotAPanelUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotAPanelUrl {}

impl FromStr for PanelUrl {
    type Err = NotAPanelUrl;

    fn from_str(text: &str) -> Result<Self, NotAPanelUrl> {
        let text = text.trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|_| NotAPanelUrl("the panel's URL must be like https://panel.example"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(NotAPanelUrl("the panel's URL must name a host, like https://panel.example"))?;
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(NotAPanelUrl("the panel's URL must hold no user and no query"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(Self(text.to_owned())),
            Some("http") if is_loopback(host) => Ok(Self(text.to_owned())),
            _ => Err(NotAPanelUrl("the panel's URL must begin with https:// (http:// only on loopback)")),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl TryFrom<String> for PanelUrl {
    type Error = NotAPanelUrl;

    fn try_from(text: String) -> Result<Self, NotAPanelUrl> {
        text.parse()
    }
}

impl From<PanelUrl> for String {
    fn from(url: PanelUrl) -> Self {
        url.0
    }
}

impl fmt::Display for PanelUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PanelUrl {
    /// Whether no certificate is involved: `http`, which is for loopback.
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// The address of one of the panel's pages; `path` begins with a slash.
    #[must_use]
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in ["https://panel.example", "http://127.0.0.1:8787/", "http://[::1]:80", "http://localhost:1"] {
            assert!(good.parse::<PanelUrl>().is_ok(), "{good}");
        }
        for bad in [
            "http://panel.example",
            "http://127.0.0.1.example",
            "panel.example",
            "ftp://x",
            "",
            "https://",
            "https://u:p@x",
            "https://x?y",
        ] {
            assert!(bad.parse::<PanelUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trailing_slash_does_not_double() {
        let url: PanelUrl = "https://panel.example/weir/".parse().unwrap();
        assert_eq!(url.join("/agent/v1/sync"), "https://panel.example/weir/agent/v1/sync");
    }
}
