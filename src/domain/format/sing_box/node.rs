//! One outbound, or one endpoint for `WireGuard`.

use super::super::Unfit;
use super::super::check::{flow, no_mask, one_of, uuid};
use super::super::tree::Map;
use super::Tier;
use super::stream::{stream, tls};
use crate::domain::endpoint::{
    Endpoint, Hysteria2, ObfsKind, Ports, Protocol, Shadowsocks, Tuic, Vless, Vmess, Wireguard,
};

const VMESS_CIPHERS: [&str; 5] = ["auto", "none", "zero", "aes-128-gcm", "chacha20-poly1305"];
const METHODS: [&str; 15] = [
    "none",
    "aes-128-gcm",
    "aes-192-gcm",
    "aes-256-gcm",
    "chacha20-ietf-poly1305",
    "xchacha20-ietf-poly1305",
    "2022-blake3-aes-128-gcm",
    "2022-blake3-aes-256-gcm",
    "2022-blake3-chacha20-poly1305",
    "aes-128-ctr",
    "aes-192-ctr",
    "aes-256-ctr",
    "rc4-md5",
    "chacha20-ietf",
    "xchacha20",
];

/// The entry, if every reader of the tier takes it.
pub(super) fn node(tag: &str, endpoint: &Endpoint, tier: Tier) -> Result<Map, Unfit> {
    let head = |kind: &'static str| {
        let head = Map::new().with("type", kind).with("tag", tag);
        head.with("server", endpoint.server.as_str()).with("server_port", endpoint.port)
    };
    match &endpoint.protocol {
        Protocol::Vless(vless) => self::vless(head("vless"), vless),
        Protocol::Vmess(vmess) => self::vmess(head("vmess"), vmess),
        Protocol::Trojan(trojan) => {
            let entry = head("trojan").with("password", trojan.password.as_str());
            Ok(entry.and(stream(no_mask(&trojan.stream)?)?))
        }
        Protocol::Shadowsocks(shadowsocks) => self::shadowsocks(head("shadowsocks"), shadowsocks),
        Protocol::Hysteria2(hysteria2) => self::hysteria2(head("hysteria2"), hysteria2, tier),
        Protocol::Tuic(tuic) => self::tuic(head("tuic"), tuic),
        Protocol::Anytls(_) if tier == Tier::Legacy => Err(Unfit::Protocol),
        Protocol::Anytls(anytls) => {
            Ok(head("anytls").with("password", anytls.password.as_str()).with("tls", tls(&anytls.tls)?))
        }
        Protocol::Wireguard(wireguard) if tier == Tier::Legacy => {
            Ok(self::wireguard_outbound(head("wireguard"), wireguard))
        }
        Protocol::Wireguard(wireguard) => {
            Ok(wireguard_endpoint(Map::new().with("type", "wireguard").with("tag", tag), wireguard, endpoint))
        }
        Protocol::Socks(socks) => {
            let login = socks.login.as_ref();
            let entry = head("socks").with("version", "5").some("username", login.map(|login| &login.username));
            Ok(entry.some("password", login.map(|login| &login.password)))
        }
        Protocol::Http(http) => {
            let entry = head("http").with("username", &http.login.username).with("password", &http.login.password);
            Ok(entry.some("tls", http.tls.as_ref().map(tls).transpose()?))
        }
        // Only some builds of later versions know naive, and none a realm.
        Protocol::Naive(_) | Protocol::Realm(_) => Err(Unfit::Protocol),
    }
}

fn vless(head: Map, vless: &Vless) -> Result<Map, Unfit> {
    if vless.encryption != "none" {
        return Err(Unfit::Encryption);
    }
    let entry = head.with("uuid", uuid(&vless.uuid)?).some("flow", flow(vless)?);
    let entry = entry.some("packet_encoding", packet_encoding(vless.packet_encoding.as_deref()));
    Ok(entry.and(stream(no_mask(&vless.stream)?)?))
}

fn vmess(head: Map, vmess: &Vmess) -> Result<Map, Unfit> {
    let entry = head
        .with("uuid", uuid(&vmess.uuid)?)
        .with("security", one_of(&vmess.cipher, &VMESS_CIPHERS, Unfit::Cipher)?)
        .with("alter_id", vmess.alter_id)
        .some("packet_encoding", packet_encoding(vmess.packet_encoding.as_deref()));
    Ok(entry.and(stream(no_mask(&vmess.stream)?)?))
}

fn packet_encoding(name: Option<&str>) -> Option<&str> {
    match name? {
        "xudp" => Some("xudp"),
        "packet" | "packetaddr" => Some("packetaddr"),
        "none" => Some(""),
        _ => None,
    }
}

fn shadowsocks(head: Map, shadowsocks: &Shadowsocks) -> Result<Map, Unfit> {
    let Shadowsocks { method, password, plugin, udp_over_tcp } = shadowsocks;
    let entry = head.with("method", one_of(method, &METHODS, Unfit::Method)?).with("password", password);
    let plugin = match plugin {
        None => Map::new(),
        Some(plugin) => {
            let name = match plugin.name.as_str() {
                "obfs-local" | "simple-obfs" | "obfs" => "obfs-local",
                "v2ray-plugin" => "v2ray-plugin",
                _ => return Err(Unfit::Plugin),
            };
            Map::new().with("plugin", name).with("plugin_opts", &plugin.options)
        }
    };
    Ok(entry.and(plugin).flag("udp_over_tcp", *udp_over_tcp))
}

fn hysteria2(head: Map, hysteria2: &Hysteria2, tier: Tier) -> Result<Map, Unfit> {
    let obfs = hysteria2.obfs.as_ref();
    // Only 1.14 and later know gecko.
    if obfs.is_some_and(|obfs| obfs.kind != ObfsKind::Salamander) {
        return Err(Unfit::Obfs);
    }
    let obfs = obfs.map(|obfs| Map::new().with("type", obfs.kind.name()).with("password", &obfs.password));
    let ports =
        |ports: &Ports| ports.ranges().iter().map(|(first, last)| format!("{first}:{last}")).collect::<Vec<_>>();
    // Hopping came with 1.11; without it the first port does.
    let hopping = hysteria2.ports.as_ref().filter(|_| tier == Tier::Current);
    Ok(head
        .some("server_ports", hopping.map(ports))
        .some("hop_interval", hopping.and(hysteria2.hop_interval).map(|seconds| format!("{seconds}s")))
        .some("up_mbps", hysteria2.up)
        .some("down_mbps", hysteria2.down)
        .some("obfs", obfs)
        .with("password", &hysteria2.auth)
        .with("tls", quic_tls(&hysteria2.tls)?))
}

fn tuic(head: Map, tuic: &Tuic) -> Result<Map, Unfit> {
    let congestion = tuic.congestion_control.as_deref();
    let congestion = congestion.map(|name| one_of(name, &["cubic", "new_reno", "bbr"], Unfit::Tuic)).transpose()?;
    let mode = tuic.udp_relay_mode.as_deref();
    let mode = mode.map(|name| one_of(name, &["native", "quic"], Unfit::Tuic)).transpose()?;
    let tls = quic_tls(&tuic.tls)?.flag("disable_sni", tuic.disable_sni);
    Ok(head
        .with("uuid", uuid(&tuic.uuid)?)
        .with("password", &tuic.password)
        .some("congestion_control", congestion)
        .some("udp_relay_mode", mode)
        .flag("zero_rtt_handshake", tuic.zero_rtt)
        .with("tls", tls))
}

/// uTLS imitates TLS over TCP, and QUIC refuses it.
fn quic_tls(tls: &crate::domain::endpoint::Tls) -> Result<Map, Unfit> {
    self::tls(&crate::domain::endpoint::Tls { fingerprint: None, ..tls.clone() })
}

fn wireguard_endpoint(head: Map, wireguard: &Wireguard, endpoint: &Endpoint) -> Map {
    let peer = Map::new()
        .with("address", endpoint.server.as_str())
        .with("port", endpoint.port)
        .with("public_key", wireguard.public_key.as_str())
        .some("pre_shared_key", wireguard.preshared_key.as_ref().map(|key| key.as_str().to_owned()))
        .with("allowed_ips", ["0.0.0.0/0", "::/0"])
        .some("reserved", wireguard.reserved.map(|bytes| bytes.map(u16::from)));
    head.with("address", wireguard.prefixes().collect::<Vec<_>>())
        .with("private_key", wireguard.private_key.as_str())
        .some("mtu", wireguard.mtu)
        .with("peers", [peer])
}

fn wireguard_outbound(head: Map, wireguard: &Wireguard) -> Map {
    head.with("local_address", wireguard.prefixes().collect::<Vec<_>>())
        .with("private_key", wireguard.private_key.as_str())
        .with("peer_public_key", wireguard.public_key.as_str())
        .some("pre_shared_key", wireguard.preshared_key.as_ref().map(|key| key.as_str().to_owned()))
        .some("reserved", wireguard.reserved.map(|bytes| bytes.map(u16::from)))
        .some("mtu", wireguard.mtu)
}
