//! From the operator's template and the slots to the file that sing-box reads.

pub(crate) mod marks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use weir_wire::SlotName;

use super::api::Target;
use super::template::Template;
use super::{RelayPorts, validate};
use crate::cores::host_secret::HostSecret;
use crate::cores::json::{array, list, object, text};
use crate::cores::template::wrong;
use crate::cores::{BACK, ConfiguredSlot, CoreError, NOBODY, RelayPlan, Way};
use crate::faults::{self, Line};

/// What a shut gate leads to.
pub(in crate::cores) const REFUSE: &str = "weir-refuse";
/// What an open gate leads to when the template has no outbound.
pub(in crate::cores) const DIRECT: &str = "weir-direct";
const GATE: &str = "weir:";
/// What a slow gate leads to: a connection to the agent's relay, named by the slot.
pub(in crate::cores) const RELAY: &str = "weir-relay:";
const STATED: &str = "weir-config:";

/// The selector of a slot.
pub(super) fn gate_tag(slot: &SlotName) -> String {
    format!("{GATE}{slot}")
}

/// The outbound through the relay of a slot.
pub(in crate::cores) fn relay_tag(slot: &SlotName) -> String {
    format!("{RELAY}{slot}")
}

/// Where a gate leads that has this member selected.
pub(super) fn way_of(member: &str) -> Way {
    match member {
        REFUSE => Way::Shut,
        slow if slow.starts_with(RELAY) || marks::of_tag(slow).is_some() => Way::Slow,
        _ => Way::Open,
    }
}

/// Of a gate's members, the one that holds its user to his speed: his routing mark while the kernel goes by those, otherwise the
/// relay.
pub(super) fn slow_member<'a>(mut members: impl Iterator<Item = &'a str> + Clone, kernel: bool) -> Option<&'a str> {
    let relay = members.clone().find(|member| member.starts_with(RELAY));
    members.find(|member| kernel && marks::of_tag(member).is_some()).or(relay)
}

/// The slot of a selector, if it is a gate.
pub(super) fn slot_of_gate(tag: &str) -> Option<SlotName> {
    tag.strip_prefix(GATE).and_then(|slot| slot.parse().ok())
}

/// The part of a digest that is of the template alone.
pub(in crate::cores) fn of_template(digest: &str) -> &str {
    digest.split_once('-').map_or(digest, |(template, _)| template)
}

/// The digest of the configuration that a selector states, if that is its purpose.
pub(super) fn stated_digest(tag: &str) -> Option<&str> {
    tag.strip_prefix(STATED)
}

/// What the agent adds, apart from slots.
pub(in crate::cores) struct Additions<'a> {
    pub(in crate::cores) secret: &'a HostSecret,
    /// Port of the `api` service on 127.0.0.1, when the template has none.
    pub(in crate::cores) api_port: u16,
    /// Where the core keeps its choices, when the template does not say.
    pub(in crate::cores) cache_file: &'a Path,
    /// The relay's ports, when users may have a speed limit.
    pub(in crate::cores) relay: Option<RelayPorts>,
    /// Beside the relay, gates lead out under a routing mark, where the template allows that.
    pub(in crate::cores) marks: bool,
    /// The kernel holds those marks to their speed.
    pub(in crate::cores) kernel: bool,
}

/// A complete configuration.
pub(super) struct Rendered {
    pub(super) json: Vec<u8>,
    /// Of all that only a reload brings into the core: everything but the states of the gates.
    pub(super) digest: String,
    /// Where a core that was started with this answers.
    pub(super) target: Target,
    /// Where a core that was started with this keeps its choices.
    pub(super) cache_file: PathBuf,
}

/// Makes the configuration and checks it with our own rules.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule.
pub(super) fn render(
    template: &Template,
    slots: &[ConfiguredSlot],
    additions: &Additions<'_>,
) -> Result<Rendered, CoreError> {
    let slots = sorted(slots)?;
    let mut config = template.config.clone();
    let target = api_service(&mut config, additions)?;
    let cache_file = cache_file(&mut config, additions)?;
    let model = if additions.marks { template.marked().ok() } else { None };
    let mut of_template = digest_of_template(template, &config, additions.relay);
    if model.is_some() {
        of_template = marks::digest(&of_template);
    }
    inbounds(template, &mut config, &slots, additions)?;
    let digest = format!("{of_template}-{}", digest_of_users(&slots, &config));
    outbounds(template, &mut config, &slots, (&digest, model.as_ref()), additions)?;
    rules(template, &mut config, &slots, additions, gate_tag)?;
    let config = Value::Object(config);
    validate::validate(&config)?;
    let json = serde_json::to_vec(&config).map_err(|why| CoreError::Config(why.to_string()))?;
    Ok(Rendered { json, digest, target, cache_file })
}

/// The slots in an order of their own, so that the same ones make the same file.
///
/// # Errors
/// [`CoreError::Config`]: one was named twice.
pub(in crate::cores) fn sorted(slots: &[ConfiguredSlot]) -> Result<Vec<&ConfiguredSlot>, CoreError> {
    let mut slots: Vec<&ConfiguredSlot> = slots.iter().collect();
    slots.sort_by(|a, b| a.slot.cmp(&b.slot));
    if slots.windows(2).any(|pair| matches!(pair, [a, b] if a.slot == b.slot)) {
        return Err(CoreError::Config("a slot was named twice".into()));
    }
    Ok(slots)
}

/// Finds the template's `api` service or adds ours.
fn api_service(config: &mut Map<String, Value>, additions: &Additions<'_>) -> Result<Target, CoreError> {
    let services = array(config, "services")?;
    if !services.iter().any(|service| text(service, "type") == "api") {
        services.push(json!({
            "type": "api", "tag": "weir-api", "listen": "127.0.0.1", "listen_port": additions.api_port,
        }));
    }
    for service in services.iter_mut().filter_map(Value::as_object_mut) {
        if service.get("type").and_then(Value::as_str) != Some("api") {
            continue;
        }
        if service.get("secret").and_then(Value::as_str).is_none_or(str::is_empty) {
            service.insert("secret".into(), additions.secret.api().into());
        }
        return Target::of_service(service);
    }
    Err(wrong("services", "must be a list of objects"))
}

/// Makes the core remember the gates' states over a restart, and says where.
fn cache_file(config: &mut Map<String, Value>, additions: &Additions<'_>) -> Result<PathBuf, CoreError> {
    let cache = object(object(config, "experimental")?, "cache_file")?;
    cache.insert("enabled".into(), true.into());
    let path = match cache.get("path").and_then(Value::as_str) {
        Some(own) if !own.is_empty() => PathBuf::from(own),
        _ => additions.cache_file.to_owned(),
    };
    if !path.is_absolute() {
        return Err(wrong(
            "experimental.cache_file.path",
            "must be absolute, so that core and agent mean the same file",
        ));
    }
    cache.insert("path".into(), path.to_string_lossy().into_owned().into());
    Ok(path)
}

/// Writes the users into every inbound that takes some, and adds the one behind the relay.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule.
pub(in crate::cores) fn inbounds(
    template: &Template,
    config: &mut Map<String, Value>,
    slots: &[&ConfiguredSlot],
    Additions { secret, relay, .. }: &Additions<'_>,
) -> Result<(), CoreError> {
    for inbound in array(config, "inbounds")?.iter_mut().filter_map(Value::as_object_mut) {
        let tag = inbound.get("tag").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = format!("inbound {tag:?}");
        let Some(scheme) = template.scheme(inbound).map_err(|why| wrong(&place, &why))? else { continue };
        let users = array(inbound, "users")?;
        let names: BTreeSet<&str> = users.iter().map(|user| text(user, scheme.name_key())).collect();
        if let Some(taken) = slots.iter().find(|slot| names.contains(slot.slot.as_str())) {
            return Err(wrong(&place, &format!("its own user {} has the name of a slot", taken.slot)));
        }
        if names.contains(NOBODY) {
            return Err(wrong(&place, "the user name \"weir-nobody\" is the agent's"));
        }
        users.reserve(slots.len() + 1);
        users.extend(slots.iter().map(|slot| scheme.user(slot.slot.as_str(), &slot.credentials)));
        users.push(scheme.user(NOBODY, &secret.nobody(&tag)?.into()));
    }
    if let Some(ports) = relay {
        let at_relay = |inbound: &Value| inbound.get("listen_port").and_then(Value::as_u64) == Some(ports.relay.into());
        if let Some(taken) = list(config, "inbounds").iter().find(|inbound| at_relay(inbound)) {
            let place = format!("inbound {:?}", text(taken, "tag"));
            return Err(wrong(
                &place,
                &format!("port {} is the relay's: see speed.relay_port in the settings", ports.relay),
            ));
        }
        array(config, "inbounds")?.push(json!({
            "type": "socks", "tag": BACK, "listen": "127.0.0.1", "listen_port": ports.back,
            "users": [{ "username": RelayPlan::BACK_USER, "password": secret.back() }],
        }));
    }
    Ok(())
}

fn outbounds(
    template: &Template,
    config: &mut Map<String, Value>,
    slots: &[&ConfiguredSlot],
    (digest, model): (&str, Option<&Map<String, Value>>),
    Additions { secret, relay, kernel, .. }: &Additions<'_>,
) -> Result<(), CoreError> {
    let open = template.final_outbound()?;
    let outbounds = array(config, "outbounds")?;
    if open.is_none() {
        // First, so that it is also what the core falls back to for connections without a rule.
        outbounds.push(json!({ "type": "direct", "tag": DIRECT }));
    }
    let open = open.as_deref().unwrap_or(DIRECT);
    outbounds.push(json!({ "type": "block", "tag": REFUSE }));
    let relay = relay.map(|ports| (ports.relay, secret.relay()));
    if let Some((port, password)) = &relay {
        outbounds.extend(slots.iter().map(|slot| relay_outbound(&slot.slot, *port, password)));
    }
    let mut marked = marks::outbounds(model, slots);
    outbounds.extend(slots.iter().map(|slot| {
        let mut members = vec![open.to_owned(), REFUSE.to_owned()];
        members.extend(relay.is_some().then(|| relay_tag(&slot.slot)));
        members.extend(marked.get(&slot.slot).map(|outbound| text(outbound, "tag").to_owned()));
        json!({
            "type": "selector", "tag": gate_tag(&slot.slot), "default": starts_with(&members, slot.way(), *kernel),
            "outbounds": members, "interrupt_exist_connections": true,
        })
    }));
    outbounds.extend(slots.iter().filter_map(|slot| marked.remove(&slot.slot)));
    // Nothing routes here: the core repeats the tag when it is asked for its groups, and so states which file it runs.
    outbounds.push(json!({ "type": "selector", "tag": format!("{STATED}{digest}"), "outbounds": [REFUSE] }));
    Ok(())
}

/// A slot's way through the relay, which knows him by the slot.
pub(in crate::cores) fn relay_outbound(slot: &SlotName, port: u16, password: &str) -> Value {
    json!({
        "type": "socks", "tag": relay_tag(slot), "server": "127.0.0.1", "server_port": port,
        "username": slot.as_str(), "password": password,
    })
}

/// Puts the users' rules between the template's. Each is led to the outbound that `way` names.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule.
pub(in crate::cores) fn rules(
    template: &Template,
    config: &mut Map<String, Value>,
    slots: &[&ConfiguredSlot],
    additions: &Additions<'_>,
    way: fn(&SlotName) -> String,
) -> Result<(), CoreError> {
    let sorted = template.rules();
    // What comes back from the relay was sniffed, resolved and let through when its user came in; only how it is dialled was left
    // behind. Behind this rule nothing meets it: a sniffer would wait a second time for what a server says first.
    let mut back = Vec::new();
    if additions.relay.is_some() {
        let open = template.final_outbound()?;
        back.extend(sorted.leading.iter().filter(|rule| text(rule, "action") == "route-options").cloned());
        back.push(json!({ "inbound": [BACK], "action": "route", "outbound": open.as_deref().unwrap_or(DIRECT) }));
    }
    let gates = slots
        .iter()
        .map(|slot| json!({ "auth_user": [slot.slot.as_str()], "action": "route", "outbound": way(&slot.slot) }));
    let nobody = json!({ "auth_user": [NOBODY], "action": "route", "outbound": REFUSE });
    let all: Vec<Value> = back
        .into_iter()
        .chain(sorted.leading)
        .chain(sorted.in_front)
        .chain(gates)
        .chain(core::iter::once(nobody))
        .chain(sorted.behind)
        .collect();
    object(config, "route")?.insert("rules".into(), Value::Array(all));
    Ok(())
}

/// The digest of all that comes from the template and the agent's settings: `config` has no users of ours yet.
pub(in crate::cores) fn digest_of_template(
    template: &Template,
    config: &Map<String, Value>,
    relay: Option<RelayPorts>,
) -> String {
    let sorted = template.rules();
    let mut hash = Sha256::new();
    hash.update(b"weir/sing-box/template/1\n");
    hash.update(Value::Object(config.clone()).to_string());
    for rules in [sorted.leading, sorted.in_front, sorted.behind] {
        hash.update(Value::Array(rules).to_string());
    }
    if let Some(RelayPorts { relay, back }) = relay {
        hash.update(format!("\n{relay} {back}"));
    }
    cut(hash)
}

/// The digest of the slots and their credentials: `config` has the users in its inbounds.
pub(in crate::cores) fn digest_of_users(slots: &[&ConfiguredSlot], config: &Map<String, Value>) -> String {
    let mut hash = Sha256::new();
    hash.update(b"weir/sing-box/users/1\n");
    for inbound in list(config, "inbounds") {
        hash.update(inbound.get("users").unwrap_or(&Value::Null).to_string());
    }
    for slot in slots {
        hash.update(format!("\n{}", slot.slot));
    }
    cut(hash)
}

/// The first 64 bits in hex.
fn cut(hash: Sha256) -> String {
    hex::encode(hash.finalize().iter().take(8).copied().collect::<Vec<u8>>())
}

/// A file with the gates' states of these slots, and where the core that runs it keeps its choices; gates of other slots
/// are shut. `kernel`: routing marks are held to their speed. `None` when it is not a file of ours.
pub(super) fn with_gates(json: &[u8], slots: &[ConfiguredSlot], kernel: bool) -> Option<(Vec<u8>, Option<PathBuf>)> {
    let mut config: Map<String, Value> = serde_json::from_slice(json).ok()?;
    digest_of(&config)?;
    let ways: BTreeMap<&SlotName, Way> = slots.iter().map(|slot| (&slot.slot, slot.way())).collect();
    for outbound in config.get_mut("outbounds")?.as_array_mut()? {
        let Some(slot) = slot_of_gate(text(outbound, "tag")) else { continue };
        let members = outbound.get("outbounds").and_then(Value::as_array)?;
        let members: Vec<String> = members.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let member = starts_with(&members, ways.get(&slot).copied().unwrap_or_default(), kernel);
        outbound.as_object_mut()?.insert("default".into(), member.into());
    }
    let cache = config.get("experimental").and_then(|of| of.get("cache_file")).map(|of| text(of, "path"));
    let cache = cache.filter(|path| !path.is_empty()).map(PathBuf::from);
    Some((serde_json::to_vec(&config).ok()?, cache))
}

/// The member that a gate starts with: that of its way, unless a test takes that line out. A file of before may have no slow way.
fn starts_with(members: &[String], way: Way, kernel: bool) -> String {
    let way = if faults::lacks(Line::GateDefault) { way.max(Way::Open) } else { way };
    let all = members.iter().map(String::as_str);
    let member = |way| match way {
        Way::Slow => slow_member(all.clone(), kernel),
        _ => all.clone().find(|member| way_of(member) == way),
    };
    member(way).or_else(|| member(Way::Open).filter(|_| way.is_open())).unwrap_or(REFUSE).to_owned()
}

/// Where the core answers that was started with this file, as far as the file tells.
pub(super) fn target_of_file(json: &[u8]) -> Option<Target> {
    let config: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let api = list(&config, "services").iter().find(|service| text(service, "type") == "api")?;
    Target::of_service(api.as_object()?).ok()
}

/// The routing marks in a file, by slot.
pub(super) fn marks_of_file(json: &[u8]) -> BTreeMap<SlotName, u32> {
    let Ok(config) = serde_json::from_slice::<Map<String, Value>>(json) else { return BTreeMap::new() };
    list(&config, "outbounds").iter().filter_map(|outbound| marks::of_tag(text(outbound, "tag"))).collect()
}

/// The digest that a file states.
pub(super) fn digest_of_file(json: &[u8]) -> Option<String> {
    digest_of(&serde_json::from_slice(json).ok()?)
}

fn digest_of(config: &Map<String, Value>) -> Option<String> {
    list(config, "outbounds").iter().find_map(|of| stated_digest(text(of, "tag")).map(str::to_owned))
}

#[cfg(test)]
mod tests;
