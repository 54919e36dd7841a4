//! What an operator says of how clients reach an inbound: another host, a port of a proxy before it, another name, for some
//! plans only. What he does not say is as the inbound has it.

use core::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use weir_wire::sync::Inbound;

use super::super::name::{Fingerprint, HttpPath, NodeAddress, PlanName, Remark, ServerName};

/// One way to an inbound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The inbound's tag.
    pub inbound: String,
    /// What clients' lists show; none: the node's name and the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
    /// Where clients connect to; none: the node's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<NodeAddress>,
    /// Port there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// What is around the stream there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Around>,
    /// Name that clients ask for in TLS or REALITY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<ServerName>,
    /// Host header; of gRPC the authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<ServerName>,
    /// Path; of gRPC the service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HttpPath>,
    /// Protocols to offer inside TLS; an empty list leaves them to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Vec<Alpn>>,
    /// The browser whose handshake is imitated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Whether clients must not check the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Whose users get it; empty: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<PlanName>,
}

/// What a proxy before an inbound makes of its security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Around {
    /// Nothing: clients speak in the clear.
    None,
    /// TLS, which the proxy ends.
    Tls,
}

/// A protocol inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alpn {
    /// HTTP/3.
    #[serde(rename = "h3")]
    H3,
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http11,
}

impl Alpn {
    const fn name(self) -> &'static str {
        match self {
            Self::H3 => "h3",
            Self::H2 => "h2",
            Self::Http11 => "http/1.1",
        }
    }
}

impl Address {
    /// Whether users of a plan get it.
    #[must_use]
    pub fn is_for(&self, plan: Option<&str>) -> bool {
        let named = |plan: &str| self.plans.iter().any(|named| named.as_str().eq_ignore_ascii_case(plan));
        self.plans.is_empty() || plan.is_some_and(named)
    }

    /// The inbound as clients find it at this address.
    #[must_use]
    pub(super) fn seen(&self, inbound: &Inbound) -> Inbound {
        let mut seen = inbound.clone();
        if let Some(port) = self.port.map(NonZeroU16::get).filter(|port| *port != inbound.port) {
            seen.port = port;
            // Ports that lead to the inbound's own say nothing of another one.
            seen.hop_ports = None;
        }
        match self.security {
            None => {}
            Some(Around::None) => (seen.tls, seen.reality) = (false, None),
            Some(Around::Tls) => (seen.tls, seen.reality) = (true, None),
        }
        if let Some(name) = &self.sni {
            seen.server_name = Some(name.as_str().to_owned());
        }
        if let Some(alpn) = &self.alpn {
            seen.alpn = alpn.iter().map(|one| one.name().to_owned()).collect();
        }
        seen.insecure = self.insecure.unwrap_or(inbound.insecure);
        if let Some(transport) = &mut seen.transport {
            if let Some(host) = &self.host {
                transport.host = Some(host.as_str().to_owned());
            }
            match &self.path {
                Some(service) if transport.kind == "grpc" => transport.service = Some(service.as_str().to_owned()),
                Some(path) if path.as_str().starts_with('/') => transport.path = Some(path.as_str().to_owned()),
                Some(path) => transport.path = Some(format!("/{path}")),
                None => {}
            }
        }
        seen
    }
}
