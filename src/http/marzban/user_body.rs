//! What Marzban's clients say of a user when they create and change him.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use weir_wire::{Bytes, Second};

use super::fields::Fields;
use super::user_json::NextPlanJson;
use crate::domain::limits::{Days, HoldSeconds};
use crate::domain::marzban::inbounds::Protocol;
use crate::domain::name::Note;
use crate::domain::period::Strategy;
use crate::domain::plan::NextValues;
use crate::http::failure::Failure;

/// Longest note, in characters.
const LONGEST_NOTE: usize = 500;
const VISION: &str = "xtls-rprx-vision";
/// The methods that Marzban knows.
pub(super) const METHODS: [&str; 3] = ["aes-128-gcm", "aes-256-gcm", "chacha20-ietf-poly1305"];

/// What is said of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proxy {
    /// A uuid or a password.
    pub(super) secret: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) method: Option<String>,
}

/// What a body may ask the status to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Active,
    Disabled,
    OnHold,
}

/// What is said of a user; what is missing or `null` is none.
#[expect(clippy::option_option, reason = "missing, cleared and a value are three different things here")]
pub(super) struct Said {
    pub(super) status: Option<Wanted>,
    /// None also if it has no protocol.
    pub(super) proxies: Option<BTreeMap<Protocol, Proxy>>,
    pub(super) inbounds: Option<BTreeMap<Protocol, Vec<String>>>,
    pub(super) expire: Option<Option<Second>>,
    /// 0 = unlimited.
    pub(super) data_limit: Option<Bytes>,
    pub(super) strategy: Option<Strategy>,
    pub(super) note: Option<Note>,
    /// 0 = none.
    pub(super) hold: Option<HoldSeconds>,
    pub(super) hold_until: Option<Option<Second>>,
    /// A negative number is never.
    pub(super) auto_delete: Option<Option<Days>>,
    /// `Some(None)` is an explicit `null`.
    pub(super) next_plan: Option<Option<NextPlan>>,
}

/// What is queued, as the store takes it.
#[derive(Clone, Copy, Serialize)]
pub(super) struct NextPlan {
    values: NextValues,
    add_remaining_traffic: bool,
    fire_on_either: bool,
}

impl NextPlan {
    /// Whether it is what is shown of something that is queued already.
    pub(super) fn is_as_shown(&self, shown: Option<&NextPlanJson>) -> bool {
        let own = NextPlanJson {
            data_limit: Some(self.values.data_limit).filter(|limit| !limit.is_zero()),
            expire: self.values.expire,
            add_remaining_traffic: self.add_remaining_traffic,
            fire_on_either: self.fire_on_either,
        };
        shown == Some(&own)
    }
}

impl Said {
    /// Reads a body. `is_new`: of a creation, which knows no disabled users.
    pub(super) fn read(fields: Fields<'_>, is_new: bool) -> Result<Self, Failure> {
        let said = Self {
            status: status(fields, is_new)?,
            proxies: proxies(fields)?.filter(|proxies| is_new || !proxies.is_empty()),
            inbounds: inbounds(fields)?,
            expire: fields.second("expire")?,
            data_limit: fields.bytes("data_limit")?,
            strategy: strategy(fields)?,
            note: note(fields)?,
            hold: hold(fields)?,
            hold_until: fields.instant("on_hold_timeout")?,
            auto_delete: auto_delete(fields)?,
            next_plan: next_plan(fields)?,
        };
        said.check_hold()?;
        Ok(said)
    }

    fn check_hold(&self) -> Result<(), Failure> {
        if self.status != Some(Wanted::OnHold) {
            return Ok(());
        }
        if self.hold.is_none_or(|seconds| seconds.get() == 0) {
            let rule = "Value error, User cannot be on hold without a valid on_hold_expire_duration.";
            return Err(Failure::invalid("status", rule));
        }
        if self.expire.flatten().is_some() {
            return Err(Failure::invalid("status", "Value error, User cannot be on hold with specified expire."));
        }
        Ok(())
    }
}

fn status(fields: Fields<'_>, is_new: bool) -> Result<Option<Wanted>, Failure> {
    let wanted = |name: &str| match name {
        "active" => Ok(Wanted::Active),
        "on_hold" => Ok(Wanted::OnHold),
        "disabled" if !is_new => Ok(Wanted::Disabled),
        _ if is_new => Err(Failure::invalid("status", "Input should be 'active' or 'on_hold'")),
        _ => Err(Failure::invalid("status", "Input should be 'active', 'disabled' or 'on_hold'")),
    };
    fields.text("status")?.map(wanted).transpose()
}

fn strategy(fields: Fields<'_>) -> Result<Option<Strategy>, Failure> {
    let name = "data_limit_reset_strategy";
    let named = |text: &str| match text {
        "no_reset" => Ok(Strategy::NoReset),
        "day" => Ok(Strategy::Day),
        "week" => Ok(Strategy::Week),
        "month" => Ok(Strategy::Month),
        "year" => Ok(Strategy::Year),
        _ => Err(Failure::invalid(name, "Input should be 'no_reset', 'day', 'week', 'month' or 'year'")),
    };
    fields.text(name)?.map(named).transpose()
}

fn note(fields: Fields<'_>) -> Result<Option<Note>, Failure> {
    let note = |text: &str| {
        if text.chars().count() > LONGEST_NOTE {
            return Err(Failure::invalid("note", "Value error, User's note can be a maximum of 500 character"));
        }
        // Clients of Windows end their lines by two characters.
        Note::try_from(text.replace("\r\n", "\n")).map_err(|rule| Failure::invalid("note", rule.0))
    };
    fields.text("note")?.map(note).transpose()
}

fn hold(fields: Fields<'_>) -> Result<Option<HoldSeconds>, Failure> {
    let name = "on_hold_expire_duration";
    let seconds = |number: i64| {
        let seconds = u32::try_from(number).ok().and_then(|number| HoldSeconds::try_from(number).ok());
        seconds.ok_or_else(|| Failure::invalid(name, "an integer of seconds from 0 to 3153600000"))
    };
    fields.integer(name)?.map(seconds).transpose()
}

#[expect(clippy::option_option, reason = "missing, never and a value are three different things here")]
fn auto_delete(fields: Fields<'_>) -> Result<Option<Option<Days>>, Failure> {
    let name = "auto_delete_in_days";
    let days = |number: i64| {
        if number < 0 {
            return Ok(None);
        }
        let days = u32::try_from(number).ok().and_then(|number| Days::try_from(number).ok());
        days.map(Some).ok_or_else(|| Failure::invalid(name, "an integer of days up to 36500; a negative one is never"))
    };
    fields.integer(name)?.map(days).transpose()
}

#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
fn next_plan(fields: Fields<'_>) -> Result<Option<Option<NextPlan>>, Failure> {
    let Some(next) = fields.object("next_plan")? else {
        return Ok(fields.0.contains_key("next_plan").then_some(None));
    };
    Ok(Some(Some(NextPlan {
        values: NextValues {
            data_limit: next.bytes("data_limit")?.unwrap_or_default(),
            expire: next.second("expire")?.flatten(),
        },
        add_remaining_traffic: next.flag("add_remaining_traffic", false)?,
        fire_on_either: next.flag("fire_on_either", true)?,
    })))
}

/// The protocols of an object, and what stands there.
fn by_protocol<'a>(fields: Fields<'a>, name: &str) -> Result<Option<Vec<(Protocol, &'a Value)>>, Failure> {
    let Some(object) = fields.object(name)? else { return Ok(None) };
    let known = |(key, value): (&'a String, &'a Value)| {
        let rule = "Input should be 'vmess', 'vless', 'trojan' or 'shadowsocks'";
        Ok((Protocol::named(key).ok_or_else(|| Failure::invalid(format!("{name}.{key}"), rule))?, value))
    };
    object.0.iter().map(known).collect::<Result<Vec<_>, Failure>>().map(Some)
}

fn proxies(fields: Fields<'_>) -> Result<Option<BTreeMap<Protocol, Proxy>>, Failure> {
    let Some(said) = by_protocol(fields, "proxies")? else { return Ok(None) };
    let proxy = |(protocol, value): (Protocol, &Value)| {
        let none = serde_json::Map::new();
        let settings = match value {
            Value::Null => Fields(&none),
            value => Fields(value.as_object().ok_or_else(|| {
                Failure::invalid(format!("proxies.{}", protocol.name()), "Input should be a valid dictionary")
            })?),
        };
        Ok((protocol, read_proxy(protocol, settings)?))
    };
    said.into_iter().map(proxy).collect::<Result<_, Failure>>().map(Some)
}

fn read_proxy(protocol: Protocol, settings: Fields<'_>) -> Result<Proxy, Failure> {
    let flow = || match settings.text("flow")? {
        Some(flow) if !flow.is_empty() && flow != VISION => {
            Err(Failure::invalid("flow", format!("Input should be '' or '{VISION}'")))
        }
        flow => Ok(flow.map(str::to_owned)),
    };
    let secret = |name| Ok::<_, Failure>(settings.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
    Ok(match protocol {
        Protocol::Vmess => Proxy { secret: id(settings)?, ..Proxy::default() },
        Protocol::Vless => Proxy { secret: id(settings)?, flow: flow()?, method: None },
        Protocol::Trojan => Proxy { secret: secret("password")?, flow: flow()?, method: None },
        Protocol::Shadowsocks => {
            Proxy { secret: secret("password")?, flow: None, method: settings.text("method")?.map(str::to_owned) }
        }
    })
}

/// A uuid in whatever form clients write one.
fn id(settings: Fields<'_>) -> Result<Option<String>, Failure> {
    let Some(text) = settings.text("id")? else { return Ok(None) };
    let plain =
        text.trim().trim_start_matches("urn:uuid:").trim_matches(['{', '}']).replace('-', "").to_ascii_lowercase();
    let parts = [plain.get(..8), plain.get(8..12), plain.get(12..16), plain.get(16..20), plain.get(20..)];
    let parts: Option<Vec<&str>> = parts.into_iter().collect();
    let is_hex = plain.len() == 32 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
    match parts.filter(|_| is_hex) {
        Some(parts) => Ok(Some(parts.join("-"))),
        None => Err(Failure::invalid("id", "Input should be a valid UUID")),
    }
}

fn inbounds(fields: Fields<'_>) -> Result<Option<BTreeMap<Protocol, Vec<String>>>, Failure> {
    let Some(said) = by_protocol(fields, "inbounds")? else { return Ok(None) };
    let tags = |(protocol, value): (Protocol, &Value)| {
        let rule = || Failure::invalid(format!("inbounds.{}", protocol.name()), "Input should be a valid list");
        let tags = match value {
            Value::Null => Vec::new(),
            Value::Array(tags) => {
                let texts = tags.iter().map(|tag| tag.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or_else(rule)?
            }
            _ => return Err(rule()),
        };
        Ok((protocol, tags))
    };
    said.into_iter().map(tags).collect::<Result<_, Failure>>().map(Some)
}
