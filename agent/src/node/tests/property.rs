//! Whatever the order of bytes, time, answers, faults and crashes: what was counted is what was applied and what waits.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_wire::refusal::Code;
use weir_wire::{Bytes, SlotName};

use super::rig::{ALICE, BOBBY, Rig};
use crate::client::Failed;
use crate::ledger::Table;
use crate::outbox::parcel::Parcel;
use crate::testing::slot;

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Bytes on a connection that stays.
    Flow(&'static str, u64),
    /// Bytes on a connection that ends with them.
    Short(&'static str, u64),
    /// Milliseconds.
    Pass(u64),
    Ring,
    /// The panel answers what is under way.
    Answer,
    /// It applies it, and the answer is lost.
    LoseAnswer,
    /// It never arrives.
    LoseRequest,
    /// It arrives twice, and the second copy is answered.
    Double,
    Busy,
    DiskFails,
    DiskIsBack,
    /// The agent dies, and its connections outlive it.
    Crash,
    /// The agent looses the core's events for a moment and gets a whole list.
    List,
    /// The host sleeps.
    Suspend(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let user = || prop_oneof![Just(ALICE), Just(BOBBY)];
    prop_oneof![
        6 => (user(), 1..5_000_u64).prop_map(|(user, bytes)| Event::Flow(user, bytes)),
        2 => (user(), 1..5_000_u64).prop_map(|(user, bytes)| Event::Short(user, bytes)),
        4 => (1..40_u64).prop_map(|tenths| Event::Pass(tenths * 100)),
        1 => (100..900_u64).prop_map(|seconds| Event::Pass(seconds * 1_000)),
        2 => Just(Event::Ring),
        6 => Just(Event::Answer),
        1 => Just(Event::LoseAnswer),
        1 => Just(Event::LoseRequest),
        1 => Just(Event::Double),
        1 => Just(Event::Busy),
        1 => Just(Event::DiskFails),
        2 => Just(Event::DiskIsBack),
        2 => Just(Event::Crash),
        1 => Just(Event::List),
        1 => (1..900_u64).prop_map(|seconds| Event::Suspend(seconds * 1_000)),
    ]
}

/// A rig, and what its users have moved.
struct History {
    rig: Rig,
    moved: BTreeMap<SlotName, u64>,
    connections: u32,
}

impl History {
    fn new() -> Self {
        let mut rig = Rig::new();
        rig.panel.policy.report_bytes = Bytes::saturating(6_000);
        rig.panel.policy.floor = Bytes::mib(1);
        for user in [ALICE, BOBBY] {
            rig.panel.grants.insert(slot(user), 1 << 40);
        }
        rig.sync();
        Self { rig, moved: BTreeMap::new(), connections: 0 }
    }

    fn passed(&mut self, user: &str, bytes: u64, passed: bool) {
        if passed {
            *self.moved.entry(slot(user)).or_default() += bytes;
        }
    }

    fn happen(&mut self, event: Event) {
        let rig = &mut self.rig;
        match event {
            Event::Flow(user, bytes) => {
                let passed = rig.flow(user, bytes);
                self.passed(user, bytes, passed);
            }
            Event::Short(user, bytes) => {
                self.connections += 1;
                let passed = rig.flow_once(&format!("short {}", self.connections), user, bytes);
                self.passed(user, bytes, passed);
            }
            Event::Pass(millis) => rig.pass(millis),
            Event::Ring => {
                rig.node.ring();
                rig.settle();
            }
            Event::Answer => drop(rig.sync_if_sent()),
            Event::LoseAnswer => {
                if let Some(request) = rig.sent.take() {
                    let time = rig.panel_second();
                    let _ = rig.panel.answer(&request, time);
                    rig.fail(&Failed::Unreachable("the reply was lost".to_owned()));
                }
            }
            Event::LoseRequest => {
                if rig.sent.is_some() {
                    rig.fail(&Failed::Unreachable("connection refused".to_owned()));
                }
            }
            Event::Double => {
                if let Some(request) = rig.sent.clone() {
                    let time = rig.panel_second();
                    let _ = rig.panel.answer(&request, time);
                    rig.sync_if_sent();
                }
            }
            Event::Busy => {
                if rig.sent.is_some() {
                    rig.refuse_with(Code::Unavailable);
                }
            }
            Event::DiskFails => rig.disk_fails = true,
            Event::DiskIsBack => {
                rig.disk_fails = false;
                rig.pass(1_000);
            }
            Event::Crash => rig.crash(),
            Event::List => {
                rig.core.tell_all();
                rig.settle();
            }
            Event::Suspend(millis) => {
                rig.clock.suspended += millis;
                rig.clock.now = rig.clock.now.plus(millis);
                rig.clock.wall += i64::try_from(millis).unwrap();
                rig.tick();
            }
        }
    }

    /// Applied, in a parcel, in the report in flight, or uncut: every byte is in exactly one of these places.
    fn balance(&self) -> Result<(), TestCaseError> {
        let node = &self.rig.node;
        for (user, moved) in &self.moved {
            let applied = self.rig.panel.applied.get(user).copied().unwrap_or_default();
            let known = self.rig.panel.epochs.get(&node.outbox.epoch()).map_or(0, |epoch| epoch.digests.len());
            let in_flight = node.outbox.in_flight().filter(|report| report.seq > known as u64);
            let of_user = |of: &weir_wire::sync::Report| {
                let own = of.users.iter().filter(|usage| usage.slot == *user);
                own.map(|usage| usage.up.plus(usage.down).get()).sum::<u64>()
            };
            let in_flight: u64 = in_flight.map_or(0, of_user);
            let (up, down) = node.tally.count(user).unreported();
            let waiting = applied + in_flight + self.in_parcels(user) + up + down;
            prop_assert_eq!(waiting, *moved, "{}: {} applied", user, applied);
        }
        Ok(())
    }

    fn in_parcels(&self, user: &SlotName) -> u64 {
        let books = &self.rig.node.books;
        let mut parcels: BTreeMap<Vec<u8>, Option<Parcel>> = BTreeMap::new();
        for (key, parcel) in books.ledger.all(Table::Parcels).unwrap() {
            parcels.insert(key, Some(parcel));
        }
        // What a failed batch holds is under way to the ledger, and what the next one holds comes after it.
        for batch in books.failed.iter().chain([&books.batch]) {
            parcels.extend(batch.pending::<Parcel>(Table::Parcels));
        }
        let lines = parcels.into_values().flatten().flat_map(|parcel| parcel.users);
        lines.filter(|(slot, ..)| slot == user).map(|(_, up, down)| up + down).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 400, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn every_byte_is_in_exactly_one_place(events in prop::collection::vec(event(), 1..90)) {
        let mut history = History::new();
        for event in events {
            history.happen(event);
            history.balance()?;
        }
        // In the end everything arrives.
        history.rig.disk_fails = false;
        if history.rig.sent.is_some() {
            history.rig.fail(&Failed::Unreachable("the panel was restarted".to_owned()));
        }
        history.rig.pass(70_000);
        history.rig.node.leave(history.rig.clock.now);
        history.rig.sync_all();
        history.rig.pass(2_000);
        history.rig.sync_if_sent();
        history.balance()?;
        prop_assert_eq!(history.rig.unreported(), 0);
        prop_assert_eq!(&history.rig.panel.applied, &history.moved);
        prop_assert_eq!(history.rig.node.outbox.losses(), (0, 0, 0));
    }
}
