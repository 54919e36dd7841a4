//! A direct config as it is read, shown, and told to the log.

use serde_json::{Value, json};

use crate::domain::audit::{Facts, Secret};
use crate::domain::xpert::figures::stamp;
use crate::domain::xpert::link::Link;
use crate::http::failure::Failure;
use crate::store::xpert_direct::{Config, New};

/// Longest note, in characters.
const REMARKS: usize = 200;

pub(super) fn shown(config: &Config) -> Value {
    json!({
        "id": config.id,
        "raw": config.raw,
        "protocol": config.protocol,
        "server": config.server,
        "port": config.port,
        "name": config.name,
        "remarks": config.remarks,
        "is_active": config.is_active == 1,
        "is_permanent": config.is_permanent == 1,
        "position": config.position,
        "added_at": stamp(config.added_at),
    })
}

/// A line as a link, or why it is none, in words.
pub(super) fn read(raw: &str) -> Result<Link, String> {
    match Link::read(raw) {
        Ok(Some(link)) => Ok(link),
        Ok(None) => Err("an empty line or a comment is no link".into()),
        Err(reason) => Err(reason.to_string()),
    }
}

pub(super) fn new<'a>(link: &'a Link, remarks: Option<&'a str>) -> New<'a> {
    New {
        raw: &link.text,
        protocol: link.protocol(),
        server: link.endpoint.server.as_str(),
        port: link.endpoint.port,
        name: &link.endpoint.name,
        remarks,
    }
}

pub(super) fn check(remarks: Option<&str>) -> Result<(), Failure> {
    let fits = |text: &str| text.chars().count() <= REMARKS && text.chars().all(|c| !c.is_control());
    if remarks.is_none_or(fits) { Ok(()) } else { Err(Failure::invalid("remarks", "at most 200 printable characters")) }
}

/// What the audit log tells of a link: who has the link itself can use it.
pub(super) fn link_facts(link: &New<'_>) -> Facts {
    Facts::new()
        .plain("protocol", link.protocol)
        .plain("server", link.server)
        .plain("port", link.port)
        .plain("name", link.name)
        .hidden("raw", Secret::new(link.raw))
}

pub(super) fn facts(config: &Config) -> Facts {
    Facts::new()
        .plain("protocol", config.protocol.as_str())
        .plain("server", config.server.as_str())
        .plain("port", config.port)
        .plain("name", config.name.as_str())
        .hidden("raw", Secret::new(config.raw.as_str()))
        .plain("remarks", config.remarks.as_str())
        .plain("is_active", config.is_active == 1)
        .plain("is_permanent", config.is_permanent == 1)
}
