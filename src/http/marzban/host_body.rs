//! Hosts as callers say them: every field with its rule.

use core::num::NonZeroU16;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::endpoint::{Around, Kept};
use crate::domain::marzban::hosts::{ALPNS, Host, OWN};
use crate::domain::name::{Breaks, FINGERPRINTS, HttpPath, NodeAddress, ServerName};
use crate::http::failure::Failure;

/// Characters of a setting of noise at most.
const LONGEST_NOISE: usize = 2_000;

/// A host as it comes.
#[derive(Deserialize)]
pub(super) struct HostBody {
    remark: String,
    address: String,
    #[serde(default)]
    port: Option<i64>,
    #[serde(default)]
    sni: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    security: Option<String>,
    #[serde(default)]
    alpn: Option<String>,
    #[serde(default)]
    fingerprint: Option<String>,
    #[serde(default)]
    allowinsecure: Option<bool>,
    #[serde(default)]
    is_disabled: Option<bool>,
    #[serde(default)]
    mux_enable: Option<bool>,
    #[serde(default)]
    fragment_setting: Option<String>,
    #[serde(default)]
    noise_setting: Option<String>,
    #[serde(default)]
    random_user_agent: Option<bool>,
    #[serde(default)]
    use_sni_as_host: Option<bool>,
}

fn named<T: TryFrom<String, Error = Breaks>>(field: &'static str, text: String) -> Result<T, Failure> {
    T::try_from(text).map_err(|rule| Failure::invalid(field, rule.to_string()))
}

/// A text that may be missing, `null` or empty.
fn maybe<T: TryFrom<String, Error = Breaks>>(field: &'static str, text: Option<String>) -> Result<Option<T>, Failure> {
    text.filter(|text| !text.is_empty()).map(|text| named(field, text)).transpose()
}

fn one_of<'a>(field: &'static str, words: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let words: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    Failure::invalid(field, format!("Input should be {}", words.join(", ")))
}

impl HostBody {
    /// The host.
    pub(super) fn checked(self) -> Result<Host, Failure> {
        let port = self.port.map(|port| u16::try_from(port).ok().and_then(NonZeroU16::new).ok_or(port)).transpose();
        let security = match self.security.as_deref() {
            None | Some("inbound_default") => None,
            Some("none") => Some(Around::None),
            Some("tls") => Some(Around::Tls),
            Some(_) => return Err(one_of("security", ["inbound_default", "none", "tls"].into_iter())),
        };
        let said = self.alpn.unwrap_or_default();
        let alpn = ALPNS.iter().map(|(name, _)| *name).find(|name| *name == said);
        let fingerprint = maybe("fingerprint", self.fingerprint)
            .map_err(|_| one_of("fingerprint", core::iter::once("").chain(FINGERPRINTS)))?;
        Ok(Host {
            remark: named("remark", self.remark)?,
            address: if self.address == OWN { None } else { Some(named::<NodeAddress>("address", self.address)?) },
            port: port.map_err(|_| Failure::invalid("port", "an integer from 1 to 65535"))?,
            sni: maybe::<ServerName>("sni", self.sni)?,
            host: maybe::<ServerName>("host", self.host)?,
            path: maybe::<HttpPath>("path", self.path)?,
            security,
            alpn: alpn.ok_or_else(|| one_of("alpn", ALPNS.iter().map(|(name, _)| *name)))?,
            fingerprint,
            allowinsecure: self.allowinsecure,
            is_disabled: self.is_disabled.unwrap_or(false),
            kept: Kept {
                mux_enable: self.mux_enable.unwrap_or(false),
                fragment_setting: fragment(self.fragment_setting)?,
                noise_setting: noise(self.noise_setting)?,
                random_user_agent: self.random_user_agent.unwrap_or(false),
                use_sni_as_host: self.use_sni_as_host.unwrap_or(false),
            },
        })
    }
}

/// `10` or `10-100`, of so many digits at most.
fn is_range(text: &str, digits: usize) -> bool {
    let is_number = |text: &str| (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('-') {
        Some((from, to)) => is_number(from) && is_number(to),
        None => is_number(text),
    }
}

fn fragment(setting: Option<String>) -> Result<Option<String>, Failure> {
    let Some(setting) = setting.filter(|setting| !setting.is_empty()) else { return Ok(None) };
    let parts: Vec<&str> = setting.split(',').collect();
    let fits = match parts.as_slice() {
        [length, interval, packets] => {
            is_range(length, 4) && is_range(interval, 3) && (*packets == "tlshello" || is_range(packets, 1))
        }
        _ => false,
    };
    let rule = "Value error, Fragment setting must be like this: length,interval,packet (10-100,100-200,tlshello).";
    if fits { Ok(Some(setting)) } else { Err(Failure::invalid("fragment_setting", rule)) }
}

fn noise(setting: Option<String>) -> Result<Option<String>, Failure> {
    let Some(setting) = setting.filter(|setting| !setting.is_empty()) else { return Ok(None) };
    if setting.chars().count() > LONGEST_NOISE {
        return Err(Failure::invalid("noise_setting", "Value error, Noise can't be longer that 2000 character"));
    }
    let is_packet = |packet: &str| match packet.split_once(':') {
        Some(("rand", length)) => is_range(length, 4),
        Some(("str" | "base64" | "hex", text)) => !text.is_empty(),
        _ => false,
    };
    let fits = setting.split('&').all(|one| match one.rsplit_once(',') {
        Some((packet, delay)) if is_range(delay, 5) => is_packet(packet),
        _ => is_packet(one),
    });
    let rule = "Value error, Noise setting must be like this: packet,delay (rand:10-20,100-200).";
    if fits { Ok(Some(setting)) } else { Err(Failure::invalid("noise_setting", rule)) }
}

/// All hosts of a body.
pub(super) fn checked(body: BTreeMap<String, Vec<HostBody>>) -> Result<BTreeMap<String, Vec<Host>>, Failure> {
    let of = |(tag, hosts): (String, Vec<HostBody>)| {
        Ok((tag, hosts.into_iter().map(HostBody::checked).collect::<Result<Vec<_>, Failure>>()?))
    };
    body.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_packets_are_cut_is_said_in_three_parts() {
        for good in ["10-100,100-200,tlshello", "1,2,3", "5-6,7,1-3"] {
            assert_eq!(fragment(Some(good.into())), Ok(Some(good.into())), "{good}");
        }
        assert_eq!(fragment(Some(String::new())), Ok(None));
        for bad in ["x", "1,2", "1,2,3,4", "12345,1,1", "1,2,serverhello", "1-2-3,1,1", ",,"] {
            assert!(fragment(Some(bad.into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn noise_is_packets_with_a_delay_each_or_none() {
        for good in ["rand:10-20,100-200", "rand:5", "str:hello,5&base64:QUJD,1-2"] {
            assert_eq!(noise(Some(good.into())), Ok(Some(good.into())), "{good}");
        }
        for bad in ["x", "rand:x", "rand:1,2&", "str:"] {
            assert!(noise(Some(bad.into())).is_err(), "{bad}");
        }
        assert!(noise(Some(format!("str:{}", "x".repeat(2_000)))).is_err());
    }
}
