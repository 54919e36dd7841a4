//! The ways into our own nodes for one user.

use core::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use weir_wire::SlotName;
use weir_wire::credential::{Credentials, SlotSecret};
use weir_wire::inbound::{InboundObfs, InboundReality, InboundTransport};
use weir_wire::sync::Inbound;

use super::super::link::clean_name;
use super::super::name::{Country, Fingerprint, NodeAddress};
use super::super::remark::{Account, Place, fill};
use super::{
    Address, Anytls, Camouflage, Endpoint, Host, Http, Hysteria2, Login, Naive, Obfs, ObfsKind, Ports, Protocol,
    Reality, Security, Shadowsocks, Socks, Stream, Tls, Transport, Trojan, Tuic, Vless, Vmess, key_length,
};

/// The remark of an address that has none.
const REMARK: &str = "{NODE} {PROTOCOL}";
/// The browser that clients of REALITY imitate unless they are told another one: without any they cannot connect.
const BROWSER: &str = "chrome";

/// A node as clients see it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct NodeWays {
    /// The node's name.
    pub node: String,
    /// What clients connect to.
    pub address: NodeAddress,
    /// Where it is.
    #[serde(default)]
    pub country: Option<Country>,
    /// What it offers.
    pub inbounds: Vec<Inbound>,
    /// The operator's addresses, each behind whether it is on (1) or off (0), in their order.
    #[serde(default)]
    pub addresses: Vec<(u8, Address)>,
}

/// Who gets in, and what his client's list tells him.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    /// His slot.
    pub slot: &'a SlotName,
    /// What he proves himself with.
    pub credentials: &'a Credentials,
    /// What remarks say of him.
    pub account: Account<'a>,
}

/// The user's ways in: node by node, first the operator's addresses that his plan has in their order, then the inbounds
/// without any address, at the node's own. An inbound that no client could use becomes none.
#[must_use]
pub fn of_nodes(nodes: &[NodeWays], bearer: &Bearer<'_>) -> Vec<Endpoint> {
    nodes.iter().flat_map(|node| of_node(node, bearer)).collect()
}

fn of_node(node: &NodeWays, bearer: &Bearer<'_>) -> Vec<Endpoint> {
    let by_address = node.addresses.iter().filter_map(|(is_active, address)| {
        let inbound = node.inbounds.iter().find(|inbound| inbound.tag == address.inbound)?;
        let is_his = *is_active == 1 && address.is_for(bearer.account.plan);
        is_his.then(|| endpoint(node, &address.seen(inbound), Some(address), bearer)).flatten()
    });
    let has_none = |inbound: &&Inbound| !node.addresses.iter().any(|(_, address)| address.inbound == inbound.tag);
    let own = node.inbounds.iter().filter(has_none).filter(|inbound| is_reachable(inbound, &node.address));
    by_address.chain(own.filter_map(|inbound| endpoint(node, inbound, None, bearer))).collect()
}

/// Whether the node's own address leads to an inbound: one on loopback is behind something that only the operator knows.
fn is_reachable(inbound: &Inbound, address: &NodeAddress) -> bool {
    let is_loopback = |text: &str| text == "localhost" || text.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    !inbound.loopback || is_loopback(address.as_str())
}

/// Why no link can be made of an inbound, at the node's own address or at all.
#[must_use]
pub fn why_not(inbound: &Inbound, address: &NodeAddress) -> Option<&'static str> {
    // Credentials make no difference.
    let slot: SlotName = "aaaaaaaa".parse().ok()?;
    let credentials = SlotSecret::derive(&[], &slot).into();
    match protocol(inbound, None, &slot, &credentials) {
        Err(reason) => Some(reason),
        Ok(_) if is_reachable(inbound, address) => None,
        Ok(_) => Some("it listens on loopback: give it an address through which clients reach it"),
    }
}

fn endpoint(node: &NodeWays, inbound: &Inbound, address: Option<&Address>, bearer: &Bearer<'_>) -> Option<Endpoint> {
    let fingerprint = address.and_then(|address| address.fingerprint.as_ref());
    let protocol = protocol(inbound, fingerprint, bearer.slot, bearer.credentials).ok()?;
    let place = Place {
        node: &node.node,
        address: node.address.as_str(),
        country: node.country.as_ref(),
        inbound: &inbound.tag,
        protocol: &inbound.protocol,
        transport: transport_name(&protocol),
        port: inbound.port,
    };
    let remark = address.and_then(|address| address.remark.as_ref()).map_or(REMARK, |remark| remark.as_str());
    Some(Endpoint {
        // What is filled in may be longer than what a list shows.
        name: clean_name(&fill(remark, &bearer.account, &place)),
        server: Host::from(address.and_then(|address| address.address.as_ref()).unwrap_or(&node.address)),
        port: inbound.port,
        protocol,
        unknown: Vec::new(),
    })
}

const fn transport_name(protocol: &Protocol) -> &'static str {
    match protocol {
        Protocol::Vless(Vless { stream, .. })
        | Protocol::Vmess(Vmess { stream, .. })
        | Protocol::Trojan(Trojan { stream, .. }) => stream.transport.name(),
        Protocol::Hysteria2(_) | Protocol::Tuic(_) | Protocol::Naive(Naive { quic: true, .. }) => "udp",
        _ => "tcp",
    }
}

/// An entry that no client can connect with, whose name tells the user something.
#[must_use]
pub fn notice(text: &str) -> Endpoint {
    Endpoint {
        name: text.to_owned(),
        server: Host::from(IpAddr::from([127, 0, 0, 1])),
        port: 1,
        // The protocol that every client reads.
        protocol: Protocol::Shadowsocks(Shadowsocks {
            method: "aes-128-gcm".into(),
            password: "none".into(),
            plugin: None,
            udp_over_tcp: false,
        }),
        unknown: Vec::new(),
    }
}

/// The protocol with the user's credentials, or why clients cannot speak it.
fn protocol(
    inbound: &Inbound,
    fingerprint: Option<&Fingerprint>,
    slot: &SlotName,
    of: &Credentials,
) -> Result<Protocol, &'static str> {
    if inbound.port == 0 {
        return Err("it has no port");
    }
    let fingerprint = fingerprint.map(|fingerprint| fingerprint.as_str().to_owned());
    let tls = || Tls {
        server_name: inbound.server_name.clone(),
        alpn: inbound.alpn.iter().filter(|name| is_alpn(name)).cloned().collect(),
        fingerprint: fingerprint.clone(),
        insecure: inbound.insecure,
        ..Tls::default()
    };
    // Without REALITY, which only streams carry.
    let plain_tls = || if inbound.reality.is_some() { Err("links of its protocol know no REALITY") } else { Ok(tls()) };
    let stream = || stream(inbound, fingerprint.clone(), tls());
    let login = || Login { username: slot.as_str().to_owned(), password: of.proxy_password() };
    Ok(match inbound.protocol.as_str() {
        "trojan" => Protocol::Trojan(Trojan { password: of.trojan_password(), stream: stream()? }),
        "vless" => {
            let stream = stream()?;
            let takes_flow = stream.transport == Transport::Tcp(None) && stream.security != Security::None;
            Protocol::Vless(Vless {
                uuid: of.vless_uuid(),
                encryption: "none".into(),
                flow: inbound.flow.clone().filter(|flow| takes_flow && flow != "none"),
                packet_encoding: None,
                stream,
            })
        }
        "vmess" => Protocol::Vmess(Vmess {
            uuid: of.vmess_uuid(),
            alter_id: 0,
            cipher: "auto".into(),
            packet_encoding: None,
            stream: stream()?,
        }),
        "shadowsocks" => Protocol::Shadowsocks(shadowsocks(inbound, of)?),
        // These are nothing without TLS, whatever the inbound says.
        "hysteria2" => Protocol::Hysteria2(Hysteria2 {
            auth: of.hysteria_password(),
            ports: inbound.hop_ports.as_deref().map(Ports::read).transpose().map_err(|_| "its ports are none")?,
            hop_interval: inbound.hop_interval.filter(|_| inbound.hop_ports.is_some()),
            obfs: inbound.obfs.as_ref().map(obfs).transpose()?,
            tls: plain_tls()?,
            ..Hysteria2::default()
        }),
        "tuic" => Protocol::Tuic(Tuic {
            uuid: of.tuic_uuid(),
            password: of.tuic_password(),
            congestion_control: Some(inbound.congestion_control.clone().unwrap_or_else(|| "bbr".into())),
            tls: with_default_alpn(plain_tls()?, "h3"),
            ..Tuic::default()
        }),
        "anytls" => Protocol::Anytls(Anytls { password: of.anytls_password(), tls: plain_tls()? }),
        "naive" => {
            let quic = inbound.network.as_deref() == Some("udp");
            Protocol::Naive(Naive { login: login(), quic, tls: plain_tls()? })
        }
        "socks" | "mixed" => Protocol::Socks(Socks { login: Some(login()) }),
        "http" => Protocol::Http(Http { login: login(), tls: inbound.tls.then(plain_tls).transpose()? }),
        _ => return Err("its protocol has no links"),
    })
}

/// A name of a protocol that a list separated by commas can hold: no other exists (RFC 7301's registry).
fn is_alpn(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn with_default_alpn(tls: Tls, alpn: &str) -> Tls {
    if tls.alpn.is_empty() { Tls { alpn: vec![alpn.to_owned()], ..tls } } else { tls }
}

fn stream(inbound: &Inbound, fingerprint: Option<String>, tls: Tls) -> Result<Stream, &'static str> {
    let security = match &inbound.reality {
        _ if !inbound.tls => Security::None,
        None => Security::Tls(tls),
        Some(reality) => Security::Reality(self::reality(reality, inbound, fingerprint)?),
    };
    let transport = match &inbound.transport {
        None => Transport::Tcp(None),
        Some(transport) => self::transport(transport, security != Security::None)?,
    };
    Ok(Stream { transport, security, final_mask: None })
}

fn reality(reality: &InboundReality, inbound: &Inbound, fingerprint: Option<String>) -> Result<Reality, &'static str> {
    let is_key = URL_SAFE_NO_PAD.decode(&reality.public_key).is_ok_and(|key| key.len() == 32);
    let short_id = reality.short_ids.first().cloned();
    let is_short_id = |id: &String| id.len() <= 16 && hex::decode(id).is_ok();
    if !is_key {
        Err("its REALITY has no valid key")
    } else if inbound.server_name.is_none() {
        Err("its REALITY has no tls.server_name, which clients must ask for")
    } else if !short_id.as_ref().is_none_or(is_short_id) {
        Err("its first short id is none: up to 16 hex digits, an even number of them")
    } else {
        Ok(Reality {
            server_name: inbound.server_name.clone(),
            fingerprint: Some(fingerprint.unwrap_or_else(|| BROWSER.to_owned())),
            public_key: reality.public_key.clone(),
            short_id: short_id.filter(|id| !id.is_empty()),
            spider: None,
            verify_key: None,
        })
    }
}

fn transport(transport: &InboundTransport, has_tls: bool) -> Result<Transport, &'static str> {
    let path = transport.path.clone().unwrap_or_else(|| "/".to_owned());
    let hosts = transport.host.clone();
    let host = hosts.as_deref().and_then(|hosts| hosts.split(',').map(str::trim).find(|host| !host.is_empty()));
    let host = host.map(str::to_owned);
    Ok(match transport.kind.as_str() {
        "ws" => {
            let join = if path.contains('?') { '&' } else { '?' };
            let early = transport.early_data.map(|bytes| format!("{path}{join}ed={bytes}"));
            Transport::Ws { host, path: Some(early.unwrap_or(path)) }
        }
        "httpupgrade" => Transport::HttpUpgrade { host, path: Some(path) },
        "grpc" => Transport::Grpc { service: transport.service.clone(), mode: None, authority: host },
        "http" if has_tls => match transport.method.as_deref() {
            // Clients ask so, and links have no word for another method.
            None | Some("PUT") => Transport::Http2 { host: hosts, path: Some(path) },
            Some(_) => return Err("links know no other method of HTTP/2 than PUT"),
        },
        "http" => Transport::Tcp(Some(Camouflage { host, path: Some(path), method: transport.method.clone() })),
        _ => return Err("links do not know its transport"),
    })
}

fn obfs(obfs: &InboundObfs) -> Result<Obfs, &'static str> {
    let kind = match obfs.kind.as_str() {
        "salamander" => ObfsKind::Salamander,
        "gecko" => ObfsKind::Gecko,
        _ => return Err("links do not know its obfuscation"),
    };
    // Clients refuse a whole list for one without.
    if obfs.password.is_empty() {
        return Err("its obfuscation has no password");
    }
    Ok(Obfs { kind, password: obfs.password.clone() })
}

fn shadowsocks(inbound: &Inbound, of: &Credentials) -> Result<Shadowsocks, &'static str> {
    let method = inbound.method.clone().ok_or("it has no method")?;
    let password = match method.as_str() {
        "2022-blake3-aes-128-gcm" => format!("{}:{}", server_key(inbound)?, of.shadowsocks_key_16()),
        "2022-blake3-aes-256-gcm" => format!("{}:{}", server_key(inbound)?, of.shadowsocks_key_32()),
        // A link would end it elsewhere.
        odd if !odd.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            return Err("its method is none");
        }
        // Several users of one key: the core knows no such thing.
        other if other.starts_with("2022-") => return Err("its method knows no several users"),
        _ => of.shadowsocks_password(),
    };
    Ok(Shadowsocks { method, password, plugin: None, udp_over_tcp: false })
}

/// The server's key, if it has the length that its method takes; with any other, clients refuse the whole list.
fn server_key(inbound: &Inbound) -> Result<&str, &'static str> {
    let key = inbound.server_key.as_deref().zip(inbound.method.as_deref().and_then(key_length));
    let fits = |(key, length): &(&str, usize)| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == *length);
    key.filter(fits).map(|(key, _)| key).ok_or("its key has not the length that its method takes")
}

#[cfg(test)]
mod tests;
