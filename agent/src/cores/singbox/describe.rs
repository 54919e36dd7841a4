//! From an inbound of the template to what its clients must know. Private keys stay here.

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_wire::inbound::{Inbound, InboundObfs, InboundReality, InboundTransport};

use super::users::{Scheme, VISION};
use crate::cores::describe::{hosts, is_on_loopback, owned, public_key};
use crate::cores::json::{some, text};

/// The header that every client but sing-box puts early data into; without it they stand in the path.
const EARLY_DATA_HEADER: &str = "sec-websocket-protocol";

/// Ports that the host leads to an inbound of hysteria2 by itself: sing-box does not know of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hop {
    /// Ports and ranges, such as `20000-21000,443`.
    pub(super) ports: String,
    /// Seconds between two hops.
    #[serde(default)]
    pub(super) interval: Option<u32>,
}

impl Hop {
    /// The rule that the ports break, if they break it.
    pub(super) fn breaks(&self) -> Option<&'static str> {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            port(first).zip(port(last)).is_some_and(|(first, last)| first <= last)
        };
        (!self.ports.split(',').all(range)).then_some("must be ports and ranges such as \"20000-21000,443\"")
    }
}

/// What the template's own key says of an inbound.
#[derive(Clone, Copy, Default)]
pub(super) struct Marked<'a> {
    pub(super) self_signed: bool,
    pub(super) hop: Option<&'a Hop>,
}

/// What clients must know of an inbound whose users are ours. `None` without a tag or a fixed port.
pub(super) fn describe(inbound: &Map<String, Value>, scheme: Scheme, marked: Marked<'_>) -> Option<Inbound> {
    let own = |key: &str| some(inbound.get(key));
    let tls = inbound.get("tls").filter(|tls| is_on(tls));
    let method = own("method");
    let server_key = method.as_ref().filter(|method| method.starts_with("2022-")).and_then(|_| own("password"));
    Some(Inbound {
        tag: own("tag")?,
        protocol: own("type")?,
        port: port(inbound)?,
        loopback: is_on_loopback(inbound),
        tls: tls.is_some(),
        server_name: tls.and_then(server_name),
        insecure: marked.self_signed,
        alpn: tls.map(|tls| owned(tls.get("alpn"))).unwrap_or_default(),
        reality: tls.and_then(|tls| tls.get("reality")).filter(|reality| is_on(reality)).map(reality),
        transport: inbound.get("transport").filter(|of| !text(of, "type").is_empty()).map(transport),
        flow: (scheme == Scheme::Vless { vision: true }).then(|| VISION.to_owned()),
        multiplex: inbound.get("multiplex").is_some_and(is_on),
        method,
        server_key,
        obfs: inbound.get("obfs").filter(|obfs| obfs.is_object()).map(|obfs| InboundObfs {
            kind: text(obfs, "type").to_owned(),
            password: text(obfs, "password").to_owned(),
        }),
        hop_ports: marked.hop.map(|hop| hop.ports.clone()),
        hop_interval: marked.hop.and_then(|hop| hop.interval),
        congestion_control: own("congestion_control"),
        network: own("network"),
    })
}

/// The inbound's port, if it has a fixed one.
pub(super) fn port(inbound: &Map<String, Value>) -> Option<u16> {
    let port = inbound.get("listen_port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    port.filter(|port| *port > 0)
}

fn is_on(of: &Value) -> bool {
    of.get("enabled").and_then(Value::as_bool) == Some(true)
}

/// The name that clients ask for: the configured one, or the first that the core fetches a certificate for.
fn server_name(tls: &Value) -> Option<String> {
    some(tls.get("server_name"))
        .or_else(|| owned(tls.get("acme").and_then(|acme| acme.get("domain"))).into_iter().next())
}

fn reality(reality: &Value) -> InboundReality {
    InboundReality {
        public_key: public_key(text(reality, "private_key")),
        short_ids: owned(reality.get("short_id")),
        handshake: reality.get("handshake").and_then(|handshake| some(handshake.get("server"))),
    }
}

fn transport(transport: &Value) -> InboundTransport {
    let own = |key: &str| some(transport.get(key));
    let kind = text(transport, "type").to_owned();
    let in_header = text(transport, "early_data_header_name").eq_ignore_ascii_case(EARLY_DATA_HEADER);
    let early = transport.get("max_early_data").and_then(Value::as_u64).and_then(|bytes| u32::try_from(bytes).ok());
    InboundTransport {
        path: own("path").map(|path| if path.starts_with('/') { path } else { format!("/{path}") }),
        host: hosts(transport),
        method: own("method"),
        service: own("service_name"),
        early_data: early.filter(|bytes| kind == "ws" && in_header && *bytes > 0),
        kind,
    }
}

#[cfg(test)]
mod tests;
