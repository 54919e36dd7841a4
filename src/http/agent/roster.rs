//! What of the roster a node lacks.

use weir_wire::Second;
use weir_wire::SlotName;
use weir_wire::credential::SlotSecret;
use weir_wire::roster::{Gate, PAGE, RosterChange, RosterEntry, RosterVersion};
use weir_wire::sync::SyncRequest;
use worker::console_error;

use crate::domain::credentials::by_hand;
use crate::domain::marzban::choice::Choice;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::epochs::Caller;
use crate::store::slots::{self, EntryRow};

/// The change that brings the node up to date; none when it is. An unknown version, and a delta longer than a page, get
/// the full list in pages.
pub(super) async fn change(call: &Call, caller: &Caller, sync: &SyncRequest) -> Result<Option<RosterChange>, Failure> {
    let newest = RosterVersion { number: caller.roster_number, salt: caller.roster_salt };
    let is_known = |version: RosterVersion| caller.held_salt == Some(version.salt);
    if let Some(cursor) = sync.roster_after.as_ref().filter(|cursor| is_known(cursor.version)) {
        return page(call, cursor.version, Some(&cursor.after)).await.map(Some);
    }
    if sync.roster_after.is_some() || !is_known(sync.held) {
        return page(call, newest, None).await.map(Some);
    }
    // The version in the reply was read before the slots: a change in between is sent again next time, never lost.
    // A report of this very sync may have moved gates, so the slots are looked at even when the version was the newest.
    if sync.held == newest && sync.report.is_none() {
        return Ok(None);
    }
    let rows: Vec<EntryRow> = call.db.all(slots::changed_since(sync.held)).await?;
    if rows.len() > PAGE {
        return page(call, newest, None).await.map(Some);
    }
    if rows.is_empty() && sync.held == newest {
        return Ok(None);
    }
    let keys = Keys::of(call, &rows)?;
    let mut change = RosterChange { version: newest, full: false, more: false, upserts: vec![], removals: vec![] };
    for row in rows {
        match keys.entry(row)? {
            Ok(entry) => change.upserts.push(entry),
            Err(slot) => change.removals.push(slot),
        }
    }
    Ok(Some(change))
}

async fn page(call: &Call, version: RosterVersion, after: Option<&SlotName>) -> Result<RosterChange, Failure> {
    let mut rows: Vec<EntryRow> = call.db.all(slots::page_after(after)).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let keys = Keys::of(call, &rows)?;
    let upserts = rows.into_iter().map(|row| keys.entry(row)).filter_map(|entry| match entry {
        Ok(Ok(entry)) => Some(Ok(entry)),
        Ok(Err(_)) => None,
        Err(failure) => Some(Err(failure)),
    });
    Ok(RosterChange { version, full: true, more, upserts: upserts.collect::<Result<_, _>>()?, removals: vec![] })
}

/// What credentials are made from.
struct Keys {
    slots: Vec<u8>,
    /// Only where credentials were set by hand.
    credentials: Option<Vec<u8>>,
}

impl Keys {
    fn of(call: &Call, rows: &[EntryRow]) -> Result<Self, Failure> {
        let by_hand = rows.iter().any(|row| row.credentials.is_some());
        let credentials = by_hand.then(|| call.secret("CREDENTIAL_KEY")).transpose()?;
        Ok(Self { slots: call.secret("SLOT_KEY")?, credentials })
    }

    /// A roster entry, or the name of a slot that is gone.
    fn entry(&self, row: EntryRow) -> Result<Result<RosterEntry, SlotName>, Failure> {
        let gate = match row.gate.as_str() {
            "retired" => return Ok(Err(row.name)),
            "open" => Gate::Open,
            "vacant" => Gate::Vacant,
            "month" => Gate::Month,
            "total" => Gate::Total,
            "expired" => Gate::Expired,
            // An agent does the same for both, and need not know why.
            "disabled" | "sharing" => Gate::Disabled,
            other => return Err(Failure::Broken(format!("slot {} has the unknown gate {other}", row.name))),
        };
        let by_hand = by_hand(self.credentials.as_deref(), &row.name, row.credentials.as_deref());
        if by_hand.is_none() && row.credentials.is_some() {
            console_error!("slot {}: its credentials were sealed under another CREDENTIAL_KEY", row.name);
        }
        Ok(Ok(RosterEntry {
            secret: SlotSecret::derive(&self.slots, &row.name),
            slot: row.name,
            gate,
            until: row.until.map(Second::clamped),
            speed: row.speed,
            devices: row.devices,
            streams: row.streams,
            plan: row.plan,
            ways: Choice::stored(row.marzban.as_deref()).map(|choice| choice.ways()),
            by_hand,
        }))
    }
}
