//! Proxies of Clash and mihomo.

use super::super::link::Reason;
use super::super::xpert::link::Link;
use super::draft::{Draft, without};
use super::sing_box::early_data;
use super::tree::Tree;

/// What is no server.
const OTHERS: [&str; 6] = ["direct", "reject", "reject-drop", "dns", "pass", "compatible"];

/// Reads one proxy; none for what is no server.
pub(super) fn read(node: &Tree) -> Option<Result<Link, Reason>> {
    let kind = node.get("type").text().unwrap_or_default();
    if OTHERS.contains(&kind) { None } else { Some(link(kind, node)) }
}

fn link(kind: &str, node: &Tree) -> Result<Link, Reason> {
    without(node, &["dialer-proxy", "certificate", "private-key-path"])?;
    let draft = |scheme| Draft::new(scheme, node.get("name").text(), node.get("server"), node.get("port"));
    let (uuid, password, username) = (node.get("uuid"), node.get("password"), node.get("username"));
    match kind {
        "vless" => {
            let draft =
                draft("vless").user(&[uuid]).with("encryption", node.get("encryption")).with("flow", node.get("flow"));
            stream(packet_encoding(draft, node), node, false)
        }
        "vmess" => {
            let draft =
                draft("vmess").user(&[uuid]).with("encryption", node.get("cipher")).with("aid", node.get("alterId"));
            stream(packet_encoding(draft, node), node, false)
        }
        "trojan" => stream(draft("trojan").user(&[password]), node, true),
        "ss" => shadowsocks(draft("ss").user(&[node.get("cipher"), password]), node),
        "hysteria2" | "hy2" => {
            let draft = draft("hysteria2").user(&[password]).with("obfs", node.get("obfs"));
            let draft = draft.with("obfs-password", node.get("obfs-password")).with("mport", node.get("ports"));
            let mut draft = draft.with("hop-interval", node.get("hop-interval"));
            // `30 Mbps`, or the number alone, which means the same.
            let rate = |name: &str| node.get(name).text().and_then(|rate| rate.split(' ').next()).map(str::to_owned);
            draft.params.some("upmbps", rate("up"));
            draft.params.some("downmbps", rate("down"));
            tls(draft, node)?.link()
        }
        "tuic" => {
            let draft =
                draft("tuic").user(&[uuid, password]).with("congestion_control", node.get("congestion-controller"));
            let draft =
                draft.with("udp_relay_mode", node.get("udp-relay-mode")).flag("disable_sni", node.get("disable-sni"));
            tls(draft.flag("reduce_rtt", node.get("reduce-rtt")), node)?.link()
        }
        "anytls" => tls(draft("anytls").user(&[password]), node)?.link(),
        "socks5" if node.get("tls").is_on() => Err(Reason::Setting("tls")),
        "socks5" => draft("socks5").user(&[username, password]).link(),
        "http" => {
            without(node, &["headers"])?;
            let scheme = if node.get("tls").is_on() { "https" } else { "http" };
            tls(draft(scheme).user(&[username, password]), node)?.link()
        }
        "wireguard" => {
            without(node, &["peers", "amnezia-wg-option"])?;
            let mut draft =
                draft("wireguard").user(&[node.get("private-key")]).with("publickey", node.get("public-key"));
            let addresses: Vec<&str> = [node.get("ip"), node.get("ipv6")].into_iter().filter_map(Tree::text).collect();
            draft.params.some("address", Some(addresses.join(",")).filter(|list| !list.is_empty()));
            let draft = draft.with("presharedkey", node.get("pre-shared-key")).with("reserved", node.get("reserved"));
            draft.with("mtu", node.get("mtu")).link()
        }
        other => Err(Reason::Unsupported(other.chars().take(32).collect())),
    }
}

fn packet_encoding(mut draft: Draft, node: &Tree) -> Draft {
    if node.get("xudp").is_on() {
        draft.params.add("packetEncoding", "xudp");
    }
    draft.with("packetEncoding", node.get("packet-encoding"))
}

fn shadowsocks(mut draft: Draft, node: &Tree) -> Result<Link, Reason> {
    draft.params.some("plugin", plugin(node)?);
    draft.flag("uot", node.get("udp-over-tcp")).link()
}

/// A plugin as SIP003 writes it: `name;key=value;flag`.
fn plugin(node: &Tree) -> Result<Option<String>, Reason> {
    let options = node.get("plugin-opts");
    let (mut made, pairs): (_, &[(&str, &str)]) = match node.get("plugin").text() {
        None => return Ok(None),
        Some("obfs") => ("obfs-local".to_owned(), &[("obfs", "mode"), ("obfs-host", "host")]),
        Some("v2ray-plugin") => {
            without(options, &["certificate", "fingerprint", "headers"])?;
            if options.get("skip-cert-verify").is_on() {
                return Err(Reason::Setting("skip-cert-verify"));
            }
            let tls = if options.get("tls").is_on() { ";tls" } else { "" };
            (format!("v2ray-plugin{tls}"), &[("mode", "mode"), ("host", "host"), ("path", "path")])
        }
        Some("shadow-tls") => {
            ("shadow-tls".to_owned(), &[("host", "host"), ("password", "password"), ("version", "version")])
        }
        Some(_) => return Err(Reason::Setting("plugin")),
    };
    let escape = |text: &str| text.replace('\\', "\\\\").replace(';', "\\;").replace('=', "\\=");
    let known = pairs.iter().filter_map(|(name, key)| Some(format!(";{name}={}", escape(options.get(key).text()?))));
    made.extend(known);
    if let Some(mux) = options.get("mux").text() {
        made.push_str(if mux == "false" { ";mux=0" } else { ";mux=1" });
    }
    Ok(Some(made))
}

/// TLS of a protocol that is never without.
fn tls(draft: Draft, node: &Tree) -> Result<Draft, Reason> {
    let ech = node.get("ech-opts");
    if ech.get("enable").is_on() && ech.get("config").text().is_none() {
        return Err(Reason::Setting("ech-opts"));
    }
    let draft = if ech.get("enable").is_on() { draft.with("ech", ech.get("config")) } else { draft };
    let draft = draft.with("sni", node.any(&["servername", "sni"])).with("alpn", node.get("alpn"));
    let draft = draft.flag("insecure", node.get("skip-cert-verify")).with("pcs", node.get("fingerprint"));
    Ok(draft.with("fp", node.get("client-fingerprint")).with("vcn", node.get("name-cert-verify")))
}

/// Transport and security of the family of vless; `always` has TLS without saying so.
fn stream(draft: Draft, node: &Tree, always: bool) -> Result<Link, Reason> {
    let mut draft = transport(draft, node)?;
    let reality = node.get("reality-opts");
    if reality.get("public-key").is_there() {
        draft.params.add("security", "reality");
        draft = draft.with("sni", node.any(&["servername", "sni"])).with("fp", node.get("client-fingerprint"));
        draft.with("pbk", reality.get("public-key")).with("sid", reality.get("short-id")).link()
    } else if always || node.get("tls").is_on() {
        draft.params.add("security", "tls");
        tls(draft, node)?.link()
    } else {
        draft.params.add("security", "none");
        draft.link()
    }
}

fn transport(mut draft: Draft, node: &Tree) -> Result<Draft, Reason> {
    let host = |options: &Tree| options.get("headers").any(&["Host", "host"]).joined();
    match node.get("network").text().unwrap_or("tcp") {
        "tcp" => {
            draft.params.add("type", "tcp");
            Ok(draft)
        }
        "ws" => {
            let options = node.get("ws-opts");
            let upgrades = options.get("v2ray-http-upgrade").is_on();
            draft.params.add("type", if upgrades { "httpupgrade" } else { "ws" });
            // Older files have them beside the options.
            let host = host(options).or_else(|| node.get("ws-headers").get("Host").joined());
            let path = options.get("path").text().or_else(|| node.get("ws-path").text());
            draft.params.some("host", host);
            early_data(&mut draft.params, path, options.get("max-early-data").text().filter(|_| !upgrades));
            Ok(draft)
        }
        "grpc" => {
            draft.params.add("type", "grpc");
            Ok(draft.with("serviceName", node.get("grpc-opts").get("grpc-service-name")))
        }
        "h2" => {
            draft.params.add("type", "http");
            let options = node.get("h2-opts");
            Ok(draft.with("host", options.get("host")).with("path", options.get("path")))
        }
        "http" => {
            draft.params.add("type", "tcp");
            draft.params.add("headerType", "http");
            let options = node.get("http-opts");
            draft.params.some("host", options.get("headers").any(&["Host", "host"]).one());
            draft.params.some("path", options.get("path").one());
            Ok(draft.with("method", options.get("method")))
        }
        "xhttp" => {
            let options = node.get("xhttp-opts");
            let known = ["path", "host", "mode", "headers"];
            if let Tree::Map(pairs) = options {
                // What links call `extra` has other names here.
                if pairs.iter().any(|(name, _)| !known.contains(&name.as_str())) {
                    return Err(Reason::Setting("xhttp-opts"));
                }
            }
            draft.params.add("type", "xhttp");
            Ok(draft
                .with("host", options.get("host"))
                .with("path", options.get("path"))
                .with("mode", options.get("mode")))
        }
        other => Err(Reason::Network(other.chars().take(32).collect())),
    }
}
