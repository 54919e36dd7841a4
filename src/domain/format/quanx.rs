//! Quantumult X's list of servers (its sample configuration).

use super::check::{flow, no_mask, plain_tls, uuid};
use super::line::{Line, clean};
use super::surge::obfs;
use super::{Rendered, Unfit, fit};
use crate::domain::endpoint::{
    Camouflage, Endpoint, Protocol, Reality, Security, Shadowsocks, Stream, Tls, Transport, split_early_data,
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
    let (nodes, left_out) = fit(endpoints, &["direct", "reject", "proxy"], clean, |name, endpoint| {
        Ok(line(endpoint)?.with("tag", name)?.join(", ") + "\n")
    });
    Rendered { served: nodes.len(), body: nodes.into_iter().map(|(_, line)| line).collect(), left_out }
}

fn line(endpoint: &Endpoint) -> Result<Line, Unfit> {
    let place = format!("{}:{}", endpoint.server.in_url(), endpoint.port);
    let head = |kind: &str| Line::new().with(kind, &place);
    match &endpoint.protocol {
        Protocol::Vless(vless) => {
            if vless.encryption != "none" {
                return Err(Unfit::Encryption);
            }
            let flow = flow(vless)?;
            let entry = head("vless")?.with("method", "none")?.with("password", uuid(&vless.uuid)?)?;
            Ok(stream(entry, no_mask(&vless.stream)?)?.some("vless-flow", flow)?.flag("udp-relay", true))
        }
        Protocol::Vmess(vmess) => {
            let cipher = match vmess.cipher.as_str() {
                "auto" | "chacha20-poly1305" => "chacha20-poly1305",
                "aes-128-gcm" => "aes-128-gcm",
                "none" => "none",
                _ => return Err(Unfit::Cipher),
            };
            let entry = head("vmess")?.with("method", cipher)?.with("password", uuid(&vmess.uuid)?)?;
            let entry = stream(entry, no_mask(&vmess.stream)?)?;
            let entry = if vmess.alter_id == 0 { entry } else { entry.raw("aead", "false") };
            Ok(entry.flag("udp-relay", true))
        }
        Protocol::Trojan(trojan) => {
            let Security::Tls(tls) = &trojan.stream.security else { return Err(Unfit::Security) };
            let entry = head("trojan")?.with("password", &trojan.password)?;
            let entry = match no_mask(&trojan.stream)?.transport {
                Transport::Tcp(None) => certificate(entry.flag("over-tls", true), tls, "tls-host")?,
                _ => stream(entry, &trojan.stream)?,
            };
            Ok(entry.flag("udp-relay", true))
        }
        Protocol::Shadowsocks(shadowsocks) => self::shadowsocks(head("shadowsocks")?, shadowsocks),
        Protocol::Anytls(anytls) => {
            let entry = head("anytls")?.with("password", &anytls.password)?.flag("over-tls", true);
            Ok(certificate(entry, &anytls.tls, "tls-host")?.flag("udp-relay", true))
        }
        Protocol::Socks(socks) => match &socks.login {
            None => head("socks5"),
            Some(login) => head("socks5")?.with("username", &login.username)?.with("password", &login.password),
        },
        Protocol::Http(http) => {
            let entry = head("http")?.with("username", &http.login.username)?.with("password", &http.login.password)?;
            match &http.tls {
                None => Ok(entry),
                Some(tls) => certificate(entry.flag("over-tls", true), tls, "tls-host"),
            }
        }
        Protocol::Hysteria2(_)
        | Protocol::Tuic(_)
        | Protocol::Wireguard(_)
        | Protocol::Naive(_)
        | Protocol::Realm(_) => Err(Unfit::Protocol),
    }
}

/// `obfs` says both: what frames the bytes and what is around them.
fn stream(entry: Line, stream: &Stream) -> Result<Line, Unfit> {
    let (secure, plain) = match &stream.transport {
        Transport::Tcp(None) => ("over-tls", None),
        Transport::Ws { .. } => ("wss", Some("ws")),
        Transport::Tcp(Some(_)) if stream.security == Security::None => ("", Some("http")),
        _ => return Err(Unfit::Transport),
    };
    let (host, path) = match &stream.transport {
        Transport::Ws { host, path } | Transport::Tcp(Some(Camouflage { host, path, .. })) => {
            // There is no field for early data, which servers do not insist on.
            (host.as_deref(), Some(split_early_data(path.as_deref().unwrap_or("/")).0))
        }
        _ => (None, None),
    };
    let entry = match &stream.security {
        Security::None => {
            let Some(plain) = plain else { return Ok(entry) };
            entry.with("obfs", plain)?.some("obfs-host", host)?
        }
        Security::Tls(tls) => {
            let entry = entry.with("obfs", secure)?;
            match host {
                None => certificate(entry, tls, "obfs-host")?,
                Some(host) => certificate(entry.with("obfs-host", host)?, tls, "tls-host")?,
            }
        }
        Security::Reality(Reality { server_name, public_key, short_id, .. }) => entry
            .with("obfs", secure)?
            .some("obfs-host", host.or(server_name.as_deref()))?
            .with("reality-base64-pubkey", public_key)?
            .some("reality-hex-shortid", short_id.as_deref())?,
    };
    entry.some("obfs-uri", path.as_deref())
}

fn certificate(entry: Line, tls: &Tls, server_name: &str) -> Result<Line, Unfit> {
    let tls = plain_tls(tls)?;
    let entry = entry.some(server_name, tls.server_name.as_deref())?;
    Ok(if tls.insecure { entry.raw("tls-verification", "false") } else { entry })
}

fn shadowsocks(head: Line, shadowsocks: &Shadowsocks) -> Result<Line, Unfit> {
    let Shadowsocks { method, password, plugin, udp_over_tcp } = shadowsocks;
    if !METHODS.contains(&method.as_str()) {
        return Err(Unfit::Method);
    }
    if *udp_over_tcp {
        return Err(Unfit::UdpOverTcp);
    }
    let entry = head.with("method", method)?.with("password", password)?;
    let entry = match plugin {
        None => entry,
        Some(plugin) => {
            let (mode, host) = obfs(plugin)?;
            entry.with("obfs", mode)?.some("obfs-host", host.as_deref())?
        }
    };
    Ok(entry.flag("udp-relay", true))
}
