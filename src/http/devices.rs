//! Devices told apart by `x-hwid`: who may come in, and what the answer says of it.

use worker::{Method, Request};

use super::call::Call;
use super::failure::Failure;
use crate::domain::devices::{Devices, Hwid, Seen, Verdict, judge, told};
use crate::domain::fetch::family;
use crate::store::devices as store;
use crate::store::fetch_log::{List, Opened};
use crate::store::users::User;

const ID: &str = "x-hwid";
const ACTIVE: &str = "x-hwid-active";
const NOT_SUPPORTED: &str = "x-hwid-not-supported";
const MAX_REACHED: &str = "x-hwid-max-devices-reached";
const LIMIT: &str = "x-hwid-limit";

/// What the database told of devices with the rest of a fetch.
pub(crate) struct Told {
    settings: Option<String>,
    seen: Option<String>,
}

impl Told {
    /// Of a fetch of a subscription.
    pub(crate) fn of(opened: &Opened) -> Self {
        Self { settings: opened.device_settings.clone(), seen: opened.devices.clone() }
    }

    /// Of a fetch of a list.
    pub(crate) fn of_list(list: &List) -> Self {
        Self { settings: list.device_settings.clone(), seen: list.devices.clone() }
    }
}

/// What follows for an answer.
#[derive(Default)]
pub(crate) struct Admission {
    /// Why the client gets no links, if it gets none.
    pub(crate) reason: Option<String>,
    /// Headers of the answer that say `true`.
    pub(crate) signs: Vec<&'static str>,
}

/// Whether the client says which device it is on.
pub(crate) fn has_id(request: &Request) -> bool {
    id_of(request).is_some()
}

fn id_of(request: &Request) -> Option<Hwid> {
    Hwid::read(request.headers().get(ID).ok().flatten()?.trim())
}

/// Judges the device of a fetch: enters it, notes that it was seen, or says why it gets no list. Not asked for a user who may not
/// pass anyway: he has no device entered. HEAD fetches nothing.
///
/// While devices are not told apart it costs nothing. Otherwise rows read: 1 per device of the user, twice for a new one; rows
/// written: 1 for a new device, and for one that was last noted an hour ago or more.
pub(crate) async fn admit(request: &Request, call: &Call, user: &User, told: &Told) -> Result<Admission, Failure> {
    let Some(text) = &told.settings else { return Ok(Admission::default()) };
    let settings: Devices =
        serde_json::from_str(text).map_err(|error| Failure::Broken(format!("settings of devices: {error}")))?;
    if !settings.enabled {
        return Ok(Admission::default());
    }
    let limit = user.hwid_limit.unwrap_or(settings.limit);
    let hash = match id_of(request) {
        Some(id) => Some(id.hash(&call.secret("AUTH_KEY")?, user.id)),
        None => None,
    };
    let seen: Vec<Seen> = serde_json::from_str(told.seen.as_deref().unwrap_or("[]"))
        .map_err(|error| Failure::Broken(format!("devices: {error}")))?;
    let mut verdict = judge(&settings, limit, hash.as_deref(), &seen, call.now);
    if let (Some(hash), true) = (&hash, request.method() == Method::Get) {
        let is_noted = note(request, call, user.id, hash, verdict).await?;
        // Somebody else has taken the last place since the devices were read.
        if limit > 0 && !is_noted {
            verdict = Verdict::TooMany;
        }
    }
    Ok(match verdict {
        Verdict::TooMany => Admission {
            reason: Some(format!("Too many devices, {limit} at most")),
            signs: vec![ACTIVE, MAX_REACHED, LIMIT],
        },
        // Clients take this sign for a refusal, so it stands where there is one.
        Verdict::Refused => Admission {
            reason: Some("This app does not say which device it is on".to_owned()),
            signs: vec![ACTIVE, NOT_SUPPORTED, LIMIT],
        },
        Verdict::Known | Verdict::Again | Verdict::New(_) | Verdict::Nameless => {
            Admission { reason: None, signs: vec![ACTIVE] }
        }
    })
}

/// Writes down what a verdict asks for; `false` if a new device found no room.
async fn note(request: &Request, call: &Call, user: i64, hash: &str, verdict: Verdict) -> Result<bool, Failure> {
    let header = |name: &str| told(request.headers().get(name).ok().flatten().as_deref());
    let (os, os_version, model) = (header("x-device-os"), header("x-ver-os"), header("x-device-model"));
    let client = family(&request.headers().get("user-agent")?.unwrap_or_default());
    let device = store::Told { id: hash, os: &os, os_version: &os_version, model: &model, client: &client };
    match verdict {
        Verdict::New(most) => Ok(call.db.run(store::enter(user, &device, most, call.now)).await?.changes() > 0),
        Verdict::Again => {
            call.db.run(store::again(user, &device, call.now)).await?;
            Ok(true)
        }
        _ => Ok(true),
    }
}
