//! SIP008: Shadowsocks' own list of servers.

use sha2::{Digest as _, Sha256};

use super::tree::Map;
use super::{About, Rendered, Unfit, fit};
use crate::domain::endpoint::{Endpoint, Protocol};

/// The list, with what is used and what is left of the quota.
pub(super) fn write(endpoints: &[Endpoint], about: About<'_>) -> Rendered {
    let (nodes, left_out) = fit(endpoints, &[], str::to_owned, entry);
    let served = nodes.len();
    let servers: Vec<Map> = nodes.into_iter().map(|(_, server)| server).collect();
    let left = (about.quota > 0).then(|| about.quota.saturating_sub(about.used));
    let file = Map::new()
        .with("version", 1_u64)
        .with("servers", servers)
        .with("bytes_used", about.used)
        .some("bytes_remaining", left);
    Rendered { body: file.json(), served, left_out }
}

fn entry(name: &str, endpoint: &Endpoint) -> Result<Map, Unfit> {
    let Protocol::Shadowsocks(shadowsocks) = &endpoint.protocol else { return Err(Unfit::Protocol) };
    let plugin = shadowsocks.plugin.as_ref();
    Ok(Map::new()
        .with("id", id(name))
        .with("remarks", name)
        .with("server", endpoint.server.as_str())
        .with("server_port", endpoint.port)
        .with("password", &shadowsocks.password)
        .with("method", &shadowsocks.method)
        .some("plugin", plugin.map(|plugin| &plugin.name))
        .some("plugin_opts", plugin.map(|plugin| &plugin.options).filter(|options| !options.is_empty())))
}

/// A uuid (RFC 9562, version 8) that a server keeps for as long as its name.
fn id(name: &str) -> String {
    let digest = Sha256::digest(name);
    let text = hex::encode(digest);
    let part = |range: core::ops::Range<usize>| text.get(range).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::format::check::uuid;

    #[test]
    fn a_server_keeps_its_id_and_has_it_alone() {
        assert!(uuid(&id("a")).is_ok());
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
    }
}
