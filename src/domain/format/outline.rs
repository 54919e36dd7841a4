//! Outline's dynamic access key: JSON of one Shadowsocks server, or of an error that the app shows.

use super::check::one_of;
use super::tree::Map;
use super::{LeftOut, Rendered, Unfit};
use crate::domain::endpoint::{Endpoint, Protocol};

const METHODS: [&str; 4] = ["chacha20-ietf-poly1305", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"];

/// The first server that the app can use.
pub(super) fn write(endpoints: &[Endpoint]) -> Rendered {
    let mut rendered = Rendered::default();
    for endpoint in endpoints {
        let entry = if rendered.served > 0 && entry(endpoint).is_ok() { Err(Unfit::OnlyOne) } else { entry(endpoint) };
        match entry {
            Ok(entry) => {
                rendered.body = entry.json();
                rendered.served = 1;
            }
            Err(why) => rendered.left_out.push(LeftOut { name: endpoint.name.clone(), why }),
        }
    }
    rendered
}

/// What the app shows instead of connecting.
pub(super) fn refusal(text: &str) -> String {
    Map::new().with("error", Map::new().with("message", text)).json()
}

fn entry(endpoint: &Endpoint) -> Result<Map, Unfit> {
    let Protocol::Shadowsocks(shadowsocks) = &endpoint.protocol else { return Err(Unfit::Protocol) };
    if shadowsocks.plugin.is_some() {
        return Err(Unfit::Plugin);
    }
    Ok(Map::new()
        .with("server", endpoint.server.as_str())
        .with("server_port", endpoint.port)
        .with("password", &shadowsocks.password)
        .with("method", one_of(&shadowsocks.method, &METHODS, Unfit::Method)?))
}
