//! Outbounds and endpoints of sing-box.

use super::super::link::{Params, Reason};
use super::super::xpert::link::Link;
use super::draft::{Draft, without};
use super::tree::Tree;

/// What is no server.
const OTHERS: [&str; 5] = ["selector", "urltest", "direct", "block", "dns"];
/// TLS that a link cannot promise.
const TLS: [&str; 5] = [
    "certificate",
    "certificate_path",
    "certificate_public_key_sha256",
    "client_certificate",
    "client_certificate_path",
];

/// Reads one outbound or endpoint; none for what is no server.
pub(super) fn read(node: &Tree) -> Option<Result<Link, Reason>> {
    let kind = node.get("type").text().unwrap_or_default();
    if OTHERS.contains(&kind) { None } else { Some(link(kind, node)) }
}

fn link(kind: &str, node: &Tree) -> Result<Link, Reason> {
    without(node, &["detour"])?;
    let draft = |scheme| Draft::new(scheme, node.get("tag").text(), node.get("server"), node.get("server_port"));
    let (uuid, password) = (node.get("uuid"), node.get("password"));
    match kind {
        "vless" => {
            let draft = draft("vless").user(&[uuid]).with("flow", node.get("flow"));
            stream(draft.with("packetEncoding", node.get("packet_encoding")), node)
        }
        "vmess" => {
            let draft = draft("vmess").user(&[uuid]).with("encryption", node.get("security"));
            stream(draft.with("aid", node.get("alter_id")).with("packetEncoding", node.get("packet_encoding")), node)
        }
        "trojan" => stream(draft("trojan").user(&[password]), node),
        "shadowsocks" => shadowsocks(draft("ss"), node),
        "hysteria2" => hysteria2(draft("hysteria2").user(&[password]), node),
        "tuic" => {
            let draft =
                draft("tuic").user(&[uuid, password]).with("congestion_control", node.get("congestion_control"));
            let draft = draft.with("udp_relay_mode", node.get("udp_relay_mode"));
            tls(draft.flag("reduce_rtt", node.get("zero_rtt_handshake")), node)?.link()
        }
        "anytls" => tls(draft("anytls").user(&[password]), node)?.link(),
        "naive" => {
            let scheme = if node.get("quic").is_on() { "naive+quic" } else { "naive+https" };
            tls(draft(scheme).user(&[node.get("username"), password]), node)?.link()
        }
        "socks" if !matches!(node.get("version").text(), None | Some("5")) => Err(Reason::Setting("version")),
        "socks" => draft("socks5").user(&[node.get("username"), password]).link(),
        "http" => {
            without(node, &["path", "headers"])?;
            let scheme = if node.get("tls").get("enabled").is_on() { "https" } else { "http" };
            tls(draft(scheme).user(&[node.get("username"), password]), node)?.link()
        }
        "wireguard" => wireguard(node),
        other => Err(Reason::Unsupported(other.chars().take(32).collect())),
    }
}

fn shadowsocks(mut draft: Draft, node: &Tree) -> Result<Link, Reason> {
    if let Some(plugin) = node.get("plugin").text() {
        let options = node.get("plugin_opts").text().unwrap_or_default();
        draft.params.add("plugin", if options.is_empty() { plugin.to_owned() } else { format!("{plugin};{options}") });
    }
    let uot = node.get("udp_over_tcp");
    let draft = draft.user(&[node.get("method"), node.get("password")]);
    draft.flag("uot", if uot.text().is_some() { uot } else { uot.get("enabled") }).link()
}

fn hysteria2(mut draft: Draft, node: &Tree) -> Result<Link, Reason> {
    let obfs = node.get("obfs");
    draft = draft.with("obfs", obfs.get("type")).with("obfs-password", obfs.get("password"));
    draft = draft.with("upmbps", node.get("up_mbps")).with("downmbps", node.get("down_mbps"));
    draft.params.some("mport", node.get("server_ports").joined().map(|ports| ports.replace(':', "-")));
    draft.params.some("hop-interval", node.get("hop_interval").text().map(|text| text.trim_end_matches('s')));
    tls(draft, node)?.link()
}

fn wireguard(node: &Tree) -> Result<Link, Reason> {
    let peers = node.get("peers").items();
    if peers.len() > 1 {
        return Err(Reason::Setting("peers"));
    }
    // Before 1.11 the one peer stood in the outbound itself.
    let peer = peers.first().unwrap_or(node);
    let draft = Draft::new(
        "wireguard",
        node.get("tag").text(),
        peer.any(&["address", "server"]),
        peer.any(&["port", "server_port"]),
    );
    let draft = draft.user(&[node.get("private_key")]).with("publickey", peer.any(&["public_key", "peer_public_key"]));
    let draft = draft.with("presharedkey", peer.get("pre_shared_key")).with("reserved", peer.get("reserved"));
    draft.with("address", node.any(&["local_address", "address"])).with("mtu", node.get("mtu")).link()
}

/// TLS of a protocol that is never without.
fn tls(draft: Draft, node: &Tree) -> Result<Draft, Reason> {
    let tls = node.get("tls");
    without(tls, &TLS)?;
    let ech = tls.get("ech");
    // PEM, line by line, of what links have without its frame.
    let config = ech.get("config").items().iter().filter_map(Tree::text).filter(|line| !line.starts_with("-----"));
    let config: String = config.collect();
    if ech.get("enabled").is_on() && config.is_empty() {
        return Err(Reason::Setting("ech"));
    }
    let mut draft = draft;
    draft.params.some("ech", Some(config).filter(|config| !config.is_empty()));
    let draft = draft.with("sni", tls.get("server_name")).with("alpn", tls.get("alpn"));
    let draft = draft.flag("insecure", tls.get("insecure")).flag("disable_sni", tls.get("disable_sni"));
    Ok(draft.with("fp", tls.get("utls").get("fingerprint")))
}

/// Transport and security of the family of vless.
fn stream(draft: Draft, node: &Tree) -> Result<Link, Reason> {
    let tls = node.get("tls");
    let mut draft = transport(draft, node.get("transport"), tls.get("enabled").is_on())?;
    let reality = tls.get("reality");
    if reality.get("enabled").is_on() {
        draft.params.add("security", "reality");
        draft = draft.with("sni", tls.get("server_name")).with("fp", tls.get("utls").get("fingerprint"));
        draft.with("pbk", reality.get("public_key")).with("sid", reality.get("short_id")).link()
    } else if tls.get("enabled").is_on() {
        draft.params.add("security", "tls");
        self::tls(draft, node)?.link()
    } else {
        draft.params.add("security", "none");
        draft.link()
    }
}

fn transport(mut draft: Draft, transport: &Tree, is_tls: bool) -> Result<Draft, Reason> {
    let kind = transport.get("type").text().unwrap_or("tcp");
    // Without TLS it is HTTP/1.1, which links call a header of TCP.
    if kind == "http" && !is_tls {
        draft.params.add("headerType", "http");
        draft = draft.with("host", transport.get("host")).with("path", transport.get("path"));
        return Ok(draft.with("method", transport.get("method")));
    }
    draft.params.add("type", kind);
    let host = transport.get("headers").any(&["Host", "host"]);
    match kind {
        "tcp" => Ok(draft),
        "ws" => {
            draft.params.some("host", host.one());
            early_data(&mut draft.params, transport.get("path").text(), transport.get("max_early_data").text());
            Ok(draft)
        }
        "grpc" => Ok(draft.with("serviceName", transport.get("service_name"))),
        "httpupgrade" => {
            draft.params.some("host", transport.get("host").text().or_else(|| host.one()));
            Ok(draft.with("path", transport.get("path")))
        }
        "http" => Ok(draft.with("host", transport.get("host")).with("path", transport.get("path"))),
        other => Err(Reason::Network(other.chars().take(32).collect())),
    }
}

/// A WebSocket path, with the number of early bytes in it as links have it.
pub(super) fn early_data(params: &mut Params, path: Option<&str>, early: Option<&str>) {
    let early = early.filter(|number| *number != "0" && number.bytes().all(|byte| byte.is_ascii_digit()));
    let path = match early {
        Some(early) => {
            let path = path.unwrap_or("/");
            Some(format!("{path}{}ed={early}", if path.contains('?') { '&' } else { '?' }))
        }
        None => path.map(str::to_owned),
    };
    params.some("path", path);
}
