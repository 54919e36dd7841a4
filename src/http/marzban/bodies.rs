//! How bodies of Marzban's clients are read, for the fuzz targets (docs/fuzzing.md): the readers stand beside their handlers, and nothing
//! else reaches them from outside.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::host_body::{HostBody, checked};
use super::user_body::Said;
use crate::domain::marzban::hosts::Host;
use crate::http::body;
use crate::http::failure::Failure;

/// Reads what is said of a user, in a creation or in a change.
///
/// # Errors
/// The status of the refusal, and its sentence.
pub fn user(text: &[u8], is_new: bool) -> Result<(), (u16, String)> {
    let body: Map<String, Value> = body::parse(text).map_err(|failure| told(&failure))?;
    Said::read(Fields(&body), is_new).map(drop).map_err(|failure| told(&failure))
}

/// Reads hosts by tag.
///
/// # Errors
/// The status of the refusal, and its sentence.
pub fn hosts(text: &[u8]) -> Result<BTreeMap<String, Vec<Host>>, (u16, String)> {
    let said: BTreeMap<String, Vec<HostBody>> = body::parse(text).map_err(|failure| told(&failure))?;
    checked(said).map_err(|failure| told(&failure))
}

fn told(failure: &Failure) -> (u16, String) {
    let (status, _, sentence) = failure.describe();
    (status, sentence)
}
