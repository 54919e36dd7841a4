//! What `sing-box check` lets pass though it breaks at run time: references to nothing, ports taken twice, users that
//! shadow each other, and lists that leave a door open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::users::{Scheme, VISION};
use crate::cores::CoreError;
use crate::cores::json::{list, text, texts};

/// Checks a complete configuration.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule that it breaks.
pub(in crate::cores) fn validate(config: &Value) -> Result<(), CoreError> {
    let Some(config) = config.as_object() else {
        return Err(CoreError::Config("the configuration must be an object".into()));
    };
    references(config).and_then(|()| listeners(config)).and_then(|()| users(config)).map_err(CoreError::Config)
}

type Verdict = Result<(), String>;

/// The tags of a list, each once. sing-box calls an item without a tag by its index.
fn tags(config: &Map<String, Value>, keys: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut seen = BTreeSet::new();
    for key in keys {
        for (index, item) in list(config, key).iter().enumerate() {
            let tag = match text(item, "tag") {
                "" => index.to_string(),
                tag => tag.to_owned(),
            };
            if seen.contains(&tag) {
                return Err(format!("{key}[{index}].tag: {tag:?} is taken already"));
            }
            seen.insert(tag);
        }
    }
    Ok(seen)
}

fn known(place: &str, tags: &BTreeSet<String>, named: &str, what: &str) -> Verdict {
    if named.is_empty() || tags.contains(named) {
        Ok(())
    } else {
        Err(format!("{place}: there is no {what} {named:?}"))
    }
}

fn references(config: &Map<String, Value>) -> Verdict {
    let outbounds = tags(config, &["outbounds", "endpoints"])?;
    let inbounds = tags(config, &["inbounds"])?;
    for key in ["outbounds", "endpoints"] {
        for (index, outbound) in list(config, key).iter().enumerate() {
            known(&format!("{key}[{index}].detour"), &outbounds, text(outbound, "detour"), "outbound")?;
            known(&format!("{key}[{index}].default"), &outbounds, text(outbound, "default"), "outbound")?;
            for member in texts(outbound.get("outbounds")) {
                known(&format!("{key}[{index}].outbounds"), &outbounds, member, "outbound")?;
            }
        }
    }
    for (index, inbound) in list(config, "inbounds").iter().enumerate() {
        known(&format!("inbounds[{index}].detour"), &inbounds, text(inbound, "detour"), "inbound")?;
    }
    let dns = config.get("dns").and_then(Value::as_object);
    for (index, server) in dns.map_or(&[][..], |dns| list(dns, "servers")).iter().enumerate() {
        known(&format!("dns.servers[{index}].detour"), &outbounds, text(server, "detour"), "outbound")?;
    }
    let Some(route) = config.get("route") else { return Ok(()) };
    known("route.final", &outbounds, text(route, "final"), "outbound")?;
    let sets = route.as_object().map_or(&[][..], |route| list(route, "rule_set"));
    let sets: BTreeSet<String> = sets.iter().map(|set| text(set, "tag").to_owned()).collect();
    for (index, rule) in route.as_object().map_or(&[][..], |route| list(route, "rules")).iter().enumerate() {
        known(&format!("route.rules[{index}].outbound"), &outbounds, text(rule, "outbound"), "outbound")?;
        conditions(&format!("route.rules[{index}]"), rule, &inbounds, &sets)?;
    }
    Ok(())
}

/// Logical rules nest; their conditions refer like those of plain ones.
fn conditions(place: &str, rule: &Value, inbounds: &BTreeSet<String>, sets: &BTreeSet<String>) -> Verdict {
    for inbound in texts(rule.get("inbound")) {
        known(&format!("{place}.inbound"), inbounds, inbound, "inbound")?;
    }
    for set in texts(rule.get("rule_set")) {
        known(&format!("{place}.rule_set"), sets, set, "rule set")?;
    }
    for (index, nested) in rule.as_object().map_or(&[][..], |rule| list(rule, "rules")).iter().enumerate() {
        conditions(&format!("{place}.rules[{index}]"), nested, inbounds, sets)?;
    }
    Ok(())
}

/// One socket that the core opens.
struct Listener {
    place: String,
    address: String,
    port: u64,
    tcp: bool,
    udp: bool,
}

impl Listener {
    fn of(place: String, item: &Value) -> Option<Self> {
        let port = item.get("listen_port").and_then(Value::as_u64).filter(|port| *port != 0)?;
        let network = text(item, "network");
        let (tcp, udp) = match text(item, "type") {
            "hysteria" | "hysteria2" | "tuic" => (false, true),
            "shadowsocks" | "direct" | "tproxy" => (network != "udp", network != "tcp"),
            "naive" => (network != "udp", network == "udp"),
            "vless" | "vmess" | "trojan" if item.get("transport").map(|of| text(of, "type")) == Some("quic") => {
                (false, true)
            }
            _ => (true, false),
        };
        // sing-box listens on every address when none is given.
        let address = match text(item, "listen") {
            "" => "::".to_owned(),
            address => address.to_owned(),
        };
        Some(Self { place, address, port, tcp, udp })
    }

    fn meets(&self, other: &Self) -> bool {
        let everywhere = |address: &str| address.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        self.port == other.port
            && (self.tcp && other.tcp || self.udp && other.udp)
            && (self.address == other.address || everywhere(&self.address) || everywhere(&other.address))
    }
}

fn listeners(config: &Map<String, Value>) -> Verdict {
    let mut seen: Vec<Listener> = Vec::new();
    for key in ["inbounds", "services"] {
        for (index, item) in list(config, key).iter().enumerate() {
            let Some(listener) = Listener::of(format!("{key}[{index}].listen_port"), item) else { continue };
            if let Some(taken) = seen.iter().find(|other| other.meets(&listener)) {
                return Err(format!("{}: {} is taken by {}", listener.place, listener.port, taken.place));
            }
            seen.push(listener);
        }
    }
    Ok(())
}

fn users(config: &Map<String, Value>) -> Verdict {
    for (index, inbound) in list(config, "inbounds").iter().enumerate() {
        let Some(object) = inbound.as_object() else { continue };
        let users = list(object, "users");
        // An inbound that is left to the operator may be of a form that has no several users; then there is no scheme.
        let Ok(Some(scheme)) = Scheme::of(object) else { continue };
        if users.is_empty() {
            return Err(format!("inbounds[{index}].users: must not be empty, because that lets strangers in"));
        }
        server_key(&format!("inbounds[{index}].password"), scheme, inbound)?;
        let mut names = BTreeSet::new();
        let mut proofs = BTreeSet::new();
        for (place, user) in users.iter().enumerate() {
            let place = format!("inbounds[{index}].users[{place}]");
            one_user(&place, scheme, user)?;
            if !names.insert(text(user, scheme.name_key())) {
                return Err(format!("{place}.{}: another user of the inbound has this name", scheme.name_key()));
            }
            // Logins are told apart by name; everywhere else a shared proof would credit one user's bytes to another.
            if scheme != Scheme::Login && !proofs.insert(text(user, scheme.proof_key())) {
                return Err(format!("{place}.{}: another user of the inbound has the same", scheme.proof_key()));
            }
        }
    }
    Ok(())
}

fn one_user(place: &str, scheme: Scheme, user: &Value) -> Verdict {
    if text(user, scheme.name_key()).is_empty() {
        return Err(format!("{place}.{}: must be set, or the user's bytes are nobody's", scheme.name_key()));
    }
    let key = scheme.proof_key();
    let proof = text(user, key);
    match scheme {
        Scheme::Vless { .. } | Scheme::Vmess | Scheme::Tuic => {
            if !is_uuid(proof) {
                return Err(format!("{place}.{key}: must be a UUID of 32 hex digits and 4 dashes"));
            }
            if !matches!(text(user, "flow"), "" | VISION) {
                return Err(format!("{place}.flow: must be empty or {VISION:?}"));
            }
        }
        Scheme::Key16 | Scheme::Key32 => key_of(&format!("{place}.{key}"), scheme, proof)?,
        // A hysteria user of the operator's may have `auth` bytes instead.
        Scheme::Hysteria if user.get("auth").is_some() => {}
        Scheme::Trojan
        | Scheme::Hysteria2
        | Scheme::Anytls
        | Scheme::Shadowsocks
        | Scheme::Hysteria
        | Scheme::Login => {
            if proof.is_empty() {
                return Err(format!("{place}.{key}: must not be empty"));
            }
        }
    }
    Ok(())
}

fn server_key(place: &str, scheme: Scheme, inbound: &Value) -> Verdict {
    match scheme {
        Scheme::Key16 | Scheme::Key32 => key_of(place, scheme, text(inbound, "password")),
        _ => Ok(()),
    }
}

fn key_of(place: &str, scheme: Scheme, key: &str) -> Verdict {
    let length = if scheme == Scheme::Key16 { 16 } else { 32 };
    match STANDARD.decode(key) {
        Ok(bytes) if bytes.len() == length => Ok(()),
        _ => Err(format!("{place}: must be {length} bytes in base64")),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests;
