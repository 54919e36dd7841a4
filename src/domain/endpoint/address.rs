//! What an operator says of how clients reach an inbound: another host, a port of a proxy before it, another name, for some
//! plans only. What he does not say is as the inbound has it.

use core::num::NonZeroU16;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use weir_wire::sync::{Inbound, InboundPlans};

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
    /// What Marzban's API knows of it beside.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub marzban: Kept,
}

/// What hosts of Marzban's API say and no link here has: kept, and shown there again (docs/marzban.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Streams share a connection.
    #[serde(skip_serializing_if = "is_false")]
    pub mux_enable: bool,
    /// How the first packets are cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fragment_setting: Option<String>,
    /// What is sent before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_setting: Option<String>,
    /// Another browser's name with each request.
    #[serde(skip_serializing_if = "is_false")]
    pub random_user_agent: bool,
    /// The name in TLS is the Host header as well.
    #[serde(skip_serializing_if = "is_false")]
    pub use_sni_as_host: bool,
}

impl Kept {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Which inbounds are for some plans only, by all addresses of a node, each behind whether it is on. Those that are on decide; of an
/// inbound that has none on, all do: hiding it opens no door.
#[must_use]
pub fn plans_of(addresses: &[(bool, Address)]) -> Vec<InboundPlans> {
    let mut inbounds: BTreeMap<&str, Vec<&(bool, Address)>> = BTreeMap::new();
    for address in addresses {
        inbounds.entry(address.1.inbound.as_str()).or_default().push(address);
    }
    let plans = |(inbound, addresses): (&str, Vec<&(bool, Address)>)| {
        let none_is_on = !addresses.iter().any(|(is_active, _)| *is_active);
        let counted = || addresses.iter().filter(|(is_active, _)| *is_active || none_is_on);
        if counted().any(|(_, address)| address.plans.is_empty()) {
            return None;
        }
        let plans: BTreeSet<String> =
            counted().flat_map(|(_, address)| address.plans.iter().map(|plan| plan.as_str().to_owned())).collect();
        Some(InboundPlans { inbound: inbound.to_owned(), plans: plans.into_iter().collect() })
    };
    inbounds.into_iter().filter_map(plans).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_inbound_is_for_the_plans_of_its_addresses_unless_one_is_for_everybody() {
        let plans = |addresses: serde_json::Value| {
            let addresses: Vec<(bool, Address)> = serde_json::from_value(addresses).unwrap();
            plans_of(&addresses)
                .into_iter()
                .map(|one| format!("{}: {}", one.inbound, one.plans.join(",")))
                .collect::<Vec<_>>()
        };
        let address = |inbound: &str, plans: &[&str]| json!({ "inbound": inbound, "plans": plans });
        assert_eq!(plans(json!([])), Vec::<String>::new());
        let several = json!([
            [true, address("b", &["premium", "basic"])],
            [true, address("a", &["basic"])],
            [true, address("b", &["basic", "free"])],
            [true, address("open", &["basic"])],
            [true, address("open", &[])],
        ]);
        assert_eq!(plans(several), ["a: basic", "b: basic,free,premium"]);
        // One that is off neither opens nor admits, as long as another is on.
        let off =
            json!([[true, address("a", &["basic"])], [false, address("a", &[])], [false, address("a", &["free"])]]);
        assert_eq!(plans(off), ["a: basic"]);
        assert_eq!(plans(json!([[false, address("a", &["basic"])]])), ["a: basic"]);
        assert_eq!(plans(json!([[false, address("a", &[])]])), Vec::<String>::new());
    }
}
