//! Why a link cannot be carried.

use core::fmt;

/// What is wrong with a link. The sentence is for the person who entered it, [`Reason::code`] for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has no `scheme://`.
    NotAUri,
    /// It is longer than 8 KiB.
    TooLong,
    /// A scheme that is known and not carried, or not known at all.
    Unsupported(String),
    /// An `http(s)` address without a login: a web page, not a proxy.
    NotAProxy,
    /// There is no host.
    ServerMissing,
    /// The host is neither a name nor an address.
    ServerInvalid,
    /// The protocol has no usual port and the link names none.
    PortMissing,
    /// The port is no number.
    PortInvalid,
    /// The port is not in 1..=65535.
    PortRange,
    /// There is no uuid.
    UuidMissing,
    /// There is no password.
    PasswordMissing,
    /// There is no user name.
    UsernameMissing,
    /// Shadowsocks: method and password are not there.
    MethodMissing,
    /// Shadowsocks 2022: a key is not base64 of as many bytes as its method takes.
    Ss2022KeyLength,
    /// `VMess`: what follows the scheme is neither JSON in base64 nor a URL.
    VmessPayload,
    /// A transport that we do not know.
    Network(String),
    /// A security that we do not know.
    Security(String),
    /// REALITY: the public key is not 32 bytes of URL-safe base64.
    RealityPublicKey,
    /// REALITY: the short id is not up to 16 hex digits, an even number of them.
    RealityShortId,
    /// Hysteria 2: an obfuscation that we do not know.
    Obfs(String),
    /// Hysteria 2: an obfuscation without its password.
    ObfsPassword,
    /// Hysteria 2: the realm's name is missing.
    RealmMissing,
    /// This parameter is no JSON.
    Json(&'static str),
    /// `WireGuard`: this key is not 32 bytes of base64.
    WireguardKey(&'static str),
    /// `WireGuard`: the client's addresses are missing or wrong.
    WireguardAddress,
    /// One of the strictest clients refuses a whole list for this part of it.
    Strict(&'static str),
    /// A client's configuration: this setting has no place in a link, and without it the entry would promise something else.
    Setting(&'static str),
}

impl Reason {
    /// For programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAUri => "not_a_uri",
            Self::TooLong => "too_long",
            Self::Unsupported(_) => "unsupported",
            Self::NotAProxy => "not_a_proxy",
            Self::ServerMissing => "server_missing",
            Self::ServerInvalid => "server_invalid",
            Self::PortMissing => "port_missing",
            Self::PortInvalid => "port_invalid",
            Self::PortRange => "port_range",
            Self::UuidMissing => "uuid_missing",
            Self::PasswordMissing => "password_missing",
            Self::UsernameMissing => "username_missing",
            Self::MethodMissing => "method_missing",
            Self::Ss2022KeyLength => "ss2022_key_length",
            Self::VmessPayload => "vmess_payload",
            Self::Network(_) => "network_unknown",
            Self::Security(_) => "security_unknown",
            Self::RealityPublicKey => "reality_public_key_invalid",
            Self::RealityShortId => "reality_short_id_invalid",
            Self::Obfs(_) => "obfs_unknown",
            Self::ObfsPassword => "obfs_password_missing",
            Self::RealmMissing => "realm_missing",
            Self::Json(_) => "json_invalid",
            Self::WireguardKey(_) => "wireguard_key_invalid",
            Self::WireguardAddress => "wireguard_address_invalid",
            Self::Strict(_) => "refused_by_clients",
            Self::Setting(_) => "setting_unsupported",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUri => f.write_str("not a link: it has no scheme://"),
            Self::TooLong => f.write_str("longer than 8 KiB"),
            Self::Unsupported(scheme) => write!(f, "{scheme}:// is not supported"),
            Self::NotAProxy => f.write_str("a web address without a login is no proxy"),
            Self::ServerMissing => f.write_str("the server is missing"),
            Self::ServerInvalid => f.write_str("the server is neither a host name nor an IP address"),
            Self::PortMissing => f.write_str("the port is missing"),
            Self::PortInvalid => f.write_str("the port is not a number"),
            Self::PortRange => f.write_str("the port must be from 1 to 65535"),
            Self::UuidMissing => f.write_str("the uuid is missing"),
            Self::PasswordMissing => f.write_str("the password is missing"),
            Self::UsernameMissing => f.write_str("the user name is missing"),
            Self::MethodMissing => f.write_str("method and password are missing"),
            Self::Ss2022KeyLength => f.write_str("the key does not have the length that its method takes"),
            Self::VmessPayload => f.write_str("neither JSON in base64 nor a URL follows vmess://"),
            Self::Network(name) => write!(f, "the transport {name} is not known"),
            Self::Security(name) => write!(f, "the security {name} is not known"),
            Self::RealityPublicKey => f.write_str("the REALITY public key (pbk) is not 32 bytes of URL-safe base64"),
            Self::RealityShortId => {
                f.write_str("the REALITY short id (sid) is not an even number of up to 16 hex digits")
            }
            Self::Obfs(name) => write!(f, "the obfuscation {name} is not known"),
            Self::ObfsPassword => f.write_str("the obfuscation has no password"),
            Self::RealmMissing => f.write_str("the realm is missing"),
            Self::Json(name) => write!(f, "the parameter {name} is not JSON"),
            Self::WireguardKey(name) => write!(f, "the {name} is not 32 bytes of base64"),
            Self::WireguardAddress => f.write_str("the client's addresses are missing or wrong"),
            Self::Strict(part) => write!(f, "mihomo refuses a whole list for such a {part}"),
            Self::Setting(name) => write!(f, "the setting {name} cannot be carried in a link"),
        }
    }
}

impl std::error::Error for Reason {}
