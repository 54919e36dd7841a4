//! A way into a node, as the core is configured: everything that a client of it must know, and nothing that must stay on the
//! host.
//!
//! An empty text is as good as none: cores take both for the same. What a field says by being absent is what an agent says that is older than the field. Unknown fields are tolerated.

use serde::{Deserialize, Deserializer, Serialize};

/// One way into a node.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the message, and independent of the others")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// The inbound's tag in the core.
    pub tag: String,
    /// `trojan`, `vless`, `vmess`, `shadowsocks`, `hysteria2`, ...
    pub protocol: String,
    /// Listening port.
    pub port: u16,
    /// It listens on a loopback address: whoever is not on the host needs something before it, such as a proxy.
    #[serde(default, skip_serializing_if = "is_false")]
    pub loopback: bool,
    /// Clients must use TLS (for hysteria2: inside QUIC).
    #[serde(default)]
    pub tls: bool,
    /// Name that the certificate is for.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The certificate is self-signed: clients must be told not to check it.
    #[serde(default)]
    pub insecure: bool,
    /// Protocols that the server negotiates inside TLS, the best first; empty for what the core does by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// REALITY instead of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reality: Option<InboundReality>,
    /// What vless, vmess and trojan run over; absent for plain TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<InboundTransport>,
    /// Vless: the flow that every user of the inbound has and every client must have.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Streams of one client may share a connection. Clients work without it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub multiplex: bool,
    /// Shadowsocks: the method.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Shadowsocks 2022: the server's key, which every client of the inbound needs as well.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub server_key: Option<String>,
    /// Hysteria 2: what hides that it is QUIC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obfs: Option<InboundObfs>,
    /// Hysteria 2: ports and ranges that lead to `port`, such as `20000-21000,443`.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub hop_ports: Option<String>,
    /// Seconds between two hops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop_interval: Option<u32>,
    /// TUIC: `cubic`, `new_reno` or `bbr`.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub congestion_control: Option<String>,
    /// `tcp` or `udp`, for an inbound that serves only one of two.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// REALITY as a client needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundReality {
    /// The server's X25519 public key: 32 bytes in URL-safe base64 without padding. The private key never leaves the host.
    pub public_key: String,
    /// Short ids that the server takes, each up to 16 hex digits; one may be empty.
    #[serde(default)]
    pub short_ids: Vec<String>,
    /// Whose handshake the server borrows, for people.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub handshake: Option<String>,
}

/// A transport of the V2Ray family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundTransport {
    /// `ws`, `grpc`, `httpupgrade`, `http`, `quic`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Path of the request.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Host header that the server wants; several are separated by commas.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Method of the request that the server wants.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// gRPC: name of the service.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// WebSocket: bytes that may travel in the handshake, in the header `Sec-WebSocket-Protocol`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_data: Option<u32>,
}

/// An obfuscation and its password, which is the inbound's and so every client's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundObfs {
    /// `salamander` or `gecko`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its password.
    pub password: String,
}

/// An inbound that is for users of some plans only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundPlans {
    /// Its tag.
    pub inbound: String,
    /// Names of the plans, which are the same without case.
    pub plans: Vec<String>,
}

impl InboundPlans {
    /// Whether a user of this plan may use the inbound.
    #[must_use]
    pub fn admits(&self, plan: Option<&str>) -> bool {
        plan.is_some_and(|plan| self.plans.iter().any(|named| named.eq_ignore_ascii_case(plan)))
    }
}

/// A text that says something.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_agent_says_what_it_knows_and_a_newer_one_may_say_more() {
        let old =
            r#"{"tag":"in","protocol":"trojan","port":443,"tls":true,"server_name":"a.example","insecure":false}"#;
        let read: Inbound = serde_json::from_str(old).unwrap();
        let expected = Inbound {
            tag: "in".into(),
            protocol: "trojan".into(),
            port: 443,
            tls: true,
            server_name: Some("a.example".into()),
            ..Inbound::default()
        };
        assert_eq!(read, expected);
        // What it said goes on to be said in the same words: an older panel reads it.
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let new = r#"{"tag":"in","protocol":"vless","port":443,"transport":{"type":"ws","later":1},"later":{"a":[1]}}"#;
        let read: Inbound = serde_json::from_str(new).unwrap();
        assert_eq!(read.transport, Some(InboundTransport { kind: "ws".into(), ..InboundTransport::default() }));
    }

    #[test]
    fn an_empty_text_is_none() {
        let inbound = r#"{"tag":"in","protocol":"vless","port":443,"flow":"","server_name":"","transport":{"type":"ws","path":""}}"#;
        let inbound: Inbound = serde_json::from_str(inbound).unwrap();
        assert_eq!((inbound.flow, inbound.server_name, inbound.transport.unwrap().path), (None, None, None));
    }
}
