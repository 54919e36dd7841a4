//! Hosts: our addresses of inbounds, as Marzban says them. There a host belongs to a tag; here an address belongs to an inbound of one
//! node, because keys and certificates differ from node to node.

use core::num::NonZeroU16;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use weir_wire::sync::Inbound;

use crate::domain::endpoint::{Address, Alpn, Around, Kept};
use crate::domain::name::{Fingerprint, HttpPath, NodeAddress, Remark, ServerName};

/// The remark of an address that has none.
pub const REMARK: &str = "{NODE} {PROTOCOL}";
/// An address that stands for each node's own.
pub const OWN: &str = "{SERVER_IP}";

/// A host as it is said and shown, each field within its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What clients' lists show.
    pub remark: Remark,
    /// Where clients connect to; none: each node's own address.
    pub address: Option<NodeAddress>,
    /// Port; none: the inbound's.
    pub port: Option<NonZeroU16>,
    /// Name in TLS.
    pub sni: Option<ServerName>,
    /// Host header.
    pub host: Option<ServerName>,
    /// Path.
    pub path: Option<HttpPath>,
    /// What is around the stream.
    pub security: Option<Around>,
    /// One of [`ALPNS`].
    pub alpn: &'static str,
    /// The browser that is imitated.
    pub fingerprint: Option<Fingerprint>,
    /// Whether certificates go unchecked.
    pub allowinsecure: Option<bool>,
    /// Not in links.
    pub is_disabled: bool,
    /// What is kept, and in no link.
    pub kept: Kept,
}

/// What may be said of ALPN.
pub const ALPNS: [(&str, &[Alpn]); 7] = [
    ("", &[]),
    ("h3", &[Alpn::H3]),
    ("h2", &[Alpn::H2]),
    ("http/1.1", &[Alpn::Http11]),
    ("h3,h2,http/1.1", &[Alpn::H3, Alpn::H2, Alpn::Http11]),
    ("h3,h2", &[Alpn::H3, Alpn::H2]),
    ("h2,http/1.1", &[Alpn::H2, Alpn::Http11]),
];

/// A host as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are Marzban's")]
#[expect(clippy::struct_excessive_bools, reason = "Marzban has them")]
pub struct HostJson {
    pub remark: String,
    pub address: String,
    pub port: Option<u16>,
    pub sni: Option<String>,
    pub host: Option<String>,
    pub path: Option<String>,
    pub security: &'static str,
    pub alpn: &'static str,
    pub fingerprint: String,
    pub allowinsecure: Option<bool>,
    pub is_disabled: bool,
    pub mux_enable: bool,
    pub fragment_setting: Option<String>,
    pub noise_setting: Option<String>,
    pub random_user_agent: bool,
    pub use_sni_as_host: bool,
}

impl From<&Host> for HostJson {
    fn from(host: &Host) -> Self {
        let text = |name: &ServerName| name.as_str().to_owned();
        Self {
            remark: host.remark.as_str().to_owned(),
            address: host.address.as_ref().map_or_else(|| OWN.to_owned(), |address| address.as_str().to_owned()),
            port: host.port.map(NonZeroU16::get),
            sni: host.sni.as_ref().map(text),
            host: host.host.as_ref().map(text),
            path: host.path.as_ref().map(|path| path.as_str().to_owned()),
            security: match host.security {
                None => "inbound_default",
                Some(Around::None) => "none",
                Some(Around::Tls) => "tls",
            },
            alpn: host.alpn,
            fingerprint: host.fingerprint.as_ref().map_or_else(String::new, |one| one.as_str().to_owned()),
            allowinsecure: host.allowinsecure,
            is_disabled: host.is_disabled,
            mux_enable: host.kept.mux_enable,
            fragment_setting: host.kept.fragment_setting.clone(),
            noise_setting: host.kept.noise_setting.clone(),
            random_user_agent: host.kept.random_user_agent,
            use_sni_as_host: host.kept.use_sni_as_host,
        }
    }
}

/// What Marzban has a word for; of any other list of protocols its first.
fn alpn_of(list: Option<&[Alpn]>) -> &'static str {
    let mut said: Vec<Alpn> = list.unwrap_or_default().to_vec();
    said.sort_by_key(|one| [Alpn::H3, Alpn::H2, Alpn::Http11].iter().position(|other| other == one));
    said.dedup();
    let named = |wanted: &[Alpn]| ALPNS.iter().find(|(_, list)| *list == wanted).map(|(name, _)| *name);
    named(&said).or_else(|| named(said.get(..1)?)).unwrap_or_default()
}

/// A node with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Number.
    pub id: u32,
    /// What clients connect to.
    pub address: NodeAddress,
    /// What its agent has told.
    pub inbounds: Vec<Inbound>,
    /// Its addresses in their order, each behind whether it is on.
    pub addresses: Vec<(bool, Address)>,
}

impl Node {
    fn has(&self, tag: &str) -> bool {
        self.inbounds.iter().any(|inbound| inbound.tag == tag) || self.of(tag).next().is_some()
    }

    fn of<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a (bool, Address)> {
        self.addresses.iter().filter(move |(_, address)| address.inbound == tag)
    }

    fn shown(&self, (is_active, address): &(bool, Address)) -> Option<Host> {
        let remark = match &address.remark {
            Some(remark) => remark.clone(),
            None => Remark::try_from(REMARK.to_owned()).ok()?,
        };
        Some(Host {
            remark,
            address: Some(address.address.clone().unwrap_or_else(|| self.address.clone())),
            port: address.port,
            sni: address.sni.clone(),
            host: address.host.clone(),
            path: address.path.clone(),
            security: address.security,
            alpn: alpn_of(address.alpn.as_deref()),
            fingerprint: address.fingerprint.clone(),
            allowinsecure: address.insecure,
            is_disabled: !is_active,
            kept: address.marzban.clone(),
        })
    }

    /// A host as an address of this node. `was` is what stood there for it.
    fn address_of(&self, tag: &str, host: &Host, was: Option<&Address>) -> (bool, Address) {
        let list = || ALPNS.iter().find(|(name, _)| *name == host.alpn).map(|(_, list)| list.to_vec());
        let same_alpn = was.filter(|was| alpn_of(was.alpn.as_deref()) == host.alpn);
        let address = Address {
            inbound: tag.to_owned(),
            remark: Some(host.remark.clone()).filter(|remark| remark.as_str() != REMARK),
            address: host.address.clone().filter(|address| *address != self.address),
            port: host.port,
            security: host.security,
            sni: host.sni.clone(),
            host: host.host.clone(),
            path: host.path.clone(),
            alpn: match same_alpn {
                Some(was) => was.alpn.clone(),
                None => list().filter(|list| !list.is_empty()),
            },
            fingerprint: host.fingerprint.clone(),
            insecure: host.allowinsecure,
            plans: was.map(|was| was.plans.clone()).unwrap_or_default(),
            marzban: host.kept.clone(),
        };
        (!host.is_disabled, address)
    }
}

/// All tags with their hosts, in the order of the nodes and of their addresses.
#[must_use]
pub fn shown(nodes: &[Node]) -> BTreeMap<String, Vec<Host>> {
    let told = nodes.iter().flat_map(|node| node.inbounds.iter().map(|inbound| inbound.tag.as_str()));
    let prepared = nodes.iter().flat_map(|node| node.addresses.iter().map(|(_, address)| address.inbound.as_str()));
    let tags: BTreeSet<&str> = told.chain(prepared).collect();
    let of = |tag: &str| nodes.iter().flat_map(|node| node.of(tag).filter_map(|one| node.shown(one))).collect();
    tags.into_iter().map(|tag| (tag.to_owned(), of(tag))).collect()
}

/// What is to be written: for each tag that changes, all its addresses on each of the nodes, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Tags whose addresses on all nodes end.
    pub tags: Vec<String>,
    /// Those that take their place: node, whether it is on, address.
    pub addresses: Vec<(u32, bool, Address)>,
}

/// Places hosts on nodes. A host that is there already stays on its node. Another one goes to the node whose own address it has; one
/// that stands for each node's own, to every node that has the tag; any other to the first that has it.
///
/// # Errors
/// A tag that no node has.
pub fn placed(nodes: &[Node], wanted: &BTreeMap<String, Vec<Host>>) -> Result<Placed, String> {
    let there = shown(nodes);
    let mut placed = Placed::default();
    for (tag, hosts) in wanted {
        let Some(stands) = there.get(tag) else { return Err(tag.clone()) };
        if stands == hosts {
            continue;
        }
        placed.tags.push(tag.clone());
        place(nodes, tag, hosts, &mut placed.addresses);
    }
    Ok(placed)
}

fn place(nodes: &[Node], tag: &str, hosts: &[Host], placed: &mut Vec<(u32, bool, Address)>) {
    let mut stand: Vec<(&Node, &Address, Host)> = nodes
        .iter()
        .flat_map(|node| node.of(tag).filter_map(move |one| Some((node, &one.1, node.shown(one)?))))
        .collect();
    let having = || nodes.iter().filter(|node| node.has(tag));
    for host in hosts {
        let is_same =
            |other: &Host| (&other.remark, &other.address, other.port) == (&host.remark, &host.address, host.port);
        if let Some(at) = stand.iter().position(|(.., other)| is_same(other)) {
            let (node, was, _) = stand.remove(at);
            let (is_active, address) = node.address_of(tag, host, Some(was));
            placed.push((node.id, is_active, address));
            continue;
        }
        let own = having().find(|node| host.address.as_ref() == Some(&node.address));
        let chosen: Vec<&Node> = match (&host.address, own) {
            (None, _) => having().collect(),
            (_, Some(node)) => vec![node],
            (_, None) => having().take(1).collect(),
        };
        for node in chosen {
            let (is_active, address) = node.address_of(tag, host, None);
            placed.push((node.id, is_active, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(id: u32, address: &str, tags: &[&str], addresses: &[serde_json::Value]) -> Node {
        let inbound = |tag: &&str| json!({ "tag": tag, "protocol": "vless", "port": 443 });
        Node {
            id,
            address: NodeAddress::try_from(address.to_owned()).unwrap(),
            inbounds: serde_json::from_value(tags.iter().map(inbound).collect()).unwrap(),
            addresses: addresses.iter().map(|one| (true, serde_json::from_value(one.clone()).unwrap())).collect(),
        }
    }

    fn host(remark: &str, address: Option<&str>) -> Host {
        Host {
            remark: Remark::try_from(remark.to_owned()).unwrap(),
            address: address.map(|address| NodeAddress::try_from(address.to_owned()).unwrap()),
            port: None,
            sni: None,
            host: None,
            path: None,
            security: None,
            alpn: "",
            fingerprint: None,
            allowinsecure: None,
            is_disabled: false,
            kept: Kept::default(),
        }
    }

    /// Where hosts come to stand: node and remark.
    fn places(nodes: &[Node], tag: &str, hosts: Vec<Host>) -> Vec<(u32, String)> {
        let placed = placed(nodes, &BTreeMap::from([(tag.to_owned(), hosts)])).unwrap();
        placed
            .addresses
            .iter()
            .map(|(node, _, address)| (*node, address.remark.as_ref().unwrap().to_string()))
            .collect()
    }

    fn remarks(hosts: &[(u32, &str)]) -> Vec<(u32, String)> {
        hosts.iter().map(|(node, remark)| (*node, (*remark).to_owned())).collect()
    }

    #[test]
    fn a_host_comes_to_the_node_that_it_names_and_otherwise_to_the_first_that_has_the_tag() {
        let nodes = [
            node(1, "one.example", &["other"], &[]),
            node(2, "two.example", &["in"], &[]),
            node(3, "three.example", &["in"], &[]),
        ];
        let hosts = vec![host("a", Some("three.example")), host("b", Some("cdn.example")), host("c", None)];
        assert_eq!(places(&nodes, "in", hosts), remarks(&[(3, "a"), (2, "b"), (2, "c"), (3, "c")]));
        assert_eq!(placed(&nodes, &BTreeMap::from([("gone".to_owned(), vec![])])), Err("gone".to_owned()));
    }

    #[test]
    fn a_host_that_is_there_stays_on_its_node_with_its_plans() {
        let there = json!({ "inbound": "in", "remark": "cdn", "address": "cdn.example", "plans": ["gold"] });
        let nodes = [node(1, "one.example", &["in"], &[]), node(2, "two.example", &["in"], &[there])];
        let changed = Host { is_disabled: true, ..host("cdn", Some("cdn.example")) };
        let wanted = BTreeMap::from([("in".to_owned(), vec![changed, host("new", Some("x.example"))])]);
        let placed = placed(&nodes, &wanted).unwrap();
        let found: Vec<_> =
            placed.addresses.iter().map(|(node, on, address)| (*node, *on, address.plans.len())).collect();
        assert_eq!(found, [(2, false, 1), (1, true, 0)]);
    }

    #[test]
    fn what_is_shown_changes_nothing_when_it_comes_back() {
        let nodes = [
            node(1, "one.example", &["in"], &[json!({ "inbound": "in", "alpn": ["http/1.1", "h3"] })]),
            node(2, "two.example", &["in", "free"], &[json!({ "inbound": "in", "port": 8443, "sni": "a.example" })]),
        ];
        let all = shown(&nodes);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["free", "in"]);
        assert_eq!(placed(&nodes, &all), Ok(Placed::default()));
        assert_eq!(all["in"][0].alpn, "h3");
        assert_eq!(HostJson::from(&all["in"][0]).address, "one.example");
    }

    #[test]
    fn an_emptied_tag_loses_all_its_hosts() {
        let nodes = [node(1, "one.example", &["in"], &[json!({ "inbound": "in", "port": 8443 })])];
        let emptied = placed(&nodes, &BTreeMap::from([("in".to_owned(), vec![])])).unwrap();
        assert_eq!(emptied, Placed { tags: vec!["in".to_owned()], addresses: Vec::new() });
    }
}
