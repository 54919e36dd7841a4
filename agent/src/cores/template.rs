//! What the operator's templates have in common, whatever core they are for: a JSON object that may carry a key for the agent.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::CoreError;
use super::json::{list, text};

/// The template's key for the agent.
pub(super) const MARKS: &str = "weir";

/// A [`CoreError::Config`] that says where in the template the fault is.
pub(super) fn wrong(place: &str, rule: &str) -> CoreError {
    CoreError::Config(format!("template {place}: {rule}"))
}

/// The text of a template.
///
/// # Errors
/// [`CoreError::Config`] when it cannot be read.
pub(super) fn read(path: &Path) -> Result<String, CoreError> {
    fs::read_to_string(path).map_err(|why| CoreError::Config(format!("template {}: {why}", path.display())))
}

/// The configuration in a template, and what the agent's key says.
///
/// # Errors
/// [`CoreError::Config`] when either has not its form.
pub(super) fn parse<M: DeserializeOwned + Default>(json: &str) -> Result<(Map<String, Value>, M), CoreError> {
    let mut config: Map<String, Value> = serde_json::from_str(json)
        .map_err(|why| CoreError::Config(format!("the template is not a JSON object without comments: {why}")))?;
    let marks = match config.remove(MARKS) {
        Some(marks) => serde_json::from_value(marks).map_err(|why| wrong(MARKS, &why.to_string()))?,
        None => M::default(),
    };
    Ok((config, marks))
}

/// Whether there is an inbound of every tag that stands under a key of the agent's.
///
/// # Errors
/// [`CoreError::Config`] naming the key and the tag.
pub(super) fn check_tags(config: &Map<String, Value>, key: &str, marked: &[String]) -> Result<(), CoreError> {
    let tags: Vec<&str> = list(config, "inbounds").iter().map(|inbound| text(inbound, "tag")).collect();
    match marked.iter().find(|tag| !tags.contains(&tag.as_str())) {
        Some(tag) => Err(wrong(&format!("{MARKS}.{key}"), &format!("there is no inbound {tag:?}"))),
        None => Ok(()),
    }
}
