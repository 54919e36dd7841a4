//! Configurations for the tests of what is made of them.

use std::path::Path;

use serde_json::{Value, json};

use super::{Additions, Rendered, render};
use crate::cores::host_secret::HostSecret;
use crate::cores::singbox::template::Template;
use crate::cores::{ConfiguredSlot, CoreError, RelayPorts};

pub(in crate::cores::singbox) fn with(template: &Value, slots: &[ConfiguredSlot]) -> Result<Rendered, CoreError> {
    with_relay(template, slots, None)
}

pub(in crate::cores::singbox) const PORTS: Option<RelayPorts> = Some(RelayPorts { relay: 21_091, back: 21_092 });

pub(in crate::cores::singbox) fn with_relay(
    template: &Value,
    slots: &[ConfiguredSlot],
    relay: Option<RelayPorts>,
) -> Result<Rendered, CoreError> {
    let secret = HostSecret::fixed([7; 32]);
    let cache_file = Path::new("/var/lib/weir/cache.db");
    let additions = Additions { secret: &secret, api_port: 21_090, cache_file, relay, marks: false, kernel: false };
    render(&Template::parse(&template.to_string()).unwrap(), slots, &additions)
}

pub(in crate::cores::singbox) fn with_marks(template: &Value, slots: &[ConfiguredSlot], kernel: bool) -> Rendered {
    let secret = HostSecret::fixed([7; 32]);
    let cache_file = Path::new("/var/lib/weir/cache.db");
    let additions = Additions { secret: &secret, api_port: 21_090, cache_file, relay: PORTS, marks: true, kernel };
    render(&Template::parse(&template.to_string()).unwrap(), slots, &additions).unwrap()
}

pub(in crate::cores::singbox) fn template() -> Value {
    json!({
        "inbounds": [{ "type": "trojan", "tag": "in", "listen_port": 443,
                       "users": [{ "name": "guest", "password": "of-the-operator" }] }],
        "outbounds": [{ "type": "direct", "tag": "direct" }, { "type": "direct", "tag": "warp" }],
        "route": { "rules": [{ "action": "sniff" }, { "domain": "a.example", "outbound": "warp" }] },
    })
}
