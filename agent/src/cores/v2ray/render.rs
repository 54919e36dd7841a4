//! From the operator's template and the slots to the file that the core reads at its start.
//!
//! Users come and go in the running core, so the file is for its next start: it holds those whose gates are open, and a core
//! that is started without the agent lets in nobody else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use weir_wire::SlotName;

use super::Pass;
use super::template::Template;
use super::users::Scheme;
use crate::cores::host_secret::HostSecret;
use crate::cores::json::{array, list, object, text};
use crate::cores::program::Family;
use crate::cores::template::{MARKS, wrong};
use crate::cores::{ConfiguredSlot, CoreError, NOBODY, digest};

const API: &str = "weir-api";
/// In a client of the file: it is one of the panel's. The core does not know the key and takes no notice.
const OURS: &str = "weir";
/// In the file's own [`MARKS`]: the digest of all that comes of the template.
const DIGEST: &str = "template";

/// What the agent adds, apart from slots.
pub(super) struct Additions<'a> {
    pub(super) secret: &'a HostSecret,
    /// Port of the core's api on 127.0.0.1.
    pub(super) api_port: u16,
    pub(super) family: Family,
}

/// A complete configuration.
pub(super) struct Rendered {
    pub(super) json: Vec<u8>,
    /// Of all that only a restart brings into the core.
    pub(super) digest: String,
}

/// Makes the configuration.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule.
pub(super) fn render(
    template: &Template,
    slots: &[ConfiguredSlot],
    additions: &Additions<'_>,
) -> Result<Rendered, CoreError> {
    let mut config = template.config.clone();
    let api = api(&mut config)?;
    counting(&mut config, additions.family)?;
    api_inbound(&mut config, &api, additions.api_port)?;
    let mut hash = Sha256::new();
    hash.update(b"weir/v2ray/template/1\n");
    hash.update(Value::Object(config.clone()).to_string());
    let digest = digest::cut(hash);
    for inbound in array(&mut config, "inbounds")?.iter_mut().filter_map(Value::as_object_mut) {
        let tag = inbound.get("tag").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = format!("inbound {tag:?}");
        let Some(scheme) = template.scheme(inbound).map_err(|why| wrong(&place, &why))? else { continue };
        let clients = array(object(inbound, "settings")?, "clients")?;
        let names: BTreeSet<&str> = clients.iter().map(|client| text(client, "email")).collect();
        if let Some(taken) = slots.iter().find(|slot| names.contains(slot.slot.as_str())) {
            return Err(wrong(&place, &format!("its own user {} has the name of a slot", taken.slot)));
        }
        clients.push(ours(scheme.client(NOBODY, &additions.secret.nobody(&tag)?.into())));
        clients.extend(open_clients(&(tag, scheme.clone()), slots));
        if let (Scheme::Vless { .. }, Some(settings)) =
            (&scheme, inbound.get_mut("settings").and_then(Value::as_object_mut))
        {
            // The core insists on it, and there is only this one.
            settings.entry("decryption").or_insert("none".into());
        }
    }
    config.insert(MARKS.into(), json!({ DIGEST: digest }));
    let json = serde_json::to_vec(&Value::Object(config)).map_err(|why| CoreError::Config(why.to_string()))?;
    Ok(Rendered { json, digest })
}

fn ours(mut client: Map<String, Value>) -> Value {
    client.insert(OURS.into(), true.into());
    Value::Object(client)
}

fn open_clients(inbound: &(String, Scheme), slots: &[ConfiguredSlot]) -> Vec<Value> {
    let client = |slot: &ConfiguredSlot| {
        let pass = Pass::of(slot);
        pass.at(inbound).map(|credentials| ours(inbound.1.client(slot.slot.as_str(), credentials)))
    };
    slots.iter().filter(|slot| slot.open).filter_map(client).collect()
}

/// Adds the services that the agent needs to the core's api, and returns its tag.
fn api(config: &mut Map<String, Value>) -> Result<String, CoreError> {
    let api = object(config, "api")?;
    let tag = match api.get("tag").and_then(Value::as_str) {
        Some(own) if !own.is_empty() => own.to_owned(),
        _ => API.to_owned(),
    };
    api.insert("tag".into(), tag.as_str().into());
    let services = array(api, "services")?;
    for service in ["HandlerService", "StatsService"] {
        if !services.iter().any(|own| own == service) {
            services.push(service.into());
        }
    }
    Ok(tag)
}

/// Makes the core count the users of level 0, which ours are.
fn counting(config: &mut Map<String, Value>, family: Family) -> Result<(), CoreError> {
    object(config, "stats")?;
    let level = object(object(object(config, "policy")?, "levels")?, "0")?;
    level.insert("statsUserUplink".into(), true.into());
    level.insert("statsUserDownlink".into(), true.into());
    if family == Family::Xray {
        level.insert("statsUserOnline".into(), true.into());
    }
    Ok(())
}

/// The api listens on loopback, before any other rule: both cores reach it by a route.
fn api_inbound(config: &mut Map<String, Value>, api: &str, port: u16) -> Result<(), CoreError> {
    array(config, "inbounds")?.push(json!({
        "tag": API, "listen": "127.0.0.1", "port": port, "protocol": "dokodemo-door",
        "settings": { "address": "127.0.0.1" },
    }));
    let rule = json!({ "type": "field", "inboundTag": [API], "outboundTag": api });
    array(object(config, "routing")?, "rules")?.insert(0, rule);
    Ok(())
}

/// A file of ours, read again.
pub(super) struct Ours {
    /// What it states of its template.
    pub(super) digest: String,
    /// The inbounds with users of the panel.
    pub(super) inbounds: Vec<(String, Scheme)>,
    /// The slots that a core which starts with it lets in.
    pub(super) slots: BTreeSet<SlotName>,
    config: Map<String, Value>,
}

impl Ours {
    /// Reads a file; `None` when it is not one of ours.
    pub(super) fn read(json: &[u8], family: Family) -> Option<Self> {
        let config: Map<String, Value> = serde_json::from_slice(json).ok()?;
        let digest = config.get(MARKS)?.get(DIGEST)?.as_str()?.to_owned();
        let (mut inbounds, mut slots) = (Vec::new(), BTreeSet::new());
        for inbound in list(&config, "inbounds").iter().filter_map(Value::as_object) {
            let clients = inbound.get("settings").and_then(Value::as_object).map_or(&[][..], |of| list(of, "clients"));
            if !clients.iter().any(is_ours) {
                continue;
            }
            slots.extend(
                clients.iter().filter(|client| is_ours(client)).filter_map(|of| text(of, "email").parse().ok()),
            );
            if let Ok(Some(scheme)) = Scheme::of(inbound, family) {
                let tag = inbound.get("tag").and_then(Value::as_str).unwrap_or_default();
                inbounds.push((tag.to_owned(), scheme));
            }
        }
        Some(Self { digest, inbounds, slots, config })
    }

    /// The same file with these slots for its users.
    pub(super) fn with(self, slots: &[ConfiguredSlot]) -> Option<Vec<u8>> {
        let schemes: BTreeMap<String, Scheme> = self.inbounds.into_iter().collect();
        let mut config = self.config;
        for inbound in config.get_mut("inbounds")?.as_array_mut()?.iter_mut().filter_map(Value::as_object_mut) {
            let tag = inbound.get("tag").and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(scheme) = schemes.get(&tag).cloned() else { continue };
            let clients = inbound.get_mut("settings")?.get_mut("clients")?.as_array_mut()?;
            clients.retain(|client| !is_ours(client) || text(client, "email") == NOBODY);
            clients.extend(open_clients(&(tag, scheme), slots));
        }
        serde_json::to_vec(&config).ok()
    }
}

fn is_ours(client: &Value) -> bool {
    client.get(OURS).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests;
