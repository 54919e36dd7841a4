//! The address that a request was sent to.
//!
//! The runtime has parsed and normalised it already, so it is only cut here: the parser behind `Request::url` would add
//! the tables for host names of all alphabets to the Worker.

use worker::Request;

use crate::domain::percent::{form_field, form_fields};

/// Scheme, host and port, as a browser's `Origin` names them.
pub(crate) fn origin(request: &Request) -> String {
    origin_of(&request.inner().url()).to_owned()
}

/// The value of one query parameter; the first when it comes twice.
pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    form_field(query_of(&request.inner().url()), name)
}

/// The values of a query parameter that may come several times.
pub(crate) fn parameters(request: &Request, name: &str) -> Vec<String> {
    form_fields(query_of(&request.inner().url()), name).collect()
}

fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |length| host + length);
    url.get(..end).unwrap_or(url)
}

fn query_of(url: &str) -> &str {
    let plain = url.split('#').next().unwrap_or_default();
    plain.split_once('?').map_or("", |(_, query)| query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_stands_before_the_path() {
        for rest in ["/", "/a/b?c=/d", "?c", "#c", ""] {
            assert_eq!(origin_of(&format!("http://127.0.0.1:8787{rest}")), "http://127.0.0.1:8787");
        }
        assert_eq!(origin_of("https://[::1]/x"), "https://[::1]");
    }

    #[test]
    fn a_query_ends_with_the_fragment() {
        assert_eq!(query_of("https://a/b?c=d?e&f#g?h"), "c=d?e&f");
        assert_eq!(query_of("https://a/b#c?d"), "");
    }
}
