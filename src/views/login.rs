//! The sign-in page.

use askama::Template;

use super::asset;

/// `GET /login`, and what a refused sign-in sees.
#[derive(Default, Template)]
#[template(path = "login.html")]
pub(crate) struct Login {
    /// What was typed as name.
    pub(crate) name: String,
    /// Why the sign-in was refused.
    pub(crate) problem: Option<String>,
}
