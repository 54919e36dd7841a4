//! What may be seen of a channel by those who may not write channels, and quoted by anybody. Many receivers know a sender by nothing but the path or
//! the query of the address that they gave him, so of an address only scheme and host are told.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

use crate::domain::percent;

/// Stands for what is not told.
const MORE: &str = "…";
/// Letters of a part of an address that is hidden by itself; what is shorter is a word, such as `hook` or `v1`, and no secret.
const LEAST: usize = 5;
/// Letters from which on a part is no word that something else could hold.
const LONG: usize = 12;

/// Scheme, host and port of an address, and whether there is more: `https://hooks.example/…`. One that cannot be read shows nothing.
#[must_use]
pub fn shortened(url: &str) -> String {
    let Some((read, host)) = read(url) else { return MORE.to_owned() };
    let port = read.port().map_or_else(String::new, |port| format!(":{port}"));
    let has_more = read.path().len() > 1
        || read.query().is_some()
        || read.fragment().is_some()
        || !read.username().is_empty()
        || read.password().is_some();
    format!("{}://{host}{port}{}", read.scheme(), if has_more { "/…" } else { "" })
}

/// An address of the web, and its host as clients would ask for it.
fn read(url: &str) -> Option<(Url, String)> {
    let read = Url::parse(url).ok().filter(|read| matches!(read.scheme(), "https" | "http"))?;
    let host = read.host_str().filter(|host| !host.is_empty())?.to_owned();
    Some((read, host))
}

/// What must not stand in a text that others read, each with what is written in its place.
#[derive(Default)]
pub struct Hidden(Vec<(String, String)>);

impl Hidden {
    /// With a text that is secret as a whole, such as a token.
    #[must_use]
    pub fn secret(mut self, text: &str) -> Self {
        if !text.is_empty() {
            self.0.push((text.to_owned(), MORE.to_owned()));
        }
        self
    }

    /// With the value of a header, and what follows its scheme (`Bearer`) by itself.
    #[must_use]
    pub fn header(self, value: &str) -> Self {
        value.split(' ').skip(1).filter(|word| word.len() >= LEAST).fold(self.secret(value), Self::secret)
    }

    /// With the texts of a template in which nothing is replaced: some APIs want their key there.
    #[must_use]
    pub fn template(self, template: &Value) -> Self {
        match template {
            Value::String(text) if text.len() >= LEAST && !text.contains(['{', ' ']) => self.secret(text),
            Value::Array(items) => items.iter().fold(self, Self::template),
            Value::Object(fields) => fields.values().fold(self, Self::template),
            _ => self,
        }
    }

    /// With an address: as a whole, its path and query, and each part of them that may be a secret, as it was entered, as clients send it and as
    /// receivers read it.
    #[must_use]
    pub fn address(mut self, url: &str) -> Self {
        let Some((read, _)) = read(url) else { return self.secret(url) };
        let short = shortened(url);
        for whole in [url, read.as_str()] {
            if whole != short && whole.trim_end_matches('/') != short {
                self.0.push((whole.to_owned(), short.clone()));
            }
        }
        let path = read.path();
        let query = read.query().unwrap_or_default();
        if !query.is_empty() {
            self.0.push((format!("{path}?{query}"), "/…".to_owned()));
        }
        if path.len() > 1 {
            self.0.push((path.to_owned(), "/…".to_owned()));
        }
        let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let login = [read.username(), read.password().unwrap_or_default()];
        let parts = path.split('/').chain(values).chain(read.fragment()).chain(login);
        for part in parts.filter(|part| part.len() >= LEAST) {
            self = self.secret(part);
            if let Some(decoded) = percent::decode(part).filter(|decoded| decoded != part) {
                self = self.secret(&decoded);
            }
        }
        self.secret(query)
    }

    /// `text` without any of it.
    #[must_use]
    pub fn taken_from(mut self, text: &str) -> String {
        // The longest first: what is left of one whose part was replaced before would be seen.
        self.0.sort_by_key(|(hidden, _)| core::cmp::Reverse(hidden.len()));
        self.0.iter().fold(text.to_owned(), |text, (hidden, instead)| replaced(&text, hidden, instead).into_owned())
    }
}

/// Replaces a text wherever it stands; a short one where it is a word of its own, so that the path `/a` is not found in `text/answer`.
fn replaced<'a>(text: &'a str, hidden: &str, instead: &str) -> Cow<'a, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let (opens, ends) = (is_word(hidden.chars().next()), is_word(hidden.chars().next_back()));
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(hidden) {
        written.push_str(before);
        let within = (opens && is_word(written.chars().next_back())) || (ends && is_word(after.chars().next()));
        written.push_str(if within && hidden.len() < LONG { hidden } else { instead });
        rest = after;
    }
    written.push_str(rest);
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_told_by_its_scheme_and_host() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/B0/XXXX", "https://hooks.example/…"),
            ("https://hooks.example", "https://hooks.example"),
            ("https://hooks.example/", "https://hooks.example"),
            ("https://hooks.example?key=1", "https://hooks.example/…"),
            ("https://hooks.example/#part", "https://hooks.example/…"),
            ("https://hooks.example:443/a", "https://hooks.example/…"),
            ("https://hooks.example:8443/a", "https://hooks.example:8443/…"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://[2606:4700::1111]/topic", "https://[2606:4700::1111]/…"),
            ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443"),
            ("https://ann:secret@hooks.example", "https://hooks.example/…"),
            ("https://token@hooks.example:8443/", "https://hooks.example:8443/…"),
            ("https://:secret@hooks.example/", "https://hooks.example/…"),
            ("https://evil.example\\@hooks.example/", "https://evil.example/…"),
            ("https://m\u{fc}nchen.example/geheim", "https://xn--mnchen-3ya.example/…"),
            ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
            ("HTTPS://Hooks.Example/A", "https://hooks.example/…"),
        ] {
            assert_eq!(shortened(url), shown, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_of_the_web_shows_nothing() {
        for url in [
            "",
            "secret",
            "https://",
            "ftp://ann:secret@files.example/a",
            "data:text/plain,secret",
            "//hooks.example/a",
        ] {
            assert_eq!(shortened(url), "…", "{url}");
        }
    }

    const HOOK: &str = "https://hooks.example:8443/services/T00000001/geheim%21%21?key=k-123456&v=1";

    fn said(text: &str) -> String {
        Hidden::default().address(HOOK).taken_from(text)
    }

    #[test]
    fn an_error_quotes_no_more_of_an_address_than_its_host() {
        for (text, left) in [
            (format!("cannot load {HOOK}."), "cannot load https://hooks.example:8443/…."),
            ("Cannot POST /services/T00000001/geheim%21%21".into(), "Cannot POST /…"),
            ("no route /services/T00000001/geheim%21%21?key=k-123456&v=1".into(), "no route /…"),
            (r#"{"path":"\/services\/T00000001"}"#.into(), r#"{"path":"\/…\/…"}"#),
            ("the key k-123456 has ended".into(), "the key … has ended"),
            ("geheim!! is unknown".into(), "… is unknown"),
            ("key=k-123456&amp;v=1".into(), "key=…&amp;v=1"),
        ] {
            assert_eq!(said(&text), left, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in ["it answered 500: the service is closed", "v1 of 10", "microservices", ""] {
            assert_eq!(said(text), text);
        }
        assert_eq!(Hidden::default().address("https://a.example/a").taken_from("text/answer, a"), "text/answer, a");
        assert_eq!(
            Hidden::default().address("https://a.example").taken_from("https://a.example, /"),
            "https://a.example, /"
        );
        assert_eq!(Hidden::default().secret("").taken_from("all"), "all");
    }

    #[test]
    fn tokens_and_keys_are_hidden_wherever_they_stand() {
        let hidden = || {
            let template = json!({ "api_key": "sg-12345", "to": ["{to}"], "note": "two words", "deep": [{ "key": "deep-12345" }] });
            Hidden::default().secret("123456:AAHdqTcvCH1vGWJxfSeo").header("Bearer tok_98765").template(&template)
        };
        let says = |text: &str| hidden().taken_from(text);
        assert_eq!(
            says("https://t.example/bot123456:AAHdqTcvCH1vGWJxfSeo/sendMessage"),
            "https://t.example/bot…/sendMessage"
        );
        assert_eq!(says("authorization: Bearer tok_98765"), "authorization: …");
        assert_eq!(says("tok_98765, sg-12345, deep-12345 and two words"), "…, …, … and two words");
    }
}
