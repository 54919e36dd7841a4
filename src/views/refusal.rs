//! What a browser sees of a request that was not done.

use askama::Template;

use super::asset;

/// A page that says what went wrong.
#[derive(Template)]
#[template(path = "refusal.html")]
pub(crate) struct Refusal {
    /// In short.
    pub(crate) title: &'static str,
    /// The sentence for people.
    pub(crate) message: String,
}
