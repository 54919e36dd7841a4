//! Surge's profile, and the lines of it that Surfboard reads as well (manual.nssurge.com).

use super::check::{plain_tls, uuid};
use super::line::{Line, clean};
use super::{AUTO, About, GROUP, PROBE, Rendered, Unfit, fit};
use crate::domain::endpoint::{
    Endpoint, Hysteria2, ObfsKind, Plugin, Protocol, Security, Shadowsocks, Stream, Tls, Transport, Tuic, Vmess,
    split_early_data,
};

/// Whose profile it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Surge,
    Surfboard,
}

/// Names of Surge's own policies.
const RESERVED: [&str; 9] =
    [GROUP, AUTO, "DIRECT", "REJECT", "REJECT-DROP", "REJECT-NO-DROP", "REJECT-TINYGIF", "CELLULAR", "HYBRID"];
const METHODS: [&str; 11] = [
    "aes-128-gcm",
    "aes-192-gcm",
    "aes-256-gcm",
    "chacha20-ietf-poly1305",
    "xchacha20-ietf-poly1305",
    "aes-128-cfb",
    "aes-256-cfb",
    "aes-128-ctr",
    "aes-256-ctr",
    "rc4-md5",
    "chacha20-ietf",
];
const METHODS_2022: [&str; 2] = ["2022-blake3-aes-128-gcm", "2022-blake3-aes-256-gcm"];

/// Surge's profile.
pub(super) fn write(endpoints: &[Endpoint], about: About<'_>) -> Rendered {
    profile(endpoints, about, Reader::Surge, "surge")
}

/// A profile that updates itself from where it came.
pub(super) fn profile(endpoints: &[Endpoint], about: About<'_>, reader: Reader, format: &str) -> Rendered {
    let (nodes, left_out) = fit(endpoints, &RESERVED, clean, |name, endpoint| {
        Ok(format!("{name} = {}\n", line(endpoint, reader)?.join(", ")))
    });
    let served = nodes.len();
    let (names, lines): (Vec<String>, String) = nodes.into_iter().unzip();
    let names = names.join(", ");
    let body = format!(
        "#!MANAGED-CONFIG {}/{format} interval={} strict=false\n\n\
         [General]\nloglevel = notify\nskip-proxy = 127.0.0.1, 192.168.0.0/16, 10.0.0.0/8, 172.16.0.0/12, localhost, *.local\n\
         proxy-test-url = {PROBE}\n\n\
         [Proxy]\n{lines}\n\
         [Proxy Group]\n{GROUP} = select, {AUTO}, {names}, DIRECT\n\
         {AUTO} = url-test, {names}, url={PROBE}, interval=600\n\n\
         [Rule]\nFINAL,{GROUP}\n",
        about.url,
        u64::from(about.update_hours) * 3600,
    );
    Rendered { body, served, left_out }
}

fn line(endpoint: &Endpoint, reader: Reader) -> Result<Line, Unfit> {
    let head = |kind: &str| Line::new().value(kind)?.value(endpoint.server.as_str())?.value(&endpoint.port.to_string());
    match &endpoint.protocol {
        Protocol::Vmess(vmess) => self::vmess(head("vmess")?, vmess),
        Protocol::Trojan(trojan) => {
            let Security::Tls(tls) = &trojan.stream.security else { return Err(Unfit::Security) };
            certificate(web_socket(head("trojan")?.with("password", &trojan.password)?, &trojan.stream)?, tls)
        }
        Protocol::Shadowsocks(shadowsocks) => self::shadowsocks(head("ss")?, shadowsocks, reader),
        Protocol::Hysteria2(hysteria2) => self::hysteria2(head("hysteria2")?, hysteria2),
        Protocol::Tuic(tuic) => self::tuic(head("tuic-v5")?, tuic),
        Protocol::Anytls(anytls) => {
            let entry = match reader {
                Reader::Surge => head("anytls")?.with("password", &anytls.password)?,
                Reader::Surfboard => head("anytls")?.value(&anytls.password)?,
            };
            certificate(entry, &anytls.tls)
        }
        Protocol::Socks(socks) => match &socks.login {
            None => head("socks5"),
            Some(login) => head("socks5")?.value(&login.username)?.value(&login.password),
        },
        Protocol::Http(http) => {
            let entry = head(if http.tls.is_some() { "https" } else { "http" })?;
            let entry = entry.value(&http.login.username)?.value(&http.login.password)?;
            http.tls.as_ref().map_or(Ok(entry.clone()), |tls| certificate(entry, tls))
        }
        Protocol::Vless(_) | Protocol::Wireguard(_) | Protocol::Naive(_) | Protocol::Realm(_) => Err(Unfit::Protocol),
    }
}

fn vmess(head: Line, vmess: &Vmess) -> Result<Line, Unfit> {
    if !matches!(vmess.cipher.as_str(), "auto" | "aes-128-gcm" | "chacha20-poly1305") {
        return Err(Unfit::Cipher);
    }
    let entry = head.with("username", uuid(&vmess.uuid)?)?.flag("vmess-aead", vmess.alter_id == 0);
    let entry = web_socket(entry, &vmess.stream)?;
    match &vmess.stream.security {
        Security::None => Ok(entry),
        Security::Tls(tls) => certificate(entry.flag("tls", true), tls),
        Security::Reality(_) => Err(Unfit::Security),
    }
}

fn web_socket(entry: Line, stream: &Stream) -> Result<Line, Unfit> {
    if stream.final_mask.is_some() {
        return Err(Unfit::FinalMask);
    }
    match &stream.transport {
        Transport::Tcp(None) => Ok(entry),
        Transport::Ws { host, path } => {
            // There is no field for early data, which servers do not insist on.
            let (path, _) = split_early_data(path.as_deref().unwrap_or("/"));
            let headers = host.as_deref().map(|host| format!("Host:{host}"));
            entry.flag("ws", true).with("ws-path", &path)?.some("ws-headers", headers.as_deref())
        }
        _ => Err(Unfit::Transport),
    }
}

fn certificate(entry: Line, tls: &Tls) -> Result<Line, Unfit> {
    let tls = plain_tls(tls)?;
    Ok(entry.some("sni", tls.server_name.as_deref())?.flag("skip-cert-verify", tls.insecure))
}

fn shadowsocks(head: Line, shadowsocks: &Shadowsocks, reader: Reader) -> Result<Line, Unfit> {
    let Shadowsocks { method, password, plugin, udp_over_tcp } = shadowsocks;
    let is_2022 = reader == Reader::Surge && METHODS_2022.contains(&method.as_str());
    if !is_2022 && !METHODS.contains(&method.as_str()) {
        return Err(Unfit::Method);
    }
    if *udp_over_tcp {
        return Err(Unfit::UdpOverTcp);
    }
    let entry = head.with("encrypt-method", method)?.with("password", password)?.flag("udp-relay", true);
    match plugin {
        None => Ok(entry),
        Some(plugin) => {
            let (mode, host) = obfs(plugin)?;
            entry.with("obfs", mode)?.some("obfs-host", host.as_deref())
        }
    }
}

/// Mode and host of simple-obfs, the one plugin that these formats know.
pub(super) fn obfs(plugin: &Plugin) -> Result<(&'static str, Option<String>), Unfit> {
    if !matches!(plugin.name.as_str(), "obfs-local" | "simple-obfs" | "obfs") {
        return Err(Unfit::Plugin);
    }
    let pairs = plugin.pairs();
    let get = |key: &str| pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
    match get("obfs").as_deref() {
        Some("http") => Ok(("http", get("obfs-host"))),
        Some("tls") => Ok(("tls", get("obfs-host"))),
        _ => Err(Unfit::Plugin),
    }
}

fn hysteria2(head: Line, hysteria2: &Hysteria2) -> Result<Line, Unfit> {
    let obfs = hysteria2.obfs.as_ref();
    if obfs.is_some_and(|obfs| obfs.kind != ObfsKind::Salamander) {
        return Err(Unfit::Obfs);
    }
    let ports = hysteria2.ports.as_ref().map(|ports| format!("\"{}\"", ports.text().replace(',', ";")));
    let mut entry = head.with("password", &hysteria2.auth)?;
    if let Some(ports) = ports {
        entry = entry.raw("port-hopping", &ports);
        entry = entry
            .some("port-hopping-interval", hysteria2.hop_interval.map(|seconds| seconds.to_string()).as_deref())?;
    }
    let entry = entry
        .some("download-bandwidth", hysteria2.down.map(|rate| rate.to_string()).as_deref())?
        .some("salamander-password", obfs.map(|obfs| obfs.password.as_str()))?;
    certificate(entry, &hysteria2.tls)
}

fn tuic(head: Line, tuic: &Tuic) -> Result<Line, Unfit> {
    let entry = head.with("uuid", uuid(&tuic.uuid)?)?.with("password", &tuic.password)?;
    certificate(entry.some("alpn", tuic.tls.alpn.first().map(String::as_str))?, &tuic.tls)
}
