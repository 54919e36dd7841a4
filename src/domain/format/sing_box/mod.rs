//! sing-box's JSON, for 1.12 and later, and for what came before. Its reader refuses a file for one field that it does not
//! know, so both are written by what their oldest reader knows.

mod node;
mod stream;

use super::tree::{Map, Tree};
use super::{AUTO, GROUP, PROBE, Rendered, fit};
use crate::domain::endpoint::{Endpoint, Protocol};

/// Which readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// 1.12 and later.
    Current,
    /// 1.8 to 1.11.
    Legacy,
}

const REMOTE: &str = "dns-remote";
const LOCAL: &str = "dns-local";
const DIRECT: &str = "direct";
/// Tags that are taken.
const RESERVED: [&str; 5] = [GROUP, AUTO, DIRECT, "block", "dns-out"];

/// The file.
pub(super) fn write(endpoints: &[Endpoint], tier: Tier) -> Rendered {
    let (nodes, left_out) = fit(endpoints, &RESERVED, str::to_owned, |tag, endpoint| {
        let is_endpoint = tier == Tier::Current && matches!(endpoint.protocol, Protocol::Wireguard(_));
        Ok((is_endpoint, node::node(tag, endpoint, tier)?))
    });
    let served = nodes.len();
    let tags: Vec<String> = nodes.iter().map(|(tag, _)| tag.clone()).collect();
    let (mut outbounds, mut wireguard) = (groups(&tags), Vec::new());
    for (_, (is_endpoint, node)) in nodes {
        if is_endpoint { wireguard.push(node) } else { outbounds.push(node) }
    }
    outbounds.push(Map::new().with("type", "direct").with("tag", DIRECT));
    let file = match tier {
        Tier::Current => current(outbounds, wireguard),
        Tier::Legacy => legacy(outbounds),
    };
    Rendered { body: file.json(), served, left_out }
}

fn groups(tags: &[String]) -> Vec<Map> {
    let chosen: Vec<&str> = [AUTO].into_iter().chain(tags.iter().map(String::as_str)).collect();
    vec![
        Map::new().with("type", "selector").with("tag", GROUP).with("outbounds", chosen).with("default", AUTO),
        Map::new()
            .with("type", "urltest")
            .with("tag", AUTO)
            .with("outbounds", tags.to_vec())
            .with("url", PROBE)
            .with("interval", "5m"),
    ]
}

fn log_and_cache() -> (Map, Map) {
    let cache = Map::new().with("cache_file", Map::new().with("enabled", true));
    (Map::new().with("level", "warn"), cache)
}

fn current(outbounds: Vec<Map>, wireguard: Vec<Map>) -> Map {
    let (log, experimental) = log_and_cache();
    let servers = [
        Map::new().with("type", "https").with("tag", REMOTE).with("server", "1.1.1.1").with("detour", GROUP),
        Map::new().with("type", "local").with("tag", LOCAL),
    ];
    let tun = Map::new()
        .with("type", "tun")
        .with("tag", "tun-in")
        .with("address", ["172.19.0.1/30", "fdfe:dcba:9876::1/126"])
        .with("auto_route", true)
        .with("strict_route", true)
        .with("stack", "mixed");
    let rules = [
        Map::new().with("action", "sniff"),
        Map::new().with("protocol", "dns").with("action", "hijack-dns"),
        Map::new().with("ip_is_private", true).with("outbound", DIRECT),
    ];
    let route = Map::new()
        .with("rules", rules)
        .with("final", GROUP)
        .with("auto_detect_interface", true)
        .with("default_domain_resolver", Map::new().with("server", LOCAL));
    Map::new()
        .with("log", log)
        .with("dns", Map::new().with("servers", servers).with("final", REMOTE))
        .with("inbounds", [tun])
        .with("outbounds", outbounds)
        .some("endpoints", Some(wireguard).filter(|list| !list.is_empty()))
        .with("route", route)
        .with("experimental", experimental)
}

fn legacy(mut outbounds: Vec<Map>) -> Map {
    let (log, experimental) = log_and_cache();
    let servers = [
        Map::new().with("tag", REMOTE).with("address", "https://1.1.1.1/dns-query").with("detour", GROUP),
        Map::new().with("tag", LOCAL).with("address", "local").with("detour", DIRECT),
    ];
    let dns = Map::new()
        .with("servers", servers)
        .with("rules", [Map::new().with("outbound", "any").with("server", LOCAL)])
        .with("final", REMOTE);
    let tun = Map::new()
        .with("type", "tun")
        .with("tag", "tun-in")
        .with("inet4_address", "172.19.0.1/30")
        .with("inet6_address", "fdfe:dcba:9876::1/126")
        .with("auto_route", true)
        .with("strict_route", true)
        .with("stack", "mixed")
        .with("sniff", true);
    let rules: [Tree; 2] = [
        Map::new().with("protocol", "dns").with("outbound", "dns-out").into(),
        Map::new().with("ip_is_private", true).with("outbound", DIRECT).into(),
    ];
    outbounds.push(Map::new().with("type", "dns").with("tag", "dns-out"));
    let route = Map::new().with("rules", rules).with("final", GROUP).with("auto_detect_interface", true);
    Map::new()
        .with("log", log)
        .with("dns", dns)
        .with("inbounds", [tun])
        .with("outbounds", outbounds)
        .with("route", route)
        .with("experimental", experimental)
}
