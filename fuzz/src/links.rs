//! Share links of every protocol: what was read can be written, and what was written reads as the same.
//!
//! An input is a line of a list. As base64 hides from a fuzzer what it could change, `scheme:=text` stands for `scheme://` and the
//! text in base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir::domain::endpoint::{Endpoint, Protocol};
use weir::domain::link::Reason;
use weir::domain::xpert::link::Link;

/// Longest line that is read, in bytes.
const LONGEST: usize = 8 * 1024;
/// A parameter that no protocol knows, with a value that needs every escape.
const UNKNOWN: (&str, &str) = ("x-nobody-knows", "a b&c=d#e%41+\u{e9}\n");

/// Reads a line, and what it reads as once it was written.
///
/// # Panics
/// Something is lost on the way.
pub fn check(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let line = line(text);
    let Ok(Some(endpoint)) = Endpoint::read(&line) else {
        assert!(!matches!(Link::read(&line), Ok(Some(_))), "refused as an endpoint and taken as a link: {line:?}");
        return;
    };
    again(&endpoint);
    let mut more = endpoint.clone();
    if more.unknown.iter().all(|(name, _)| name != UNKNOWN.0) {
        more.unknown.push((UNKNOWN.0.to_owned(), UNKNOWN.1.to_owned()));
        // JSON has no order of its own.
        if matches!(more.protocol, Protocol::Vmess(_)) {
            more.unknown.sort();
        }
        if more.link().len() <= LONGEST {
            again(&more);
        }
    }
    let Ok(Some(taken)) = Link::read(&line) else { return };
    assert_eq!(taken.endpoint, endpoint);
    let named = taken.named("One");
    // A link that had no name has a longer one then.
    if named.len() > LONGEST {
        assert_eq!(Link::read(&named), Err(Reason::TooLong));
        return;
    }
    let named = Link::read(&named).expect("a link can be renamed").expect("a link stays one");
    assert_eq!((named.endpoint.name.as_str(), named.key()), ("One", taken.key()));
}

/// Writes an endpoint and reads what was written.
pub(crate) fn again(endpoint: &Endpoint) {
    let link = endpoint.link();
    assert!(link.bytes().all(|byte| byte.is_ascii_graphic()), "more than one line of ASCII: {link:?}");
    assert_eq!(Endpoint::read(&link).as_ref(), Ok(&Some(endpoint.clone())), "{link}");
}

/// The line that an input stands for.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    match text.split_once(":=") {
        Some((scheme, plain)) if scheme.len() <= 16 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Cow::Owned(format!("{scheme}://{}", STANDARD.encode(plain)))
        }
        _ => Cow::Borrowed(text),
    }
}
