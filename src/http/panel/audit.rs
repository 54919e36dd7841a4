//! The audit log, page by page.

use chrono::NaiveDate;
use weir_wire::Second;
use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::http::address::parameter;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::audit::{self as store, Below, Packed, Query};
use crate::views::panel::{AuditFilter, AuditPage, Section};

/// Entries on a page.
const PAGE: u32 = 50;
/// Beyond every number and every second.
const LAST: i64 = (1 << 53) - 1;

/// `GET /audit`, also HEAD
///
/// Query: `actor`, `action`, `subject`, `from`, `to` (days of the panel's time zone, both inclusive), `before` (a number). What makes no sense is
/// taken as not said. Queries: 3. Rows read: 2 for the session, those shown and 3; with a filter those of the window ([`store::WINDOW`]).
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("audit:read")?;
    let text = |name| parameter(request, name).unwrap_or_default().trim().chars().take(200).collect::<String>();
    let filter = AuditFilter {
        actor: text("actor"),
        action: text("action"),
        subject: text("subject"),
        from: day(&text("from")),
        to: day(&text("to")),
    };
    let midnight = |day: NaiveDate| visit.say.zone.midnight(day).get();
    let before = text("before").parse().ok().filter(|before| (1..=LAST).contains(before));
    let query = Query {
        before: before.unwrap_or(LAST),
        from: filter.from.map_or(0, midnight),
        to: filter.to.and_then(|day| day.succ_opt()).map_or(Second::LAST.get(), midnight),
        actor: filter.actor.clone(),
        action: filter.action.clone(),
        subject: filter.subject.clone(),
        limit: PAGE,
    };
    let outcomes = call.db.batch(&store::page(&query)).await?;
    let [rows, below] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let rows: Vec<_> = rows.rows::<Packed>()?.iter().map(Packed::unpack).collect();
    let next = query.next(&rows, below.rows::<Below>()?.pop());
    let shell = visit.shell(Section::Audit);
    page(&AuditPage::new(shell, filter, &rows, (before.is_some(), next), &visit.say), 200)
}

/// A day as forms write it.
fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| (1970..=9999).contains(&chrono::Datelike::year(day)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_forms_write_it_and_otherwise_not_said() {
        assert_eq!(day("2026-12-01"), NaiveDate::from_ymd_opt(2026, 12, 1));
        for odd in ["", "2026-13-01", "1.12.2026", "0001-01-01", "+12026-01-01"] {
            assert_eq!(day(odd), None, "{odd}");
        }
    }
}
