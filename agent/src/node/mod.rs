//! The node: everything that the agent knows, and what follows from each event.
//!
//! No I/O happens here but reads of the ledger: what has to be done is told as [`Command`]s, what has to be kept goes
//! into the next batch, and what has to be sent comes out of [`Node::advance`]. So every rule can be tested with plain
//! values, and the one task that runs it never waits.

mod bringing;
mod command;
mod ending;
mod explain;
mod file;
mod flow;
mod gating;
mod parts;
pub(crate) mod reply;
mod saving;
mod schedule;
pub(crate) mod status;
mod template;
#[cfg(test)]
mod tests;
mod trouble;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use weir_wire::pace;
use weir_wire::roster::RosterEntry;
use weir_wire::sync::{Inbound, Policy};
use weir_wire::{Epoch, Second, SlotName};

pub(crate) use self::command::{Command, Step};
use self::ending::{CatchUp, Ending};
use self::parts::{Books, Bringing, CoreFile, CoreSeen, Phase, Talk, TemplateSeen};
use self::trouble::Troubles;
use crate::addresses::Addresses;
use crate::clock::{BootId, Moment, PanelClock, Reading};
use crate::config::OnPanelLoss;
use crate::cores::Traits;
use crate::doors::Doors;
use crate::gate::Gates;
use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};
use crate::limiter::Limiter;
use crate::loading::Loading;
use crate::outbox::parcel::Stamp;
use crate::outbox::{Nobodys, Outbox};
use crate::presence::{Allowance, Presence};
use crate::rate::Rates;
use crate::roster::Roster;
use crate::tally::Tally;

const CLOCK: &str = "clock";
const POLICY: &str = "policy";
const NUMBER: &str = "n";
const SAVED: &str = "saved";
const DELETED: &str = "deleted";

/// How a trouble begins that the kernel does not hold speed limits.
pub(crate) const POLICE: &str = "speed limits are held by the relay, not by nft";

/// The tick at rest, and while somebody is near his limit.
const SLOW: Duration = Duration::from_millis(pace::SLOW_TICK);
const FAST: Duration = Duration::from_millis(pace::FAST_TICK);

/// The settings that rules depend on.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// At a user's limit while the panel is away.
    pub(crate) on_panel_loss: OnPanelLoss,
    /// Least distance of two reloads in milliseconds.
    pub(crate) reload_every: u64,
    /// Tags of the inbounds that stand behind a proxy.
    pub(crate) behind_proxy: Vec<String>,
    /// The core's.
    pub(crate) core: Traits,
    /// Users with a speed limit go through the relay.
    pub(crate) relay: bool,
}

/// What a slot's user may have at once.
const fn allowance(entry: &RosterEntry) -> Allowance {
    Allowance { devices: entry.devices, streams: entry.streams }
}

/// Everything that the agent knows.
pub(crate) struct Node {
    rules: Rules,
    books: Books,
    clock: PanelClock,
    tally: Tally,
    outbox: Outbox,
    roster: Roster,
    limiter: Limiter,
    gates: Gates,
    addresses: Addresses,
    doors: Doors,
    presence: Presence,
    loading: Loading,
    rates: Rates,
    policy: Policy,
    /// The number of the last sync.
    n: u64,
    phase: Phase,
    talk: Talk,
    core: CoreSeen,
    bringing: Bringing,
    /// When each slot last moved bytes, of a core that tells no connections.
    active: BTreeMap<SlotName, Moment>,
    /// What was on its way between two looks when the core went away.
    at_risk: Option<u64>,
    commands: Vec<Command>,
    /// Slots that are in no roster any more and still have bytes or connections.
    departed: BTreeSet<SlotName>,
    /// When each slot's oldest unreported byte was counted.
    unreported: BTreeMap<SlotName, Moment>,
    /// Slots that moved bytes since the last tick.
    moving: BTreeSet<SlotName>,
    started: Moment,
    ticked: Moment,
    tick: Duration,
    fast_until: Moment,
    looked_at_all: Moment,
    looked_at_quarter: Moment,
    next_end: Option<Second>,
    /// Parcels that were made before may have been reported by a copy of this ledger that has gone on.
    since: Moment,
    catch_up: CatchUp,
    /// For how many milliseconds of this boot the host was suspended, when that was looked at last.
    suspended: u64,
    /// The epoch must end before the next report.
    ending: Option<Ending>,
    file: CoreFile,
    /// The panel has deleted this node.
    deleted: bool,
    /// Inbounds that the panel has not been told.
    inbounds: Option<Vec<Inbound>>,
    inbounds_told: Option<Vec<Inbound>>,
    bypasses: Vec<String>,
    template: TemplateSeen,
    troubles: Troubles,
    /// When the agent was asked to end.
    leaving: Option<Moment>,
    /// The core's own totals without what it has twice, and what they were when the panel was last told.
    totals: (u64, u64),
    totals_told: ((u64, u64), Moment),
}

impl Node {
    /// Reads what the ledger holds; a new ledger gets `fresh` as its epoch.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn load(
        ledger: Ledger,
        rules: Rules,
        boot: &BootId,
        reading: Reading,
        fresh: Epoch,
    ) -> Result<Self, LedgerError> {
        let mut batch = Batch::default();
        let stored: Option<PanelClock> = ledger.get(Table::Meta, CLOCK.as_bytes())?;
        let same_boot = stored.as_ref().is_some_and(|stored| stored.boot == *boot);
        let clock = PanelClock::resume(stored.as_ref(), boot, reading);
        put_meta(&mut batch, CLOCK, &clock);
        let mut tally = Tally::load(&ledger)?;
        let mut outbox = Outbox::load(&ledger, fresh)?;
        let mut saved: Option<Stamp> = ledger.get(Table::Meta, SAVED.as_bytes())?;
        if let Some(before) = stored.as_ref().filter(|_| !same_boot) {
            outbox.fix_stamps(&ledger, before, &mut batch)?;
            saved = saved.map(|stamp| stamp.fixed(before));
        }
        // What an earlier process has counted flowed before its last save, not now.
        let counted: Vec<_> = tally.counts().map(|(slot, _)| slot.clone()).collect();
        outbox.cut(&mut tally, counted.clone(), saved.unwrap_or(Stamp::Boot(reading.now)), None, &mut batch);
        let roster = Roster::load(&ledger)?;
        let departed = counted.into_iter().filter(|slot| roster.get(slot).is_none()).collect();
        let mut node = Self {
            addresses: Addresses::new(rules.behind_proxy.iter().cloned()),
            clock,
            tally,
            outbox,
            departed,
            limiter: Limiter::load(&ledger, same_boot)?,
            doors: Doors::load(&ledger)?,
            presence: Presence::default(),
            loading: Loading::load(&ledger, rules.reload_every)?,
            rules,
            policy: ledger.get(Table::Meta, POLICY.as_bytes())?.unwrap_or_default(),
            n: ledger.get(Table::Meta, NUMBER.as_bytes())?.unwrap_or_default(),
            deleted: ledger.get(Table::Meta, DELETED.as_bytes())?.unwrap_or_default(),
            books: Books {
                ledger,
                batch,
                failed: None,
                durable: roster.version(),
                taken: roster.version(),
                again: Moment::default(),
            },
            roster,
            gates: Gates::default(),
            rates: Rates::default(),
            phase: Phase::Idle,
            talk: Talk::default(),
            core: CoreSeen::default(),
            bringing: Bringing::default(),
            active: BTreeMap::new(),
            at_risk: None,
            commands: Vec::new(),
            unreported: BTreeMap::new(),
            moving: BTreeSet::new(),
            started: reading.now,
            ticked: reading.now,
            tick: SLOW,
            fast_until: Moment::default(),
            looked_at_all: reading.now,
            looked_at_quarter: reading.now,
            next_end: None,
            since: reading.now,
            catch_up: CatchUp::FirstList,
            suspended: reading.suspended,
            ending: None,
            file: CoreFile::default(),
            inbounds: None,
            inbounds_told: None,
            bypasses: Vec::new(),
            template: TemplateSeen::Never,
            troubles: Troubles::default(),
            leaving: None,
            totals: (0, 0),
            totals_told: ((0, 0), reading.now),
        };
        node.tell_speeds();
        // Every gate is news to this process, so the core's file is written: an earlier one may have ended before that.
        node.decide_all(reading.now);
        Ok(node)
    }

    /// What the core must be told.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        core::mem::take(&mut self.commands)
    }

    /// The distance of ticks now.
    #[must_use]
    pub(crate) const fn tick_length(&self) -> Duration {
        if self.presence.is_waiting() { FAST } else { self.tick }
    }

    /// The incarnation of the core that was counted last.
    #[must_use]
    pub(crate) const fn incarnation(&self) -> Option<i64> {
        self.tally.incarnation()
    }

    fn nobodys(&self) -> Nobodys {
        Nobodys { unattributed: self.tally.unattributed(), foreign: self.tally.foreign() }
    }

    fn is_ours(&self, slot: &SlotName) -> bool {
        self.roster.get(slot).is_some() || self.departed.contains(slot)
    }

    /// The panel has not answered for a while.
    #[must_use]
    const fn is_panel_lost(&self) -> bool {
        self.talk.failures >= 3
    }
}
