//! The own API, `/api/v1/...`: bytes are integers, instants unix seconds, errors `{"error":{"code","message","field"}}`.

pub(crate) mod aliases;
pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod bulk;
pub(crate) mod channels;
pub(crate) mod client_rules;
pub(crate) mod credentials;
pub(crate) mod deliveries;
pub(crate) mod devices;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod me;
mod me_passkeys;
pub(crate) mod node_addresses;
pub(crate) mod nodes;
pub(crate) mod operators;
pub(crate) mod owner;
pub(crate) mod packages;
pub(crate) mod plan_changes;
pub(crate) mod plans;
pub(crate) mod resets;
pub(crate) mod settings;
pub(crate) mod sharing;
pub(crate) mod usage;
pub(crate) mod user_body;
mod user_json;
pub(crate) mod user_subscription;
pub(crate) mod users;

use worker::Request;

use super::address::parameter;
use super::failure::Failure;
use crate::domain::percent;

/// Items of a list at most, and without being asked.
const MOST_ITEMS: u32 = 200;
const ITEMS: u32 = 50;

/// A query parameter that is a number from `least` to `most`.
fn number(request: &Request, name: &'static str, default: u32, least: u32, most: u32) -> Result<u32, Failure> {
    let Some(text) = parameter(request, name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| Failure::invalid(name, format!("an integer from {least} to {most}")))
}

/// A segment of the path as text.
fn segment(text: &str) -> Result<String, Failure> {
    percent::decode(text).ok_or(Failure::NotFound("page"))
}
