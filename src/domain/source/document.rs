//! Which client a configuration is for, and where its servers stand in it.

use serde_json::Value;

use super::ladder::Format;
use super::tree::Tree;
use super::{xray, yaml};

/// Servers with a name that stands elsewhere, still to be read.
pub(super) type Nodes = Vec<(Option<String>, Tree)>;

/// The servers of a document; none if it is none that we know.
pub(super) fn nodes(text: &str) -> Option<(Format, Nodes)> {
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        return json(value.into());
    }
    match yaml::proxies(text)? {
        Tree::List(items) => Some((Format::Clash, nameless(items))),
        _ => None,
    }
}

fn nameless(items: Vec<Tree>) -> Nodes {
    items.into_iter().map(|item| (None, item)).collect()
}

fn json(document: Tree) -> Option<(Format, Nodes)> {
    if let Tree::List(items) = document {
        return list(items);
    }
    let first = document.get("outbounds").first();
    if first.get("protocol").is_there() {
        return Some((Format::Xray, xray::outbounds(document)));
    }
    if first.get("type").is_there() || document.get("endpoints").first().get("type").is_there() {
        let Tree::Map(pairs) = document else { return None };
        let (mut outbounds, mut endpoints) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            match (key.as_str(), value) {
                ("outbounds", Tree::List(items)) => outbounds = items,
                ("endpoints", Tree::List(items)) => endpoints = items,
                _ => {}
            }
        }
        outbounds.append(&mut endpoints);
        return Some((Format::SingBox, nameless(outbounds)));
    }
    if !document.get("servers").items().is_empty() {
        return list(if let Tree::List(items) = document.take("servers") { items } else { Vec::new() });
    }
    if !document.get("proxies").items().is_empty() {
        return Some((
            Format::Clash,
            nameless(if let Tree::List(items) = document.take("proxies") { items } else { Vec::new() }),
        ));
    }
    is_sip008(&document).then(|| (Format::Sip008, nameless(vec![document])))
}

fn is_sip008(server: &Tree) -> bool {
    ["server", "server_port", "method"].iter().all(|key| server.get(key).is_there())
}

/// A list of whole configurations or of servers: the first says which.
fn list(items: Vec<Tree>) -> Option<(Format, Nodes)> {
    let first = items.first()?;
    if first.get("outbounds").first().get("protocol").is_there() {
        Some((Format::Xray, items.into_iter().flat_map(xray::outbounds).collect()))
    } else if first.get("protocol").is_there() {
        Some((Format::Xray, nameless(items)))
    } else if is_sip008(first) && !first.get("type").is_there() {
        Some((Format::Sip008, nameless(items)))
    } else if first.get("server_port").is_there() || first.get("tag").is_there() {
        Some((Format::SingBox, nameless(items)))
    } else {
        None
    }
}
