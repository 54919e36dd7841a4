//! Outbounds of Xray and V2Ray.

use super::super::link::Reason;
use super::super::xpert::link::Link;
use super::draft::{Draft, without};
use super::tree::Tree;

/// What is no server.
const OTHERS: [&str; 4] = ["freedom", "blackhole", "dns", "loopback"];

/// Reads one outbound under a name; none for what is no server.
pub(super) fn read(node: &Tree, name: Option<&str>) -> Option<Result<Link, Reason>> {
    if is_server(node) { Some(link(node, name.or(node.get("tag").text()))) } else { None }
}

fn is_server(node: &Tree) -> bool {
    node.get("protocol").text().is_some_and(|protocol| !OTHERS.contains(&protocol))
}

/// The outbounds of a whole configuration; of one with a name of its own the first that is a server, under that name.
pub(super) fn outbounds(config: Tree) -> Vec<(Option<String>, Tree)> {
    let name = config.get("remarks").text().map(str::to_owned);
    let Tree::List(outbounds) = config.take("outbounds") else { return Vec::new() };
    match name {
        Some(name) => outbounds.into_iter().find(is_server).map(|node| (Some(name), node)).into_iter().collect(),
        None => outbounds.into_iter().map(|node| (None, node)).collect(),
    }
}

fn link(node: &Tree, name: Option<&str>) -> Result<Link, Reason> {
    let protocol = node.get("protocol").text().unwrap_or_default();
    without(node, &["proxySettings"])?;
    without(node.get("streamSettings").get("sockopt"), &["dialerProxy"])?;
    let settings = node.get("settings");
    // Newer versions name the one server in the settings themselves.
    let server = match (settings.any(&["vnext", "servers"]).items(), protocol) {
        ([], _) => settings,
        ([server], _) => server,
        _ => return Err(Reason::Setting("more than one server")),
    };
    let user = if server.get("users").is_there() { server.get("users").first() } else { server };
    let draft = |scheme| Draft::new(scheme, name, server.get("address"), server.get("port"));
    match protocol {
        "vless" => {
            let draft = draft("vless").user(&[user.get("id")]).with("encryption", user.get("encryption"));
            stream(draft.with("flow", user.get("flow")), node)
        }
        "vmess" => {
            let draft = draft("vmess").user(&[user.get("id")]).with("encryption", user.get("security"));
            stream(draft.with("aid", user.get("alterId")), node)
        }
        "trojan" => stream(draft("trojan").user(&[server.get("password")]), node),
        "shadowsocks" => {
            let network = node.get("streamSettings").get("network").text();
            if !matches!(network, None | Some("tcp" | "raw")) {
                return Err(Reason::Setting("network"));
            }
            draft("ss").user(&[server.get("method"), server.get("password")]).flag("uot", server.get("uot")).link()
        }
        "socks" => draft("socks5").user(&[user.get("user"), user.get("pass")]).link(),
        "http" => {
            let tls = node.get("streamSettings").get("security").text() == Some("tls");
            draft(if tls { "https" } else { "http" }).user(&[user.get("user"), user.get("pass")]).link()
        }
        "wireguard" => wireguard(settings, name),
        other => Err(Reason::Unsupported(other.chars().take(32).collect())),
    }
}

fn wireguard(settings: &Tree, name: Option<&str>) -> Result<Link, Reason> {
    let [peer] = settings.get("peers").items() else { return Err(Reason::Setting("peers")) };
    let (host, port) = peer.get("endpoint").text().and_then(|place| place.rsplit_once(':')).unwrap_or_default();
    let text = |text: &str| Tree::Text(text.trim_start_matches('[').trim_end_matches(']').to_owned());
    let draft = Draft::new("wireguard", name, &text(host), &text(port)).user(&[settings.get("secretKey")]);
    let draft = draft.with("publickey", peer.get("publicKey")).with("presharedkey", peer.get("preSharedKey"));
    let draft = draft.with("address", settings.get("address")).with("reserved", settings.get("reserved"));
    draft.with("mtu", settings.get("mtu")).link()
}

fn stream(draft: Draft, node: &Tree) -> Result<Link, Reason> {
    let stream = node.get("streamSettings");
    let mut draft = transport(draft, stream)?;
    let security = stream.get("security").text().unwrap_or("none");
    draft.params.add("security", security);
    match security {
        "tls" => {
            let tls = stream.get("tlsSettings");
            without(tls, &["certificates"])?;
            draft = draft
                .with("sni", tls.get("serverName"))
                .with("alpn", tls.get("alpn"))
                .with("fp", tls.get("fingerprint"));
            draft = draft.flag("allowInsecure", tls.get("allowInsecure")).with("ech", tls.get("echConfigList"));
            draft = draft.with("pcs", tls.any(&["pinnedPeerCertSha256", "pinnedPeerCertificateChainSha256"]));
            draft.with("vcn", tls.any(&["verifyPeerCertByName", "verifyPeerCertInNames"])).link()
        }
        "reality" => {
            let reality = stream.get("realitySettings");
            draft = draft.with("sni", reality.get("serverName")).with("fp", reality.get("fingerprint"));
            draft = draft.with("pbk", reality.any(&["publicKey", "password"])).with("sid", reality.get("shortId"));
            draft.with("spx", reality.get("spiderX")).with("pqv", reality.get("mldsa65Verify")).link()
        }
        _ => draft.link(),
    }
}

fn transport(mut draft: Draft, stream: &Tree) -> Result<Draft, Reason> {
    let network = stream.get("network").text().unwrap_or("tcp");
    draft.params.add("type", network);
    if stream.get("finalmask").is_there() {
        draft.params.add("fm", stream.get("finalmask").json());
    }
    let hosts = |settings: &Tree| {
        let host = settings.get("host").joined();
        host.or_else(|| settings.get("headers").any(&["Host", "host"]).joined())
    };
    match network {
        "tcp" | "raw" => {
            let header = stream.any(&["rawSettings", "tcpSettings"]).get("header");
            if header.get("type").text() == Some("http") {
                draft.params.add("headerType", "http");
                let request = header.get("request");
                draft.params.some("host", request.get("headers").any(&["Host", "host"]).one());
                draft.params.some("path", request.get("path").one());
                draft = draft.with("method", request.get("method"));
            }
            Ok(draft)
        }
        "ws" | "httpupgrade" | "http" | "h2" => {
            let settings = stream.any(&["wsSettings", "httpupgradeSettings", "httpSettings"]);
            draft.params.some("host", hosts(settings));
            Ok(draft.with("path", settings.get("path")))
        }
        "grpc" | "gun" => {
            let settings = stream.get("grpcSettings");
            if settings.get("multiMode").is_on() {
                draft.params.add("mode", "multi");
            }
            Ok(draft.with("serviceName", settings.get("serviceName")).with("authority", settings.get("authority")))
        }
        "xhttp" | "splithttp" => {
            let settings = stream.any(&["xhttpSettings", "splithttpSettings"]);
            draft.params.some("host", hosts(settings));
            if settings.get("extra").is_there() {
                draft.params.add("extra", settings.get("extra").json());
            }
            Ok(draft.with("path", settings.get("path")).with("mode", settings.get("mode")))
        }
        "kcp" | "mkcp" => {
            let settings = stream.get("kcpSettings");
            draft = draft.with("headerType", settings.get("header").get("type")).with("seed", settings.get("seed"));
            Ok(draft.with("mtu", settings.get("mtu")).with("tti", settings.get("tti")))
        }
        other => Err(Reason::Network(other.chars().take(32).collect())),
    }
}
