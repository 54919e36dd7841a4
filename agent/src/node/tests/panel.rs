//! A panel by the rules of the design, as plain values: one epoch row each, reports applied once, asks answered.

use std::collections::BTreeMap;

use weir_wire::address::{AddressKey, day};
use weir_wire::credential::SlotSecret;
use weir_wire::digest::report_digest;
use weir_wire::refusal::{Code, Refusal};
use weir_wire::roster::{Gate, RosterChange, RosterEntry, RosterVersion, Ways};
use weir_wire::sync::{InboundPlans, Limit, Policy, Report, SyncReply, SyncRequest};
use weir_wire::{Bytes, Epoch, Second, SlotName};

#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) digests: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) epochs: BTreeMap<Epoch, Ledger>,
    /// Bytes by slot.
    pub(crate) applied: BTreeMap<SlotName, u64>,
    pub(crate) reports: Vec<Report>,
    /// An ask of this slot is answered with its count and so much more; others get no answer.
    pub(crate) grants: BTreeMap<SlotName, u64>,
    /// An ask of this slot is answered with exactly this, whatever it states.
    pub(crate) limits: BTreeMap<SlotName, u64>,
    pub(crate) policy: Policy,
    pub(crate) deleted: bool,
    pub(crate) unknown: Bytes,
    roster: BTreeMap<SlotName, RosterEntry>,
    version: RosterVersion,
    /// Changed since the version was told.
    news: bool,
    /// The only one that has, if the next change names no more than that.
    touched: Option<SlotName>,
    /// Inbounds that are for some plans only, as every reply says.
    pub(crate) inbound_plans: Option<Vec<InboundPlans>>,
}

/// The secret of a slot, as this panel derives it.
pub(crate) fn secret(name: &str) -> SlotSecret {
    SlotSecret::derive(b"key", &name.parse().unwrap())
}

impl Panel {
    pub(crate) fn new() -> Self {
        Self {
            epochs: BTreeMap::new(),
            applied: BTreeMap::new(),
            reports: Vec::new(),
            grants: BTreeMap::new(),
            limits: BTreeMap::new(),
            policy: Policy::default(),
            deleted: false,
            unknown: Bytes::ZERO,
            roster: BTreeMap::new(),
            version: RosterVersion::NONE,
            news: false,
            touched: None,
            inbound_plans: None,
        }
    }

    /// Gives a user another plan.
    pub(crate) fn plan(&mut self, name: &str, plan: Option<&str>) {
        if let Some(entry) = self.roster.get_mut(&name.parse::<SlotName>().unwrap()) {
            entry.plan = plan.map(str::to_owned);
        }
        self.changed();
    }

    /// Chooses a user's ways in.
    pub(crate) fn ways(&mut self, name: &str, ways: Option<Ways>) {
        if let Some(entry) = self.roster.get_mut(&name.parse::<SlotName>().unwrap()) {
            entry.ways = ways;
        }
        self.changed();
    }

    /// What a user may have: bytes a second, devices, connections.
    pub(crate) fn allow(&mut self, name: &str, speed: u64, devices: u32, streams: u32) {
        if let Some(entry) = self.roster.get_mut(&name.parse::<SlotName>().unwrap()) {
            (entry.speed, entry.devices, entry.streams) = (Bytes::saturating(speed), devices, streams);
        }
        self.changed();
    }

    pub(crate) fn user(&mut self, name: &str, gate: Gate, until: Option<Second>) {
        let slot: SlotName = name.parse().unwrap();
        let secret = secret(name);
        let (speed, devices, streams) = (Bytes::ZERO, 0, 0);
        self.roster.insert(
            slot.clone(),
            RosterEntry { slot, secret, gate, until, speed, devices, streams, plan: None, ways: None, by_hand: None },
        );
        self.changed();
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.roster.remove(&name.parse::<SlotName>().unwrap());
        self.changed();
    }

    /// Makes the node ask for a user, as when another one starves.
    pub(crate) fn touch(&mut self, name: &str) {
        self.changed();
        self.touched = Some(name.parse().unwrap());
    }

    fn changed(&mut self) {
        self.touched = None;
        self.version = RosterVersion { number: self.version.number + 1, salt: 7 };
        self.news = true;
    }

    pub(crate) fn version(&self) -> RosterVersion {
        self.version
    }

    pub(crate) fn applied(&self, name: &str) -> u64 {
        self.applied.get(&name.parse::<SlotName>().unwrap()).copied().unwrap_or_default()
    }

    pub(crate) fn refusal(code: Code, seq: Option<u64>) -> Refusal {
        Refusal { code, message: format!("{code:?}"), field: None, seq }
    }

    /// Applies what a request brings, and says what a real panel would.
    pub(crate) fn answer(&mut self, request: &SyncRequest, time: Second) -> Result<SyncReply, Refusal> {
        let epoch = self.epochs.entry(request.epoch).or_default();
        if let Some(report) = &request.report {
            assert_eq!(report.digest, report_digest(request.epoch, report), "a report of this epoch");
            let last = epoch.digests.len() as u64;
            let skipped = request.skip.is_some_and(|skip| skip.from == last + 1 && skip.to == report.seq);
            if report.seq == last + 1 || skipped {
                epoch.digests.resize(usize::try_from(report.seq).unwrap() - 1, "lost".to_owned());
                epoch.digests.push(report.digest.clone());
                for usage in &report.users {
                    *self.applied.entry(usage.slot.clone()).or_default() += usage.up.plus(usage.down).get();
                }
                self.reports.push(report.clone());
            } else if report.seq > last {
                return Err(Self::refusal(Code::Expect, Some(last + 1)));
            } else if epoch.digests[usize::try_from(report.seq).unwrap() - 1] != report.digest {
                return Err(Self::refusal(Code::Fork, None));
            }
        }
        let ack = epoch.digests.len() as u64;
        let limits = if self.deleted { Vec::new() } else { self.limits(request) };
        let mut roster = (self.news || request.held != self.version).then(|| self.full());
        if let (Some(change), Some(slot)) = (&mut roster, self.touched.take()) {
            change.full = false;
            change.upserts.retain(|entry| entry.slot == slot);
        }
        self.news = false;
        let roster = roster.filter(|_| !self.deleted);
        let today = day(time);
        let address_key = request.address_day.filter(|held| *held != today).map(|_| AddressKey::derive(b"key", today));
        let (n, policy, deleted, unknown) = (request.n, self.policy, self.deleted, self.unknown);
        let inbound_plans = self.inbound_plans.clone();
        Ok(SyncReply { n, time, ack, policy, roster, limits, deleted, unknown, address_key, inbound_plans })
    }

    fn limits(&self, request: &SyncRequest) -> Vec<Limit> {
        let limit = |slot: &SlotName, count: Bytes| {
            let granted = self.grants.get(slot).map(|grant| count.get() + grant);
            self.limits.get(slot).copied().or(granted)
        };
        let asks = request.asks.iter();
        asks.filter_map(|ask| {
            let limit = Bytes::saturating(limit(&ask.slot, ask.count)?);
            let most = if request.gives_back.contains(&ask.slot) { ask.held.max(ask.count) } else { Bytes::MAX };
            let limit = limit.min(most);
            Some(Limit { slot: ask.slot.clone(), limit })
        })
        .collect()
    }

    fn full(&self) -> RosterChange {
        RosterChange {
            version: self.version,
            full: true,
            more: false,
            upserts: self.roster.values().cloned().collect(),
            removals: Vec::new(),
        }
    }
}
