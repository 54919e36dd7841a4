//! Xray's JSON: a list of whole configurations with a name each, so that one that a client refuses costs no other.

mod stream;

use super::check::{flow, one_of, uuid};
use super::tree::{Map, Tree};
use super::{Rendered, Unfit, fit};
use crate::domain::endpoint::{Endpoint, Login, Protocol, Shadowsocks, Wireguard};
use stream::stream;

const VMESS_CIPHERS: [&str; 5] = ["auto", "none", "zero", "aes-128-gcm", "chacha20-poly1305"];
const METHODS: [&str; 8] = [
    "aes-128-gcm",
    "aes-256-gcm",
    "chacha20-ietf-poly1305",
    "xchacha20-ietf-poly1305",
    "2022-blake3-aes-128-gcm",
    "2022-blake3-aes-256-gcm",
    "2022-blake3-chacha20-poly1305",
    "none",
];

/// The list.
pub(super) fn write(endpoints: &[Endpoint]) -> Rendered {
    let (nodes, left_out) =
        fit(endpoints, &[], str::to_owned, |name, endpoint| Ok(configuration(name, outbound(endpoint)?)));
    let served = nodes.len();
    let list: Tree = nodes.into_iter().map(|(_, configuration)| configuration).collect::<Vec<_>>().into();
    Rendered { body: list.json(), served, left_out }
}

fn configuration(name: &str, outbound: Map) -> Map {
    let inbound = |tag: &'static str, protocol: &'static str, port: u16, settings: Map| {
        let sniffing = Map::new().with("enabled", true).with("destOverride", ["http", "tls"]);
        Map::new()
            .with("tag", tag)
            .with("listen", "127.0.0.1")
            .with("port", port)
            .with("protocol", protocol)
            .with("settings", settings)
            .with("sniffing", sniffing)
    };
    let plain = |tag: &'static str, protocol: &'static str| Map::new().with("tag", tag).with("protocol", protocol);
    let private = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ];
    let rule = Map::new().with("type", "field").with("ip", private).with("outboundTag", "direct");
    Map::new()
        .with("remarks", name)
        .with("log", Map::new().with("loglevel", "warning"))
        .with("dns", Map::new().with("servers", ["1.1.1.1", "8.8.8.8"]))
        .with(
            "inbounds",
            [
                inbound("socks", "socks", 10808, Map::new().with("auth", "noauth").with("udp", true)),
                inbound("http", "http", 10809, Map::new()),
            ],
        )
        .with("outbounds", [outbound, plain("direct", "freedom"), plain("block", "blackhole")])
        .with("routing", Map::new().with("domainStrategy", "AsIs").with("rules", [rule]))
}

fn outbound(endpoint: &Endpoint) -> Result<Map, Unfit> {
    let place = || Map::new().with("address", endpoint.server.as_str()).with("port", endpoint.port);
    let head = |protocol: &'static str| Map::new().with("tag", "proxy").with("protocol", protocol);
    let to = |key: &'static str, server: Map| Map::new().with(key, [server]);
    Ok(match &endpoint.protocol {
        Protocol::Vless(vless) => {
            let user = Map::new()
                .with("id", uuid(&vless.uuid)?)
                .with("encryption", &vless.encryption)
                .some("flow", flow(vless)?);
            head("vless")
                .with("settings", to("vnext", place().with("users", [user])))
                .with("streamSettings", stream(&vless.stream)?)
        }
        Protocol::Vmess(vmess) => {
            let user = Map::new()
                .with("id", uuid(&vmess.uuid)?)
                .with("alterId", vmess.alter_id)
                .with("security", one_of(&vmess.cipher, &VMESS_CIPHERS, Unfit::Cipher)?);
            head("vmess")
                .with("settings", to("vnext", place().with("users", [user])))
                .with("streamSettings", stream(&vmess.stream)?)
        }
        Protocol::Trojan(trojan) => head("trojan")
            .with("settings", to("servers", place().with("password", &trojan.password)))
            .with("streamSettings", stream(&trojan.stream)?),
        Protocol::Shadowsocks(shadowsocks) => {
            let Shadowsocks { method, password, plugin, udp_over_tcp } = shadowsocks;
            if plugin.is_some() {
                return Err(Unfit::Plugin);
            }
            let method = one_of(method, &METHODS, Unfit::Method)?;
            let server = place().with("method", method).with("password", password).flag("uot", *udp_over_tcp);
            head("shadowsocks").with("settings", to("servers", server))
        }
        Protocol::Socks(socks) => {
            let user = socks.login.as_ref().map(|login| [account(login)]);
            head("socks").with("settings", to("servers", place().some("users", user)))
        }
        Protocol::Http(http) => {
            let entry = head("http").with("settings", to("servers", place().with("users", [account(&http.login)])));
            match &http.tls {
                None => entry,
                Some(tls) => entry.with("streamSettings", stream::over_tcp(tls)?),
            }
        }
        Protocol::Wireguard(wireguard) => head("wireguard").with("settings", self::wireguard(wireguard, endpoint)),
        // What carries them came to Xray late and is in few of the clients that read this list.
        Protocol::Hysteria2(_) | Protocol::Tuic(_) | Protocol::Anytls(_) | Protocol::Naive(_) | Protocol::Realm(_) => {
            return Err(Unfit::Protocol);
        }
    })
}

fn account(login: &Login) -> Map {
    Map::new().with("user", &login.username).with("pass", &login.password)
}

fn wireguard(wireguard: &Wireguard, endpoint: &Endpoint) -> Map {
    let peer = Map::new()
        .with("endpoint", format!("{}:{}", endpoint.server.in_url(), endpoint.port))
        .with("publicKey", wireguard.public_key.as_str())
        .some("preSharedKey", wireguard.preshared_key.as_ref().map(|key| key.as_str().to_owned()));
    // Xray takes single addresses only.
    let alone = |prefix: String| {
        let address = prefix.split('/').next().unwrap_or_default().to_owned();
        let length = if address.contains(':') { 128 } else { 32 };
        format!("{address}/{length}")
    };
    Map::new()
        .with("secretKey", wireguard.private_key.as_str())
        .with("address", wireguard.prefixes().map(alone).collect::<Vec<_>>())
        .with("peers", [peer])
        .some("reserved", wireguard.reserved.map(|bytes| bytes.map(u16::from)))
        .some("mtu", wireguard.mtu)
}
