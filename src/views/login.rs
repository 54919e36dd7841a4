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
    /// Name and password were right: what comes back with the second factor, which is asked for.
    pub(crate) ticket: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_wherever_they_stand() {
        let html = Login { name: "\"><script>".into(), problem: Some("<b>".into()), ticket: None }.render().unwrap();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }
}
