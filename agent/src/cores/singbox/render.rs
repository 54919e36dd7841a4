//! From the operator's template and the slots to the file that sing-box reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use weir_wire::SlotName;

use super::api::Target;
use super::gate::{DIRECT, REFUSE, gate_tag, relay_tag, starts_with, stating_tag};
use super::settings::Settings;
use super::template::Template;
use super::{digest, marks, validate};
use crate::cores::host_secret::HostSecret;
use crate::cores::json::{array, list, object, text};
use crate::cores::template::wrong;
use crate::cores::{BACK, ConfiguredSlot, CoreError, NOBODY, RelayPlan, RelayPorts};

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
    let mut of_template = digest::of_template(template, &config, additions.relay);
    if model.is_some() {
        of_template = marks::digest(&of_template);
    }
    inbounds(template, &mut config, &slots, additions)?;
    let digest = format!("{of_template}-{}", digest::of_users(&slots, &config));
    outbounds(template, &mut config, &slots, (&digest, model.as_ref()), additions)?;
    rules(template, &mut config, &slots, additions, gate_tag)?;
    let config = Value::Object(config);
    validate::validate(&config)?;
    let json = serde_json::to_vec(&config).map_err(|why| CoreError::Config(why.to_string()))?;
    Ok(Rendered { json, digest, target, cache_file })
}

/// The same of the template that the settings name. `kernel`: routing marks are held to their speed.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule.
pub(super) fn of_settings(
    settings: &Settings,
    secret: &HostSecret,
    slots: &[ConfiguredSlot],
    kernel: bool,
) -> Result<Rendered, CoreError> {
    let template = Template::read(&settings.template)?;
    let Settings { api_port, cache_file, relay, marks, .. } = settings;
    let additions =
        Additions { secret, api_port: *api_port, cache_file, relay: *relay, marks: *marks && relay.is_some(), kernel };
    render(&template, slots, &additions)
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
    outbounds.push(json!({ "type": "selector", "tag": stating_tag(digest), "outbounds": [REFUSE] }));
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

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
