//! What the strictest clients check, shared by the formats.

use super::Unfit;
use crate::domain::endpoint::{Security, Stream, Tls, Transport, Vless};
use crate::domain::link::lenient;
use crate::domain::name::FINGERPRINTS;

/// The flow that is left of all that Xray once had.
pub(super) const VISION: &str = "xtls-rprx-vision";

/// How XHTTP may send.
pub(super) const XHTTP_MODES: [&str; 4] = ["auto", "packet-up", "stream-up", "stream-one"];

/// A text of the uuid form; what else Xray takes for one, other clients do not.
pub(super) fn uuid(text: &str) -> Result<&str, Unfit> {
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| {
            if matches!(place, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        });
    if is_uuid { Ok(text) } else { Err(Unfit::Uuid) }
}

/// The text, if it is one of `allowed`.
pub(super) fn one_of<'a>(text: &'a str, allowed: &[&str], otherwise: Unfit) -> Result<&'a str, Unfit> {
    if allowed.contains(&text) { Ok(text) } else { Err(otherwise) }
}

/// The pin in hex.
pub(super) fn pin(tls: &Tls) -> Result<Option<String>, Unfit> {
    tls.pin.as_deref().map(|pin| Tls::pin_hex(pin).ok_or(Unfit::Pin)).transpose()
}

/// TLS of a format that knows no pin, no other name and no ECH.
pub(super) fn plain_tls(tls: &Tls) -> Result<&Tls, Unfit> {
    match tls {
        Tls { pin: Some(_), .. } => Err(Unfit::Pin),
        Tls { verify_name: Some(_), .. } => Err(Unfit::VerifyName),
        Tls { ech: Some(_), .. } => Err(Unfit::Ech),
        tls => Ok(tls),
    }
}

/// The ECH configuration in base64; where to ask for one is something else.
pub(super) fn ech_config(tls: &Tls) -> Result<Option<&str>, Unfit> {
    match tls.ech.as_deref() {
        None => Ok(None),
        Some(config) if lenient(config).is_some_and(|bytes| bytes.len() > 4) => Ok(Some(config)),
        Some(_) => Err(Unfit::Ech),
    }
}

/// The handshake and keys of VLESS' own encryption, if it has one: `mlkem768x25519plus`, how it looks, how many round trips, then lengths of
/// padding and at least one key (XTLS/Xray-core pull request 5067).
pub(super) fn encryption(vless: &Vless) -> Result<Option<&str>, Unfit> {
    let text = vless.encryption.as_str();
    if text == "none" {
        return Ok(None);
    }
    let mut parts = text.split('.');
    let is_known = parts.next() == Some("mlkem768x25519plus")
        && parts.next().is_some_and(|look| matches!(look, "native" | "xorpub" | "random"))
        && parts.next().is_some_and(|trips| matches!(trips, "0rtt" | "1rtt"));
    // X25519 and ML-KEM-768.
    let is_key = |part: &str| lenient(part).is_some_and(|key| matches!(key.len(), 32 | 1184));
    if is_known && parts.any(is_key) { Ok(Some(text)) } else { Err(Unfit::Encryption) }
}

/// The flow of VLESS, where it may stand: on plain TCP inside TLS or REALITY, or with VLESS' own encryption.
pub(super) fn flow(vless: &Vless) -> Result<Option<&str>, Unfit> {
    let Some(flow) = vless.flow.as_deref() else { return Ok(None) };
    let is_tcp = matches!(vless.stream.transport, Transport::Tcp(None)) && vless.stream.security != Security::None;
    if flow == VISION && (is_tcp || vless.encryption != "none") { Ok(Some(flow)) } else { Err(Unfit::Flow) }
}

/// A stream without what only Xray knows.
pub(super) fn no_mask(stream: &Stream) -> Result<&Stream, Unfit> {
    if stream.final_mask.is_some() { Err(Unfit::FinalMask) } else { Ok(stream) }
}

/// The fingerprint, if clients know it.
pub(super) fn fingerprint(name: Option<&str>) -> Result<Option<&str>, Unfit> {
    name.map(|name| one_of(name, &FINGERPRINTS, Unfit::Fingerprint)).transpose()
}
