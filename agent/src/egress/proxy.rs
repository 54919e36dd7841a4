//! A proxy that leads out.

use core::fmt;
use core::str::FromStr;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use serde::Deserialize;

/// An HTTP proxy that opens tunnels (`CONNECT`): `http://[user:password@]host:port`. What passes is TLS with the panel, so
/// it learns the panel's name and nothing else.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Proxy(String);

/// A text that names no proxy of the kind that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAProxy;

impl fmt::Display for NotAProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be like http://proxy.example:3128 or http://user:password@proxy.example:3128, a proxy that knows CONNECT")
    }
}

impl std::error::Error for NotAProxy {}

/// It may hold a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(..)")
    }
}

impl FromStr for Proxy {
    type Err = NotAProxy;

    fn from_str(text: &str) -> Result<Self, NotAProxy> {
        let uri: Uri = text.parse().map_err(|_| NotAProxy)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if uri.scheme_str() == Some("http") && has_host && is_bare { Ok(Self(text.to_owned())) } else { Err(NotAProxy) }
    }
}

impl TryFrom<String> for Proxy {
    type Error = NotAProxy;

    fn try_from(text: String) -> Result<Self, NotAProxy> {
        text.parse()
    }
}

impl Proxy {
    /// The proxy that `HTTPS_PROXY` or `ALL_PROXY`, in either case, names for the panel, unless `NO_PROXY` does.
    ///
    /// # Errors
    /// It is of a kind that cannot be used; the sentence names the variable.
    pub(super) fn of_environment(panel: &str) -> Result<Option<Self>, String> {
        let panel: Uri = panel.parse().map_err(|_| "the panel's URL".to_owned())?;
        let Some(found) = Matcher::from_env().intercept(&panel) else { return Ok(None) };
        // With the password, which the match hands out apart.
        let named = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let (name, value) = named
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name, value)))
            .unwrap_or(("HTTPS_PROXY", found.uri().to_string()));
        let value = if value.contains("://") { value } else { format!("http://{value}") };
        value.parse().map(Some).map_err(|wrong| format!("{name}: {wrong}"))
    }

    /// What opens connections through it.
    pub(super) fn tunnel(&self, connector: HttpConnector) -> Tunnel<HttpConnector> {
        let any = Uri::from_static("https://panel.invalid");
        let found = Matcher::builder().all(self.0.clone()).build().intercept(&any);
        let address = found.as_ref().map(Intercept::uri).cloned().unwrap_or_default();
        let tunnel = Tunnel::new(address, connector);
        match found.as_ref().and_then(Intercept::basic_auth) {
            Some(login) => tunnel.with_auth(login.clone()),
            None => tunnel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_http_proxy_can_be_used() {
        for good in
            ["http://127.0.0.1:3128", "http://proxy.example:3128/", "http://user:pa%40ss@[::1]:80", "http://proxy"]
        {
            assert!(good.parse::<Proxy>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "proxy.example:3128",
            "https://proxy.example",
            "socks5://127.0.0.1:1080",
            "http://p/x",
            "http://p?x",
            "http://",
        ] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
    }

    #[test]
    fn its_password_is_not_told() {
        let proxy: Proxy = "http://user:secret@proxy.example:3128".parse().unwrap();
        assert!(!format!("{proxy:?}").contains("secret"));
    }
}
