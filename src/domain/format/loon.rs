//! Loon's list of nodes (its manual's page on nodes).

use super::check::{flow, no_mask, plain_tls, uuid};
use super::line::{Line, clean};
use super::surge::obfs;
use super::{Rendered, Unfit, fit};
use crate::domain::endpoint::{
    Camouflage, Endpoint, Hysteria2, ObfsKind, Protocol, Reality, Security, Shadowsocks, Stream, Tls, Transport,
    split_early_data,
};

const METHODS: [&str; 14] = [
    "aes-128-gcm",
    "aes-192-gcm",
    "aes-256-gcm",
    "chacha20-ietf-poly1305",
    "xchacha20-ietf-poly1305",
    "2022-blake3-aes-128-gcm",
    "2022-blake3-aes-256-gcm",
    "aes-128-cfb",
    "aes-192-cfb",
    "aes-256-cfb",
    "aes-128-ctr",
    "aes-192-ctr",
    "aes-256-ctr",
    "rc4-md5",
];

/// The lines.
pub(super) fn write(endpoints: &[Endpoint]) -> Rendered {
    let (nodes, left_out) = fit(endpoints, &["DIRECT", "REJECT", "PROXY"], clean, |name, endpoint| {
        Ok(format!("{name} = {}\n", line(endpoint)?.join(",")))
    });
    Rendered { served: nodes.len(), body: nodes.into_iter().map(|(_, line)| line).collect(), left_out }
}

fn line(endpoint: &Endpoint) -> Result<Line, Unfit> {
    let head = |kind: &str| Line::new().value(kind)?.value(endpoint.server.as_str())?.value(&endpoint.port.to_string());
    match &endpoint.protocol {
        Protocol::Vless(vless) => {
            if vless.encryption != "none" {
                return Err(Unfit::Encryption);
            }
            let flow = flow(vless)?;
            let entry = stream(head("VLESS")?.quoted(uuid(&vless.uuid)?)?, no_mask(&vless.stream)?)?;
            Ok(over_tls(entry.some("flow", flow)?, &vless.stream)?.flag("udp", true))
        }
        Protocol::Vmess(vmess) => {
            let cipher = match vmess.cipher.as_str() {
                "auto" | "chacha20-poly1305" => "chacha20-poly1305",
                "aes-128-gcm" => "aes-128-gcm",
                "none" => "none",
                _ => return Err(Unfit::Cipher),
            };
            let entry = head("vmess")?.value(cipher)?.quoted(uuid(&vmess.uuid)?)?;
            let entry = stream(entry, no_mask(&vmess.stream)?)?.with("alterId", &vmess.alter_id.to_string())?;
            Ok(over_tls(entry, &vmess.stream)?.flag("udp", true))
        }
        Protocol::Trojan(trojan) => {
            let Security::Tls(tls) = &trojan.stream.security else { return Err(Unfit::Security) };
            let entry = head("trojan")?.quoted(&trojan.password)?;
            let entry = match no_mask(&trojan.stream)?.transport {
                Transport::Tcp(None) => entry,
                _ => stream(entry, &trojan.stream)?,
            };
            Ok(certificate(entry, tls)?.flag("udp", true))
        }
        Protocol::Shadowsocks(shadowsocks) => self::shadowsocks(head("Shadowsocks")?, shadowsocks),
        Protocol::Hysteria2(hysteria2) => self::hysteria2(head("Hysteria2")?, hysteria2),
        Protocol::Anytls(anytls) => {
            Ok(certificate(head("AnyTLS")?.quoted(&anytls.password)?, &anytls.tls)?.flag("udp", true))
        }
        Protocol::Socks(socks) => match &socks.login {
            None => head("socks5"),
            Some(login) => head("socks5")?.value(&login.username)?.quoted(&login.password),
        },
        Protocol::Http(http) => {
            let entry = head(if http.tls.is_some() { "https" } else { "http" })?;
            let entry = entry.value(&http.login.username)?.quoted(&http.login.password)?;
            http.tls.as_ref().map_or(Ok(entry.clone()), |tls| certificate(entry, tls))
        }
        Protocol::Tuic(_) | Protocol::Wireguard(_) | Protocol::Naive(_) | Protocol::Realm(_) => Err(Unfit::Protocol),
    }
}

fn stream(entry: Line, stream: &Stream) -> Result<Line, Unfit> {
    match &stream.transport {
        Transport::Tcp(None) => entry.with("transport", "tcp"),
        Transport::Ws { host, path } => {
            // There is no field for early data, which servers do not insist on.
            let (path, _) = split_early_data(path.as_deref().unwrap_or("/"));
            entry.with("transport", "ws")?.with("path", &path)?.some("host", host.as_deref())
        }
        Transport::Tcp(Some(Camouflage { host, path, .. })) => {
            let path = path.as_deref().unwrap_or("/");
            entry.with("transport", "http")?.with("path", path)?.some("host", host.as_deref())
        }
        _ => Err(Unfit::Transport),
    }
}

fn over_tls(entry: Line, stream: &Stream) -> Result<Line, Unfit> {
    match &stream.security {
        Security::None => entry.with("over-tls", "false"),
        Security::Tls(tls) => certificate(entry.flag("over-tls", true), tls),
        Security::Reality(Reality { server_name, public_key, short_id, .. }) => {
            let entry = match short_id {
                None => entry,
                Some(id) => entry.with("short-id", id)?,
            };
            entry
                .raw("public-key", &format!("\"{public_key}\""))
                .flag("over-tls", true)
                .some("sni", server_name.as_deref())
        }
    }
}

fn certificate(entry: Line, tls: &Tls) -> Result<Line, Unfit> {
    let tls = plain_tls(tls)?;
    Ok(entry.some("sni", tls.server_name.as_deref())?.flag("skip-cert-verify", tls.insecure))
}

fn shadowsocks(head: Line, shadowsocks: &Shadowsocks) -> Result<Line, Unfit> {
    let Shadowsocks { method, password, plugin, udp_over_tcp } = shadowsocks;
    if !METHODS.contains(&method.as_str()) {
        return Err(Unfit::Method);
    }
    if *udp_over_tcp {
        return Err(Unfit::UdpOverTcp);
    }
    let entry = head.value(method)?.quoted(password)?;
    let entry = match plugin {
        None => entry,
        Some(plugin) => {
            let (mode, host) = obfs(plugin)?;
            entry.with("obfs-name", mode)?.some("obfs-host", host.as_deref())?
        }
    };
    Ok(entry.flag("udp", true))
}

fn hysteria2(head: Line, hysteria2: &Hysteria2) -> Result<Line, Unfit> {
    let obfs = hysteria2.obfs.as_ref();
    if obfs.is_some_and(|obfs| obfs.kind != ObfsKind::Salamander) {
        return Err(Unfit::Obfs);
    }
    let entry = certificate(head.quoted(&hysteria2.auth)?, &hysteria2.tls)?;
    Ok(entry.some("salamander-password", obfs.map(|obfs| obfs.password.as_str()))?.flag("udp", true))
}
