//! What all share links have in common: `scheme://user@host:port/path?parameters#name`, and what may be wrong with one.
//!
//! The protocols themselves stand in [`super::endpoint`].

mod base64;
mod params;
mod reason;
mod url;

pub use base64::{lenient, lenient_text};
pub use params::Params;
pub use reason::Reason;
pub(crate) use url::clean_name;
pub use url::{NAME, Url, port_number};

use super::percent;

/// Decodes `%XX` once; a text that is no such encoding stands for itself, as clients take it.
#[must_use]
pub fn decoded(text: &str) -> String {
    percent::decode(text).unwrap_or_else(|| text.to_owned())
}
