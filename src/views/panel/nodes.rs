//! The nodes, and one of them.

use askama::Template;

use super::super::asset;
use super::super::node::NodeView;
use super::super::subscription::chart::{Chart, chart};
use super::say::Say;
use super::shell::Shell;
use super::words::Words;
use crate::domain::history::Bucket;

/// `GET /nodes`
#[derive(Template)]
#[template(path = "panel/nodes.html")]
pub(crate) struct Nodes<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The part that refreshes itself.
    pub(crate) live: NodesLive<'a>,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/nodes_live.html")]
pub(crate) struct NodesLive<'a> {
    /// The words.
    pub(crate) words: &'static Words,
    /// All that are not deleted.
    pub(crate) nodes: Vec<NodeView<'a>>,
}

/// `GET /nodes/{id}`
#[derive(Template)]
#[template(path = "panel/node.html")]
pub(crate) struct NodePage<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// Its number.
    pub(crate) id: u32,
    /// Its name.
    pub(crate) name: &'a str,
    /// "Delete Frankfurt?"
    pub(crate) delete_ask: String,
    /// The part that refreshes itself.
    pub(crate) live: NodePageLive<'a>,
}

/// An address of its own that clients are given for an inbound.
pub(crate) struct AddressLine {
    /// Host, with the port if it has one of its own.
    pub(crate) address: String,
    /// The inbound's tag.
    pub(crate) inbound: String,
    /// What clients call it.
    pub(crate) remark: String,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/node_live.html")]
pub(crate) struct NodePageLive<'a> {
    words: &'static Words,
    node: NodeView<'a>,
    chart: Option<Chart>,
    /// Tag, protocol, port.
    inbounds: Vec<(String, String, String)>,
    addresses: Vec<AddressLine>,
    coefficient: String,
    country: Option<&'a str>,
}

impl<'a> NodePageLive<'a> {
    /// Puts what is known of the node into words.
    pub(crate) fn new(
        node: NodeView<'a>,
        (coefficient, country): (u32, Option<&'a str>),
        days: &[Bucket],
        inbounds: Vec<(String, String, String)>,
        addresses: Vec<AddressLine>,
        say: &Say,
    ) -> Self {
        Self {
            words: say.words,
            node,
            chart: chart(days, say.now, say.language),
            inbounds,
            addresses,
            coefficient: format!("{}\u{a0}‰", say.count(coefficient.into())),
            country,
        }
    }
}
