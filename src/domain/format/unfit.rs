//! Why an endpoint is left out of a format.

use core::fmt;

use serde::Serialize;

/// What a format cannot carry of an endpoint, or what its strictest client refuses. Left in, it would cost the user every
/// other endpoint of his list, or be a dead entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// The protocol.
    Protocol,
    /// The transport.
    Transport,
    /// The security around it.
    Security,
    /// The Shadowsocks method.
    Method,
    /// The `VMess` cipher.
    Cipher,
    /// What should be a uuid is none.
    Uuid,
    /// The flow of VLESS.
    Flow,
    /// The encryption of VLESS.
    Encryption,
    /// The Shadowsocks plugin.
    Plugin,
    /// UDP inside TCP.
    UdpOverTcp,
    /// A pinned certificate: without the pin it would be a lesser promise.
    Pin,
    /// A certificate that must not be checked.
    Insecure,
    /// A certificate that is checked for another name.
    VerifyName,
    /// Encrypted Client Hello.
    Ech,
    /// The uTLS fingerprint.
    Fingerprint,
    /// The obfuscation of Hysteria 2.
    Obfs,
    /// The congestion control or relay mode of TUIC.
    Tuic,
    /// Xray's `FinalMask`.
    FinalMask,
    /// A text with letters that end a field of this format.
    Text,
    /// The format holds one endpoint, and another one came first.
    OnlyOne,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol => "the format does not know this protocol",
            Self::Transport => "the format does not know this transport",
            Self::Security => "the format does not know this security",
            Self::Method => "clients of this format refuse this method",
            Self::Cipher => "clients of this format refuse this cipher",
            Self::Uuid => "the uuid is none",
            Self::Flow => "clients of this format refuse this flow",
            Self::Encryption => "the format does not know VLESS encryption",
            Self::Plugin => "the format does not know this plugin",
            Self::UdpOverTcp => "the format does not know UDP inside TCP",
            Self::Pin => "the format cannot carry this pinned certificate",
            Self::Insecure => "clients of this format check every certificate",
            Self::VerifyName => "the format cannot check a certificate for another name",
            Self::Ech => "the format cannot carry this Encrypted Client Hello",
            Self::Fingerprint => "clients of this format refuse this uTLS fingerprint",
            Self::Obfs => "the format does not know this obfuscation",
            Self::Tuic => "clients of this format refuse this congestion control or relay mode",
            Self::FinalMask => "the format does not know FinalMask",
            Self::Text => "a value holds letters that this format cannot write",
            Self::OnlyOne => "the format holds one server, and another one came first",
        })
    }
}

/// An endpoint that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: Unfit,
}
