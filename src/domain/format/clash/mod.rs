//! Clash's YAML, in three dialects.

mod node;
mod stream;

use super::tree::Map;
use super::{AUTO, GROUP, PROBE, Rendered, fit};
use crate::domain::endpoint::Endpoint;
pub(super) use node::node;

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// mihomo, once Clash Meta, and all that is built on it.
    Mihomo,
    /// Stash, which took over much of mihomo.
    Stash,
    /// Clash as it was left in 2023, which refuses a file for one protocol that it does not know.
    Legacy,
}

/// What no server may be called: the groups and Clash's own outbounds.
const RESERVED: [&str; 8] = [GROUP, AUTO, "DIRECT", "REJECT", "REJECT-DROP", "PASS", "COMPATIBLE", "GLOBAL"];

/// The private networks stay out of the tunnel, all else goes through it.
const RULES: [&str; 8] = [
    "IP-CIDR,127.0.0.0/8,DIRECT,no-resolve",
    "IP-CIDR,10.0.0.0/8,DIRECT,no-resolve",
    "IP-CIDR,172.16.0.0/12,DIRECT,no-resolve",
    "IP-CIDR,192.168.0.0/16,DIRECT,no-resolve",
    "IP-CIDR6,::1/128,DIRECT,no-resolve",
    "IP-CIDR6,fc00::/7,DIRECT,no-resolve",
    "IP-CIDR6,fe80::/10,DIRECT,no-resolve",
    "MATCH,Proxy",
];

/// The file. It names no geo databases, which clients would have to download before they can connect, and no DNS,
/// which each app sets for the way it runs.
pub(super) fn write(endpoints: &[Endpoint], dialect: Clash) -> Rendered {
    let (nodes, left_out) = fit(endpoints, &RESERVED, str::to_owned, |name, endpoint| node(name, endpoint, dialect));
    let served = nodes.len();
    let (names, proxies): (Vec<String>, Vec<Map>) = nodes.into_iter().unzip();
    let chosen: Vec<String> = [AUTO.to_owned()].into_iter().chain(names.clone()).chain(["DIRECT".to_owned()]).collect();
    let groups = [
        Map::new().with("name", GROUP).with("type", "select").with("proxies", chosen),
        Map::new()
            .with("name", AUTO)
            .with("type", "url-test")
            .with("proxies", names)
            .with("url", PROBE)
            .with("interval", 300_u64),
    ];
    let file = Map::new()
        .with("mixed-port", 7890_u16)
        .with("allow-lan", false)
        .with("mode", "rule")
        .with("log-level", "warning")
        .with("ipv6", true)
        .with("proxies", proxies)
        .with("proxy-groups", groups)
        .with("rules", RULES);
    Rendered { body: file.yaml(), served, left_out }
}
