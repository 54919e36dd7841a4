//! Forms that change a node, and the addresses that clients are given for its inbounds.

use askama::Template;
use serde_json::{Value, json};

use super::super::asset;
use super::say::Say;
use super::shell::Shell;
use super::words::Words;
use super::words::node_edit::{self, NodeEdit};
use crate::domain::endpoint::Address;

/// An address in the list.
pub(crate) struct AddressRow {
    /// Its number.
    pub(crate) id: i64,
    /// Whether it is in links.
    pub(crate) is_active: bool,
    /// What it says.
    pub(crate) address: Address,
}

/// An inbound that the node has told.
pub(crate) struct InboundFacts {
    /// Its tag.
    pub(crate) tag: String,
    /// Why no link is made of it; of the API, in English.
    pub(crate) why_not: Option<&'static str>,
}

/// A line of the list, with what its buttons send.
struct Line {
    id: i64,
    text: String,
    inbound: String,
    remark: String,
    is_active: bool,
    switch: String,
    up: Option<String>,
    down: Option<String>,
}

/// `GET /nodes/{id}/edit`
#[derive(Template)]
#[template(path = "panel/edit_node.html")]
pub(crate) struct EditNode<'a> {
    shell: Shell<'a>,
    own: &'static NodeEdit,
    id: u32,
    name: &'a str,
    address: &'a str,
    country: &'a str,
    title: String,
    live: EditNodeLive,
}

impl<'a> EditNode<'a> {
    /// As it stands: its number, name, address and country.
    pub(crate) fn new(
        shell: Shell<'a>,
        (id, name, address, country): (u32, &'a str, &'a str, &'a str),
        live: EditNodeLive,
    ) -> Self {
        let own = live.own;
        Self { title: own.edit_node.replace("{name}", name), shell, own, id, name, address, country, live }
    }
}

/// The addresses, which buttons change.
#[derive(Template)]
#[template(path = "panel/edit_node_live.html")]
pub(crate) struct EditNodeLive {
    words: &'static Words,
    own: &'static NodeEdit,
    id: u32,
    lines: Vec<Line>,
    inbounds: Vec<InboundFacts>,
}

impl EditNodeLive {
    /// Of a node of this number and address.
    pub(crate) fn new(
        (id, address): (u32, &str),
        rows: Vec<AddressRow>,
        inbounds: Vec<InboundFacts>,
        say: &Say,
    ) -> Self {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let line = |(place, row): (usize, AddressRow)| Line {
            id: row.id,
            text: place_of(&row.address, address),
            remark: row.address.remark.as_ref().map_or_else(String::new, |remark| remark.as_str().to_owned()),
            inbound: row.address.inbound,
            is_active: row.is_active,
            switch: json!({ "active": !row.is_active }).to_string(),
            up: place.checked_sub(1).and_then(|other| swapped(&ids, place, other)),
            down: place.checked_add(1).and_then(|other| swapped(&ids, place, other)),
        };
        let lines = rows.into_iter().enumerate().map(line).collect();
        Self { words: say.words, own: node_edit::of(say.language), id, lines, inbounds }
    }
}

/// Host and port of an address.
fn place_of(address: &Address, own: &str) -> String {
    let host = address.address.as_ref().map_or(own, |host| host.as_str());
    address.port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The order that the API is asked for, when two have changed places.
fn swapped(ids: &[i64], one: usize, other: usize) -> Option<String> {
    (other < ids.len()).then(|| {
        let mut ids = ids.to_vec();
        ids.swap(one, other);
        json!({ "ids": ids }).to_string()
    })
}

/// `GET /nodes/{id}/addresses/{address}`, and `new` instead of a number
#[derive(Template)]
#[template(path = "panel/address.html")]
pub(crate) struct AddressPage<'a> {
    shell: Shell<'a>,
    own: &'static NodeEdit,
    node: u32,
    title: String,
    back: String,
    /// None of one that is to be added.
    id: Option<i64>,
    fields: Value,
    is_active: bool,
    inbounds: Vec<(String, String)>,
    plans: Vec<(String, bool)>,
    fingerprints: Vec<(&'static str, &'static str)>,
    securities: [(&'static str, &'static str); 3],
}

/// What the API takes as a fingerprint.
const FINGERPRINTS: [&str; 10] =
    ["chrome", "firefox", "edge", "safari", "360", "qq", "ios", "android", "random", "randomized"];

impl<'a> AddressPage<'a> {
    /// As it stands, or a new one.
    pub(crate) fn new(
        shell: Shell<'a>,
        (node, name): (u32, &str),
        row: Option<&AddressRow>,
        tags: Vec<String>,
        plans: &[String],
        say: &Say,
    ) -> Self {
        let own = node_edit::of(say.language);
        let title = if row.is_some() { own.edit_address.replace("{name}", name) } else { own.add_address.to_owned() };
        let fields = row.and_then(|row| serde_json::to_value(&row.address).ok()).unwrap_or_default();
        let has = |plan: &str| {
            let listed = row
                .as_ref()
                .is_some_and(|row| row.address.plans.iter().any(|one| one.as_str().eq_ignore_ascii_case(plan)));
            (plan.to_owned(), listed)
        };
        Self {
            plans: plans.iter().map(|plan| has(plan)).collect(),
            back: own.to_node.replace("{name}", name),
            inbounds: tags.into_iter().map(|tag| (tag.clone(), tag)).collect(),
            fingerprints: core::iter::once(("", own.as_inbound)).chain(FINGERPRINTS.map(|name| (name, name))).collect(),
            securities: [("", own.as_inbound), ("none", own.plain), ("tls", own.tls)],
            id: row.map(|row| row.id),
            is_active: row.is_none_or(|row| row.is_active),
            shell,
            own,
            node,
            title,
            fields,
        }
    }

    /// A field as the form shows it.
    fn text(&self, field: &str) -> String {
        match self.fields.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// `data-empty` of a field: what was said before is taken back, what was never said is left out.
    const fn empty(&self) -> &'static str {
        if self.id.is_some() { "null" } else { "-" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_sends_the_whole_order_with_two_changed() {
        assert_eq!(swapped(&[4, 7, 9], 2, 1).unwrap(), r#"{"ids":[4,9,7]}"#);
        assert_eq!(swapped(&[4, 7, 9], 2, 3), None);
    }
}
