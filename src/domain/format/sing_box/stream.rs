//! Transport and security in sing-box's words.

use super::super::Unfit;
use super::super::check::{ech_config, fingerprint};
use super::super::tree::{Map, Tree};
use crate::domain::endpoint::{Camouflage, Reality, Security, Stream, Tls, Transport, split_early_data};

/// `tls` and `transport` of a stream; none of both is a plain one.
pub(super) fn stream(stream: &Stream) -> Result<Map, Unfit> {
    let tls = match &stream.security {
        Security::None => None,
        Security::Tls(tls) => Some(self::tls(tls)?),
        Security::Reality(reality) => Some(self::reality(reality)?),
    };
    Ok(Map::new().some("tls", tls).some("transport", transport(&stream.transport, stream.security != Security::None)?))
}

/// A certificate's fields. A pin of the certificate is none of them: sing-box pins the public key.
pub(super) fn tls(tls: &Tls) -> Result<Map, Unfit> {
    if tls.pin.is_some() {
        return Err(Unfit::Pin);
    }
    if tls.verify_name.is_some() {
        return Err(Unfit::VerifyName);
    }
    let imitated = fingerprint(tls.fingerprint.as_deref())?;
    let ech = ech_config(tls)?.map(|config| {
        let pem = ["-----BEGIN ECH CONFIGS-----", config, "-----END ECH CONFIGS-----"];
        Map::new().with("enabled", true).with("config", pem)
    });
    Ok(Map::new()
        .with("enabled", true)
        .some("server_name", tls.server_name.as_deref())
        .flag("insecure", tls.insecure)
        .some("alpn", Some(tls.alpn.clone()).filter(|alpn| !alpn.is_empty()))
        .some("utls", imitated.map(utls))
        .some("ech", ech))
}

fn reality(reality: &Reality) -> Result<Map, Unfit> {
    let imitated = fingerprint(reality.fingerprint.as_deref())?.unwrap_or("chrome");
    let keys = Map::new()
        .with("enabled", true)
        .with("public_key", reality.public_key.as_str())
        .some("short_id", reality.short_id.as_deref());
    Ok(Map::new()
        .with("enabled", true)
        .some("server_name", reality.server_name.as_deref())
        .with("utls", utls(imitated))
        .with("reality", keys))
}

fn utls(fingerprint: &str) -> Map {
    Map::new().with("enabled", true).with("fingerprint", fingerprint)
}

fn transport(transport: &Transport, has_tls: bool) -> Result<Option<Map>, Unfit> {
    let kind = |name: &'static str| Map::new().with("type", name);
    Ok(Some(match transport {
        Transport::Tcp(None) => return Ok(None),
        Transport::Tcp(Some(Camouflage { host, path, method })) if !has_tls => kind("http")
            .some("host", host.as_deref().map(hosts))
            .with("path", path.as_deref().unwrap_or("/"))
            .some("method", method.as_deref()),
        Transport::Http2 { host, path } if has_tls => {
            kind("http").some("host", host.as_deref().map(hosts)).with("path", path.as_deref().unwrap_or("/"))
        }
        Transport::Ws { host, path } => {
            let (path, early) = split_early_data(path.as_deref().unwrap_or("/"));
            kind("ws")
                .with("path", path)
                .some("headers", host.as_deref().map(|host| Map::new().with("Host", host)))
                .some("max_early_data", early)
                .some("early_data_header_name", early.map(|_| "Sec-WebSocket-Protocol"))
        }
        Transport::HttpUpgrade { host, path } => {
            let (path, _) = split_early_data(path.as_deref().unwrap_or("/"));
            kind("httpupgrade").some("host", host.as_deref()).with("path", path)
        }
        Transport::Grpc { service, .. } => kind("grpc").with("service_name", service.as_deref().unwrap_or_default()),
        Transport::Tcp(Some(_)) | Transport::Http2 { .. } | Transport::Xhttp { .. } | Transport::Kcp { .. } => {
            return Err(Unfit::Transport);
        }
    }))
}

fn hosts(text: &str) -> Vec<Tree> {
    text.split(',').map(Tree::from).collect()
}
