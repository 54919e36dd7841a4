//! What a body chooses of the ways in, and the credentials that it sets for them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_wire::credential::{ByHand, Credentials};

use super::user_body::{METHODS, Proxy, Said};
use super::user_json::{Scene, secret, secret_name};
use crate::domain::credentials::read;
use crate::domain::marzban::choice::{Choice, Chosen};
use crate::domain::marzban::inbounds::Protocol;
use crate::http::failure::Failure;

/// What Marzban's clients send as the method when nobody chose one: it means that of the inbound.
const UNCHOSEN: &str = "chacha20-ietf-poly1305";

/// The choice that follows from a body for a user who had `own`. `inbounds` are taken by protocol, those of others stay.
pub(super) fn chosen(said: &Said, own: Choice, scene: &Scene) -> Result<Choice, Failure> {
    let mut choice = match &said.proxies {
        Some(proxies) => with_proxies(proxies, &own, scene)?,
        None => own,
    };
    for (protocol, tags) in said.inbounds.iter().flatten() {
        // What is said of protocols that he has not means nothing.
        if !choice.0.contains_key(protocol) {
            continue;
        }
        if let Some(unknown) = tags.iter().find(|tag| !scene.inbounds.has(tag)) {
            return Err(Failure::invalid("inbounds", format!("Value error, Inbound {unknown} doesn't exist")));
        }
        choice.include(*protocol, tags, &scene.inbounds);
    }
    Ok(choice)
}

fn with_proxies(proxies: &BTreeMap<Protocol, Proxy>, own: &Choice, scene: &Scene) -> Result<Choice, Failure> {
    let kept = |(protocol, proxy): (&Protocol, &Proxy)| {
        if !scene.inbounds.is_enabled(*protocol) {
            return Err(Failure::Refused(format!("Protocol {} is disabled on your server", protocol.name())));
        }
        let before = own.0.get(protocol).cloned().unwrap_or_default();
        let method = match &proxy.method {
            Some(method) => method_of(method, scene)?,
            None => before.method,
        };
        let flow = proxy.flow.clone().unwrap_or(before.flow);
        Ok((*protocol, Chosen { flow, method, excluded: before.excluded }))
    };
    proxies.iter().map(kept).collect::<Result<_, Failure>>().map(Choice)
}

/// A method of Shadowsocks that was said; none if it says no more than the inbounds do.
fn method_of(method: &str, scene: &Scene) -> Result<Option<String>, Failure> {
    let known = scene.inbounds.methods();
    if method == scene.method(None) || (method == UNCHOSEN && !known.is_empty()) {
        return Ok(None);
    }
    if known.is_empty() {
        let is_one = METHODS.contains(&method);
        return if is_one {
            Ok(Some(method.to_owned()))
        } else {
            Err(Failure::invalid("method", "Input should be 'aes-128-gcm', 'aes-256-gcm' or 'chacha20-ietf-poly1305'"))
        };
    }
    if known.iter().any(|one| one == method) {
        return Ok(Some(method.to_owned()));
    }
    let rule = format!("the inbounds have {}, and their users cannot have another method", known.join(", "));
    Err(Failure::invalid("method", rule))
}

/// The credentials that a body says, by the names that we have for them.
pub(super) fn said(
    proxies: &BTreeMap<Protocol, Proxy>,
    choice: &Choice,
    scene: &Scene,
) -> Result<Map<String, Value>, Failure> {
    let mut map = Map::new();
    for (protocol, proxy) in proxies {
        let Some(text) = &proxy.secret else { continue };
        let method = choice.0.get(protocol).and_then(|chosen| chosen.method.as_deref());
        let name = secret_name(*protocol, scene.method(method));
        let one = Map::from_iter([(name.to_owned(), Value::from(text.as_str()))]);
        let field = if matches!(protocol, Protocol::Vmess | Protocol::Vless) { "id" } else { "password" };
        read(&one).map_err(|(_, rule)| Failure::invalid(format!("proxies.{}.{field}", protocol.name()), rule))?;
        map.extend(one);
    }
    Ok(map)
}

/// What a user with these credentials must have set by hand so that he has what was said and keeps the rest of what is shown; none if
/// he has it already. Other derived credentials come with the new slot: of protocols that this API does not know.
pub(super) fn renewed(
    said: &Map<String, Value>,
    own: &Credentials,
    by_hand: Option<&ByHand>,
    scene: &Scene,
    choice: &Choice,
) -> Option<Map<String, Value>> {
    let mut shown = Map::new();
    for protocol in Protocol::ALL {
        let method = choice.0.get(&protocol).and_then(|chosen| chosen.method.as_deref());
        let method = scene.method(method);
        shown.insert(secret_name(protocol, method).to_owned(), Value::from(secret(protocol, method, own)));
    }
    if said.iter().all(|(name, value)| shown.get(name) == Some(value)) {
        return None;
    }
    let set = by_hand.and_then(|set| serde_json::to_value(set).ok());
    let mut all = match set {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    all.extend(shown);
    all.extend(said.clone());
    Some(all)
}
