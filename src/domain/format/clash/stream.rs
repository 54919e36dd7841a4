//! Transport and security of vless, vmess and trojan in Clash's words.

use super::super::Unfit;
use super::super::check::{XHTTP_MODES, ech_config, fingerprint, one_of, pin, plain_tls};
use super::super::tree::{Map, Tree};
use super::Clash;
use crate::domain::endpoint::{Camouflage, Reality, Security, Stream, Tls, Transport, split_early_data};

/// Whose stream it is: they differ in the transports that they take and in what they call the server's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Vless,
    Vmess,
    Trojan,
}

/// The fields of a stream.
pub(super) fn stream(stream: &Stream, carrier: Carrier, dialect: Clash) -> Result<Map, Unfit> {
    let server_name = if carrier == Carrier::Trojan { "sni" } else { "servername" };
    let has_tls = stream.security != Security::None;
    let security = match &stream.security {
        Security::None => Map::new(),
        // Trojan has TLS without saying so.
        Security::Tls(tls) => {
            Map::new().flag("tls", carrier != Carrier::Trojan).and(certificate(tls, server_name, dialect)?)
        }
        Security::Reality(_) if dialect == Clash::Legacy => return Err(Unfit::Security),
        Security::Reality(reality) => {
            Map::new().flag("tls", carrier != Carrier::Trojan).and(self::reality(reality, server_name)?)
        }
    };
    Ok(security.and(transport(&stream.transport, carrier, dialect, has_tls)?))
}

/// What a client must know of the certificate; `server_name` is the key of the name.
pub(super) fn certificate(tls: &Tls, server_name: &'static str, dialect: Clash) -> Result<Map, Unfit> {
    if dialect != Clash::Mihomo {
        plain_tls(tls)?;
    }
    // What ends a whole list comes first: see `links::refused`.
    let pin = pin(tls)?;
    let ech = ech_config(tls)?.map(|config| Map::new().with("enable", true).with("config", config));
    Ok(Map::new()
        .some(server_name, tls.server_name.as_deref())
        .some("alpn", Some(tls.alpn.clone()).filter(|alpn| !alpn.is_empty()))
        .some("client-fingerprint", fingerprint(tls.fingerprint.as_deref())?)
        .flag("skip-cert-verify", tls.insecure)
        .some("fingerprint", pin)
        .some("name-cert-verify", tls.verify_name.as_deref())
        .some("ech-opts", ech))
}

fn reality(reality: &Reality, server_name: &'static str) -> Result<Map, Unfit> {
    let keys = Map::new()
        .with("public-key", reality.public_key.as_str())
        .with("short-id", reality.short_id.as_deref().unwrap_or_default());
    Ok(Map::new()
        .some(server_name, reality.server_name.as_deref())
        // REALITY is nothing without an imitated browser.
        .with("client-fingerprint", fingerprint(reality.fingerprint.as_deref())?.unwrap_or("chrome"))
        .with("reality-opts", keys))
}

fn transport(transport: &Transport, carrier: Carrier, dialect: Clash, has_tls: bool) -> Result<Map, Unfit> {
    let network = |name: &'static str| Map::new().with("network", name);
    let is_trojan = carrier == Carrier::Trojan;
    match transport {
        Transport::Tcp(None) => Ok(Map::new()),
        Transport::Tcp(Some(Camouflage { host, path, method })) if !is_trojan && !has_tls => {
            let host = host.as_ref().map(|host| Map::new().with("Host", [host]));
            let options = Map::new()
                .with("method", method.as_deref().unwrap_or("GET"))
                .with("path", [path.as_deref().unwrap_or("/")])
                .some("headers", host);
            Ok(network("http").with("http-opts", options))
        }
        Transport::Ws { host, path } => Ok(network("ws").with("ws-opts", web_socket(host.as_deref(), path.as_deref()))),
        Transport::HttpUpgrade { host, path } if dialect == Clash::Mihomo => {
            let options = web_socket(host.as_deref(), path.as_deref());
            let has_early_data = path.as_deref().is_some_and(|path| split_early_data(path).1.is_some());
            let options = options.with("v2ray-http-upgrade", true).flag("v2ray-http-upgrade-fast-open", has_early_data);
            Ok(network("ws").with("ws-opts", options))
        }
        Transport::Grpc { service, .. } => {
            let service = service.as_deref().unwrap_or_default();
            Ok(network("grpc").with("grpc-opts", Map::new().with("grpc-service-name", service)))
        }
        Transport::Http2 { host, path } if !is_trojan && has_tls => {
            let hosts = host.as_deref().map(|hosts| hosts.split(',').map(Tree::from).collect::<Vec<_>>());
            let options = Map::new().some("host", hosts).with("path", path.as_deref().unwrap_or("/"));
            Ok(network("h2").with("h2-opts", options))
        }
        Transport::Xhttp { host, path, mode, extra: None } if carrier == Carrier::Vless && dialect == Clash::Mihomo => {
            let mode = mode.as_deref().map(|mode| one_of(mode, &XHTTP_MODES, Unfit::Transport)).transpose()?;
            let options = Map::new()
                .with("path", path.as_deref().unwrap_or("/"))
                .some("host", host.as_deref())
                .some("mode", mode);
            Ok(network("xhttp").with("xhttp-opts", options))
        }
        _ => Err(Unfit::Transport),
    }
}

fn web_socket(host: Option<&str>, path: Option<&str>) -> Map {
    let (path, early) = split_early_data(path.unwrap_or("/"));
    Map::new()
        .with("path", path)
        .some("headers", host.map(|host| Map::new().with("Host", host)))
        .some("max-early-data", early)
        .some("early-data-header-name", early.map(|_| "Sec-WebSocket-Protocol"))
}
