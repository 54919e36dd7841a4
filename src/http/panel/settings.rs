//! The general settings.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::devices::Devices;
use crate::domain::notice::settings::Alerts;
use crate::domain::presentation::Presentation;
use crate::domain::settings::{Area, Backup, Retention};
use crate::domain::sharing::Sharing;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::{settings as variables, xpert};
use crate::store::settings::Named;
use crate::store::{settings, xpert_settings};
use crate::views::panel::{Section, Settings, SettingsFacts};

/// The areas of the page; the last is known by its being there.
const AREAS: [&str; 7] =
    [Presentation::NAME, Devices::NAME, Sharing::NAME, Alerts::NAME, Retention::NAME, Backup::NAME, "marzban"];

/// `GET /settings`, also HEAD
///
/// Queries: 3. Rows read: 2 for the session, 1 per area and 1 more per area that was set, and 1 for traffic through other servers.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("settings:read")?;
    let outcomes = call.db.batch(&[settings::of(AREAS), xpert_settings::read()]).await?;
    let [areas, xpert] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let areas: Vec<Named> = areas.rows()?;
    let xpert: xpert_settings::Row =
        xpert.rows()?.pop().ok_or_else(|| Failure::Broken("xpert_state has no row".into()))?;
    let profile = variables::profile(&call.env, None)?;
    let facts = SettingsFacts {
        presentation: area(&areas)?,
        stands_in: (profile.title, profile.update_hours, profile.support_url.unwrap_or_default()),
        devices: area(&areas)?,
        sharing: area(&areas)?,
        alerts: area(&areas)?,
        retention: area(&areas)?,
        backup: area(&areas)?,
        xpert: xpert::settings::in_force(call, &xpert.settings)?,
        xpert_set: read("xpert", &xpert.settings)?,
        marzban: areas.iter().any(|row| row.area == "marzban"),
        changes: visit.may("settings:write") && visit.may("nodes:write"),
    };
    page(&Settings::new(visit.shell(Section::Settings), &facts, &visit.say), 200)
}

/// An area as it stands.
fn area<A: Area + Default + DeserializeOwned>(rows: &[Named]) -> Result<A, Failure> {
    let row = rows.iter().find(|row| row.area == A::NAME);
    row.map_or_else(|| Ok(A::default()), |row| read(A::NAME, &row.value))
}

fn read<'a, T: Deserialize<'a>>(area: &str, text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Broken(format!("settings of {area}: {error}")))
}
