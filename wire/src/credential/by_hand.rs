//! Credentials that were set by hand, for users who come from another panel and keep what their clients have.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::SlotSecret;
use crate::id::Malformed;

/// Longest password, in characters.
const LONGEST: usize = 128;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) { Ok(Self(text)) } else { Err(Malformed($rule)) }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

text!(
    /// A uuid in the one form that all cores read alike: 36 lower-case characters. Others are taken for a name by some cores, for
    /// an error by the rest.
    Uuid,
    is_uuid,
    "a uuid in lower case, like 4a451ae6-90da-4f80-a0f2-cdb4a4a2d5f2"
);
text!(
    /// A password: 1 to 128 characters without control characters.
    Password,
    |text| (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    "1 to 128 characters without control characters"
);
text!(
    /// 16 bytes in standard base64.
    Key16,
    |text| is_key(text, 16),
    "16 bytes in standard base64"
);
text!(
    /// 32 bytes in standard base64.
    Key32,
    |text| is_key(text, 32),
    "32 bytes in standard base64"
);

fn is_uuid(text: &str) -> bool {
    let is_dash = |place| matches!(place, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match byte {
            b'-' => is_dash(place),
            b'0'..=b'9' | b'a'..=b'f' => !is_dash(place),
            _ => false,
        })
}

fn is_key(text: &str, bytes: usize) -> bool {
    STANDARD.decode(text).is_ok_and(|key| key.len() == bytes)
}

/// What was set by hand; what was not is derived from the slot's secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByHand {
    /// Of vless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vless_uuid: Option<Uuid>,
    /// Of vmess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmess_uuid: Option<Uuid>,
    /// Of tuic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuic_uuid: Option<Uuid>,
    /// Of tuic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuic_password: Option<Password>,
    /// Of trojan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trojan_password: Option<Password>,
    /// Of Shadowsocks of before 2022.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowsocks_password: Option<Password>,
    /// Of `2022-blake3-aes-128-gcm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowsocks_key_16: Option<Key16>,
    /// Of `2022-blake3-aes-256-gcm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowsocks_key_32: Option<Key32>,
    /// Of hysteria and hysteria2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hysteria_password: Option<Password>,
    /// Of anytls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anytls_password: Option<Password>,
    /// Of naive, socks, http and mixed; the name is the slot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_password: Option<Password>,
}

impl ByHand {
    /// The names of its fields.
    pub const NAMES: [&str; 11] = [
        "vless_uuid",
        "vmess_uuid",
        "tuic_uuid",
        "tuic_password",
        "trojan_password",
        "shadowsocks_password",
        "shadowsocks_key_16",
        "shadowsocks_key_32",
        "hysteria_password",
        "anytls_password",
        "proxy_password",
    ];

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was set, by its field's name.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        // In the order of the names.
        let values = [
            self.vless_uuid.as_ref().map(Uuid::as_str),
            self.vmess_uuid.as_ref().map(Uuid::as_str),
            self.tuic_uuid.as_ref().map(Uuid::as_str),
            self.tuic_password.as_ref().map(Password::as_str),
            self.trojan_password.as_ref().map(Password::as_str),
            self.shadowsocks_password.as_ref().map(Password::as_str),
            self.shadowsocks_key_16.as_ref().map(Key16::as_str),
            self.shadowsocks_key_32.as_ref().map(Key32::as_str),
            self.hysteria_password.as_ref().map(Password::as_str),
            self.anytls_password.as_ref().map(Password::as_str),
            self.proxy_password.as_ref().map(Password::as_str),
        ];
        Self::NAMES.into_iter().zip(values).filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }
}

/// What a user proves himself with, in every protocol: derived from the slot's secret unless it was set by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    secret: SlotSecret,
    by_hand: Option<ByHand>,
}

impl From<SlotSecret> for Credentials {
    fn from(secret: SlotSecret) -> Self {
        Self { secret, by_hand: None }
    }
}

macro_rules! credential {
    ($($(#[$doc:meta])* $name:ident: $field:ident or $derived:ident,)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> String {
            let set = self.by_hand.as_ref().and_then(|by_hand| by_hand.$field.clone());
            set.map_or_else(|| self.secret.$derived(), String::from)
        })*
    };
}

impl Credentials {
    /// A slot's credentials.
    #[must_use]
    pub fn new(secret: SlotSecret, by_hand: Option<ByHand>) -> Self {
        Self { secret, by_hand: by_hand.filter(|by_hand| !by_hand.is_empty()) }
    }

    credential! {
        /// The uuid of vless.
        vless_uuid: vless_uuid or uuid,
        /// The uuid of vmess.
        vmess_uuid: vmess_uuid or uuid,
        /// The uuid of tuic.
        tuic_uuid: tuic_uuid or uuid,
        /// The password of tuic.
        tuic_password: tuic_password or password,
        /// The password of trojan.
        trojan_password: trojan_password or password,
        /// The password of Shadowsocks of before 2022.
        shadowsocks_password: shadowsocks_password or password,
        /// The user key of `2022-blake3-aes-128-gcm`.
        shadowsocks_key_16: shadowsocks_key_16 or shadowsocks_key_16,
        /// The user key of `2022-blake3-aes-256-gcm`.
        shadowsocks_key_32: shadowsocks_key_32 or shadowsocks_key_32,
        /// The password of hysteria and hysteria2.
        hysteria_password: hysteria_password or password,
        /// The password of anytls.
        anytls_password: anytls_password or password,
        /// The password of naive, socks, http and mixed.
        proxy_password: proxy_password or password,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ByHand, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn what_was_set_is_used_and_the_rest_is_derived() {
        let secret = SlotSecret::derive(b"0123456789abcdef0123456789abcdef", &"abcd2345".parse().unwrap());
        let uuid = "11111111-2222-4333-8444-555555555555";
        let by_hand = read(&format!(r#"{{"vless_uuid":"{uuid}","trojan_password":"pw"}}"#)).unwrap();
        assert_eq!(by_hand.fields(), [("vless_uuid", uuid), ("trojan_password", "pw")]);
        let set = Credentials::new(secret.clone(), Some(by_hand));
        assert_eq!((set.vless_uuid().as_str(), set.trojan_password().as_str()), (uuid, "pw"));
        assert_eq!((set.vmess_uuid(), set.anytls_password()), (secret.uuid(), secret.password()));
        assert_eq!(Credentials::new(secret.clone(), Some(ByHand::default())), Credentials::from(secret));
        // The names stand beside the values twice: in the declaration and in the list.
        for name in ByHand::NAMES {
            let value = if name.ends_with("uuid") { uuid } else { "AAAAAAAAAAAAAAAAAAAAAA==" };
            let value = if name.ends_with("32") { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" } else { value };
            assert_eq!(read(&format!(r#"{{"{name}":"{value}"}}"#)).unwrap().fields(), [(name, value)]);
        }
    }

    #[test]
    fn each_field_has_its_rule() {
        for bad in [
            r#"{"vless_uuid":"11111111-2222-4333-8444-55555555555A"}"#,
            r#"{"vless_uuid":"11111111222243338444555555555555"}"#,
            r#"{"vless_uuid":"1111111-12222-4333-8444-555555555555"}"#,
            r#"{"vless_uuid":"name"}"#,
            r#"{"trojan_password":""}"#,
            r#"{"trojan_password":"a\nb"}"#,
            r#"{"shadowsocks_key_16":"AAAA"}"#,
            r#"{"shadowsocks_key_32":"AAAAAAAAAAAAAAAAAAAAAA=="}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let long = |count| read(&format!(r#"{{"trojan_password":"{}"}}"#, "я".repeat(count)));
        assert!(long(128).is_ok() && long(129).is_err());
        assert!(read(r#"{"shadowsocks_key_16":"AAAAAAAAAAAAAAAAAAAAAA=="}"#).is_ok());
    }

    #[test]
    fn credentials_are_never_printed() {
        let by_hand = read(r#"{"trojan_password":"hunter2"}"#).unwrap();
        assert!(!format!("{by_hand:?}").contains("hunter2"));
    }
}
