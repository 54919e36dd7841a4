//! One entry of `proxies`.

use super::super::Unfit;
use super::super::check::{encryption, flow, no_mask, one_of, uuid};
use super::super::tree::Map;
use super::Clash;
use super::stream::{Carrier, certificate, stream};
use crate::domain::endpoint::{
    Endpoint, Hysteria2, ObfsKind, Plugin, Ports, Protocol, Security, Shadowsocks, Tls, Trojan, Tuic, Vless, Vmess,
    Wireguard,
};

/// Ciphers of `VMess` that mihomo takes; the last is its own.
const VMESS_CIPHERS: [&str; 5] = ["auto", "none", "aes-128-gcm", "chacha20-poly1305", "zero"];
/// Methods of Shadowsocks that all Clashes take.
const METHODS: [&str; 13] = [
    "aes-128-gcm",
    "aes-192-gcm",
    "aes-256-gcm",
    "chacha20-ietf-poly1305",
    "xchacha20-ietf-poly1305",
    "aes-128-cfb",
    "aes-192-cfb",
    "aes-256-cfb",
    "aes-128-ctr",
    "aes-192-ctr",
    "aes-256-ctr",
    "rc4-md5",
    "chacha20-ietf",
];
const METHODS_2022: [&str; 3] = ["2022-blake3-aes-128-gcm", "2022-blake3-aes-256-gcm", "2022-blake3-chacha20-poly1305"];

/// The entry, if every client of the dialect loads it.
pub(in super::super) fn node(name: &str, endpoint: &Endpoint, dialect: Clash) -> Result<Map, Unfit> {
    let kind = kind(&endpoint.protocol, dialect)?;
    let head = Map::new()
        .with("name", name)
        .with("type", kind)
        .with("server", endpoint.server.as_str())
        .with("port", endpoint.port);
    match &endpoint.protocol {
        Protocol::Vless(vless) => self::vless(head, vless, dialect),
        Protocol::Vmess(vmess) => self::vmess(head, vmess, dialect),
        Protocol::Trojan(trojan) => self::trojan(head, trojan, dialect),
        Protocol::Shadowsocks(shadowsocks) => self::shadowsocks(head, shadowsocks, dialect),
        Protocol::Hysteria2(hysteria2) => self::hysteria2(head, hysteria2, dialect),
        Protocol::Tuic(tuic) => self::tuic(head, tuic, dialect),
        Protocol::Anytls(anytls) => {
            let entry = head.with("password", anytls.password.as_str()).with("udp", true);
            Ok(entry.and(certificate(&anytls.tls, "sni", dialect)?))
        }
        Protocol::Wireguard(wireguard) => Ok(self::wireguard(head, wireguard)),
        Protocol::Socks(socks) => {
            let login = socks.login.as_ref();
            let entry = head.some("username", login.map(|login| login.username.as_str()));
            Ok(entry.some("password", login.map(|login| login.password.as_str())).with("udp", true))
        }
        Protocol::Http(http) => {
            let login =
                head.with("username", http.login.username.as_str()).with("password", http.login.password.as_str());
            match &http.tls {
                None => Ok(login),
                Some(tls) => Ok(login.with("tls", true).and(certificate(tls, "sni", dialect)?)),
            }
        }
        Protocol::Naive(_) | Protocol::Realm(_) => Err(Unfit::Protocol),
    }
}

fn kind(protocol: &Protocol, dialect: Clash) -> Result<&'static str, Unfit> {
    let (kind, since) = match protocol {
        Protocol::Vmess(_) => ("vmess", Clash::Legacy),
        Protocol::Trojan(_) => ("trojan", Clash::Legacy),
        Protocol::Shadowsocks(_) => ("ss", Clash::Legacy),
        Protocol::Socks(_) => ("socks5", Clash::Legacy),
        Protocol::Http(_) => ("http", Clash::Legacy),
        Protocol::Vless(_) => ("vless", Clash::Stash),
        Protocol::Hysteria2(_) => ("hysteria2", Clash::Stash),
        Protocol::Tuic(_) => ("tuic", Clash::Stash),
        Protocol::Anytls(_) => ("anytls", Clash::Mihomo),
        Protocol::Wireguard(_) => ("wireguard", Clash::Mihomo),
        Protocol::Naive(_) | Protocol::Realm(_) => return Err(Unfit::Protocol),
    };
    let is_known = match dialect {
        Clash::Mihomo => true,
        Clash::Stash => since != Clash::Mihomo,
        Clash::Legacy => since == Clash::Legacy,
    };
    if is_known { Ok(kind) } else { Err(Unfit::Protocol) }
}

fn vless(head: Map, vless: &Vless, dialect: Clash) -> Result<Map, Unfit> {
    // What ends a whole list comes first: see `links::refused`.
    let (encryption, flow) = (encryption(vless)?, flow(vless)?);
    if dialect != Clash::Mihomo && encryption.is_some() {
        return Err(Unfit::Encryption);
    }
    let entry = head
        .with("uuid", uuid(&vless.uuid)?)
        .some("flow", flow)
        .some("encryption", encryption)
        .some("packet-encoding", packet_encoding(vless.packet_encoding.as_deref()))
        .with("udp", true);
    Ok(entry.and(stream(no_mask(&vless.stream)?, Carrier::Vless, dialect)?))
}

fn vmess(head: Map, vmess: &Vmess, dialect: Clash) -> Result<Map, Unfit> {
    let ciphers = VMESS_CIPHERS.get(..if dialect == Clash::Legacy { 4 } else { 5 }).unwrap_or_default();
    let cipher = one_of(&vmess.cipher, ciphers, Unfit::Cipher)?;
    let entry = head
        .with("uuid", uuid(&vmess.uuid)?)
        .with("alterId", vmess.alter_id)
        .with("cipher", cipher)
        .some("packet-encoding", packet_encoding(vmess.packet_encoding.as_deref()))
        .with("udp", true);
    Ok(entry.and(stream(no_mask(&vmess.stream)?, Carrier::Vmess, dialect)?))
}

fn packet_encoding(name: Option<&str>) -> Option<&str> {
    match name {
        Some("xudp") => name,
        Some("packet" | "packetaddr") => Some("packetaddr"),
        _ => None,
    }
}

fn trojan(head: Map, trojan: &Trojan, dialect: Clash) -> Result<Map, Unfit> {
    // Clash's trojan always has TLS.
    if trojan.stream.security == Security::None {
        return Err(Unfit::Security);
    }
    let entry = head.with("password", trojan.password.as_str()).with("udp", true);
    Ok(entry.and(stream(no_mask(&trojan.stream)?, Carrier::Trojan, dialect)?))
}

fn shadowsocks(head: Map, shadowsocks: &Shadowsocks, dialect: Clash) -> Result<Map, Unfit> {
    let Shadowsocks { method, password, plugin, udp_over_tcp } = shadowsocks;
    if !METHODS.contains(&method.as_str()) && (dialect == Clash::Legacy || !METHODS_2022.contains(&method.as_str())) {
        return Err(Unfit::Method);
    }
    if *udp_over_tcp && dialect != Clash::Mihomo {
        return Err(Unfit::UdpOverTcp);
    }
    let entry = head.with("cipher", method).with("password", password).with("udp", true);
    let entry = entry.flag("udp-over-tcp", *udp_over_tcp);
    match plugin {
        None => Ok(entry),
        Some(plugin) => Ok(entry.and(self::plugin(plugin, dialect)?)),
    }
}

fn plugin(plugin: &Plugin, dialect: Clash) -> Result<Map, Unfit> {
    let pairs = plugin.pairs();
    let get = |key: &str| pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str());
    let (name, options) = match plugin.name.as_str() {
        "obfs-local" | "simple-obfs" | "obfs" => {
            let mode = one_of(get("obfs").unwrap_or_default(), &["http", "tls"], Unfit::Plugin)?;
            ("obfs", Map::new().with("mode", mode).some("host", get("obfs-host")))
        }
        "v2ray-plugin" => {
            one_of(get("mode").unwrap_or("websocket"), &["websocket"], Unfit::Plugin)?;
            let options = Map::new()
                .with("mode", "websocket")
                .flag("tls", get("tls").is_some())
                .some("host", get("host"))
                .some("path", get("path"))
                .some("mux", get("mux").map(|mux| mux != "0"));
            ("v2ray-plugin", options)
        }
        "shadow-tls" if dialect == Clash::Mihomo => {
            let (Some(host), Some(password)) = (get("host"), get("password")) else { return Err(Unfit::Plugin) };
            let version = get("version").and_then(|version| version.parse::<u64>().ok()).unwrap_or(2);
            ("shadow-tls", Map::new().with("host", host).with("password", password).with("version", version))
        }
        _ => return Err(Unfit::Plugin),
    };
    Ok(Map::new().with("plugin", name).with("plugin-opts", options))
}

fn hysteria2(head: Map, hysteria2: &Hysteria2, dialect: Clash) -> Result<Map, Unfit> {
    let certificate = certificate(&without_fingerprint(&hysteria2.tls), "sni", dialect)?;
    let obfs = hysteria2.obfs.as_ref();
    if obfs.is_some_and(|obfs| obfs.kind != ObfsKind::Salamander) {
        return Err(Unfit::Obfs);
    }
    let rate = |mbps: Option<u32>| mbps.map(|mbps| format!("{mbps} Mbps"));
    let entry = head
        .with("password", hysteria2.auth.as_str())
        // Stash calls it so.
        .some("auth", (dialect == Clash::Stash).then_some(hysteria2.auth.as_str()))
        .some("ports", hysteria2.ports.as_ref().map(Ports::text))
        .some("hop-interval", hysteria2.hop_interval)
        .some("obfs", obfs.map(|obfs| obfs.kind.name()))
        .some("obfs-password", obfs.map(|obfs| obfs.password.as_str()))
        .some("up", rate(hysteria2.up))
        .some("down", rate(hysteria2.down));
    Ok(entry.and(certificate))
}

fn tuic(head: Map, tuic: &Tuic, dialect: Clash) -> Result<Map, Unfit> {
    let congestion = tuic.congestion_control.as_deref();
    let congestion = congestion.map(|name| one_of(name, &["bbr", "cubic", "new_reno"], Unfit::Tuic)).transpose()?;
    let mode = tuic.udp_relay_mode.as_deref();
    let mode = mode.map(|name| one_of(name, &["native", "quic"], Unfit::Tuic)).transpose()?;
    let entry = head
        .some("version", (dialect == Clash::Stash).then_some(5_u64))
        .with("uuid", uuid(&tuic.uuid)?)
        .with("password", tuic.password.as_str())
        .some("congestion-controller", congestion)
        .some("udp-relay-mode", mode)
        .flag("disable-sni", tuic.disable_sni)
        .flag("reduce-rtt", tuic.zero_rtt);
    Ok(entry.and(certificate(&without_fingerprint(&tuic.tls), "sni", dialect)?))
}

fn wireguard(head: Map, wireguard: &Wireguard) -> Map {
    let address = |is_v6: bool| {
        let found = wireguard.addresses.iter().find(|address| address.contains(':') == is_v6)?;
        found.split('/').next().map(str::to_owned)
    };
    head.some("ip", address(false))
        .some("ipv6", address(true))
        .with("private-key", wireguard.private_key.as_str())
        .with("public-key", wireguard.public_key.as_str())
        .some("pre-shared-key", wireguard.preshared_key.as_ref().map(|key| key.as_str().to_owned()))
        .some("reserved", wireguard.reserved.map(|bytes| bytes.map(u16::from)))
        .some("mtu", wireguard.mtu)
        .with("allowed-ips", ["0.0.0.0/0", "::/0"])
        .with("udp", true)
}

/// uTLS imitates TLS over TCP; QUIC's handshake is another.
fn without_fingerprint(tls: &Tls) -> Tls {
    Tls { fingerprint: None, ..tls.clone() }
}
