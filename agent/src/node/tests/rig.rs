//! A node with everything around it: the scripted core, the model of the panel, a ledger on disk, and a clock that
//! stands until it is moved. It does what the task in `run.rs` does, in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::mpsc::unbounded_channel;
use weir_wire::roster::Gate;
use weir_wire::sync::{Report, SyncRequest};
use weir_wire::{Bytes, Epoch, Second, SlotName};

use super::core::ScriptedCore;
use super::panel::Panel;
use crate::clock::{BootId, Moment, Reading};
use crate::config::OnPanelLoss;
use crate::cores::{Core, ways_of};
use crate::ledger::{Batch, Ledger, LedgerError};
use crate::node::reply::Dice;
use crate::node::{Command, Node, Rules, Step, status};
use crate::testing::{folder_in_memory, slot};

/// What a slot may pass without an answer.
pub(super) const FLOOR: u64 = 1_000;
/// The panel's clock when the host's begins: ten seconds into a quarter-hour.
const BEGIN: i64 = 1_800_000_010;
pub(super) const ALICE: &str = "alice";
pub(super) const BOBBY: &str = "bobby";

pub(super) fn total(report: &Report) -> u64 {
    report.users.iter().map(|usage| usage.up.plus(usage.down).get()).sum()
}

pub(super) struct Rig {
    pub(super) node: Node,
    pub(super) core: Arc<ScriptedCore>,
    pub(super) panel: Panel,
    /// The host's clocks.
    pub(super) clock: Reading,
    /// By how many milliseconds the panel's clock has run on while the host stood still.
    pub(super) stood_still: i64,
    /// What is under way to the panel.
    pub(super) sent: Option<SyncRequest>,
    pub(super) disk_fails: bool,
    pub(super) commits: usize,
    /// What the relay was told.
    pub(super) speeds: BTreeMap<SlotName, u64>,
    rules: Rules,
    boot: BootId,
    ledger: Ledger,
    epochs: u64,
    folder: tempfile::TempDir,
}

impl Rig {
    /// A node whose roster has alice and bobby, both open, whose core runs with them, and who has heard the panel.
    pub(super) fn new() -> Self {
        let mut rig = Self::bare();
        rig.panel.user(ALICE, Gate::Open, None);
        rig.panel.user(BOBBY, Gate::Open, None);
        rig.sync();
        // The core does not run: the node writes its file and starts it.
        rig.core.kill();
        rig.pass(2_000);
        assert!(rig.core.is_open(ALICE) && rig.core.is_open(BOBBY));
        rig.sync_if_sent();
        rig
    }

    /// The same, whose users may pass as much as they like, and have passed a byte each.
    pub(super) fn generous() -> Self {
        let mut rig = Self::new();
        for user in [ALICE, BOBBY] {
            rig.panel.grants.insert(slot(user), 1 << 40);
        }
        rig.flow(ALICE, 1);
        rig.flow(BOBBY, 1);
        rig.sync_all();
        rig
    }

    /// The same beside a core that counts users, not connections, and takes them live; it runs already, with nobody in it.
    pub(super) fn live() -> Self {
        let mut rig = Self::bare_beside(Arc::new(ScriptedCore::live()));
        for user in [ALICE, BOBBY] {
            rig.panel.user(user, Gate::Open, None);
            rig.panel.grants.insert(slot(user), 1 << 40);
        }
        rig.core.start();
        rig.sync();
        rig.pass_answered(2_000);
        assert!(rig.core.is_open(ALICE) && rig.core.is_open(BOBBY));
        for user in [ALICE, BOBBY] {
            rig.moved(user, 1, 0);
        }
        rig.sync_all();
        rig
    }

    /// A user moves bytes, and the core is read.
    pub(super) fn moved(&mut self, user: &str, up: u64, down: u64) {
        self.core.move_bytes(user, up, down);
        self.core.read();
        self.settle();
    }

    /// A node that has heard nobody yet.
    pub(super) fn bare() -> Self {
        Self::bare_beside(Arc::default())
    }

    fn bare_beside(core: Arc<ScriptedCore>) -> Self {
        let folder = folder_in_memory();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let clock = Reading { now: Moment::from_millis(1_000_000), wall: 5_000_000, suspended: 0 };
        let rules = Rules {
            on_panel_loss: OnPanelLoss::Hold,
            reload_every: 600_000,
            behind_proxy: Vec::new(),
            core: core.traits(),
            relay: true,
        };
        let boot = BootId("a boot".to_owned());
        let node = Node::load(ledger.clone(), rules.clone(), &boot, clock, Epoch::from_random(1)).unwrap();
        let mut panel = Panel::new();
        panel.policy.floor = Bytes::saturating(FLOOR);
        Self {
            node,
            core,
            panel,
            clock,
            stood_still: 0,
            sent: None,
            disk_fails: false,
            commits: 0,
            speeds: BTreeMap::new(),
            rules,
            boot,
            ledger,
            epochs: 1,
            folder,
        }
    }

    /// The panel's clock.
    pub(super) fn panel_millis(&self) -> i64 {
        let passed = self.clock.now.since(Moment::from_millis(1_000_000));
        BEGIN * 1_000 + i64::try_from(passed).unwrap() + self.stood_still
    }

    pub(super) fn panel_second(&self) -> Second {
        Second::clamped(self.panel_millis() / 1_000)
    }

    pub(super) fn dice(&mut self) -> Dice {
        self.epochs += 1;
        Dice { jitter: 0, epoch: Epoch::from_random(self.epochs) }
    }

    /// Lets time pass, tick by tick, without any answer from the panel.
    pub(super) fn pass(&mut self, millis: u64) {
        let end = self.clock.now.plus(millis);
        while self.clock.now < end {
            let tick = u64::try_from(self.node.tick_length().as_millis()).unwrap();
            let step = tick.min(end.since(self.clock.now));
            self.clock.now = self.clock.now.plus(step);
            self.clock.wall += i64::try_from(step).unwrap();
            self.tick();
        }
    }

    /// Lets time pass with whatever the panel answers.
    pub(super) fn pass_answered(&mut self, millis: u64) {
        self.sync_if_sent();
        self.pass(millis);
        self.sync_if_sent();
    }

    /// One tick, now.
    pub(super) fn tick(&mut self) {
        self.node.tick(self.clock);
        self.save_if_unsaved();
        self.settle();
    }

    fn save_if_unsaved(&mut self) {
        if self.node.is_unsaved() {
            self.save();
        }
    }

    fn save(&mut self) {
        let batch = self.node.take_batch(self.clock.now);
        let outcome = self.commit(batch);
        self.node.saved(outcome, self.clock.now);
    }

    fn commit(&mut self, batch: Batch) -> Result<(), (LedgerError, Batch)> {
        if self.disk_fails {
            return Err((LedgerError::Disk("no space left on device".to_owned()), batch));
        }
        self.commits += 1;
        self.ledger.commit_now(&batch).map_err(|error| (error, batch))
    }

    /// Everything that follows from what has happened, until something must come from outside.
    pub(super) fn settle(&mut self) {
        loop {
            let (sender, mut events) = unbounded_channel();
            self.core.watch(sender).now_or_never().unwrap();
            let mut still = true;
            while let Ok(event) = events.try_recv() {
                still = false;
                self.node.core_event(event, self.clock.now);
            }
            for command in self.node.commands() {
                still = false;
                self.command(command);
            }
            match self.node.advance(self.clock) {
                Step::Rest if still => return,
                Step::Rest => {}
                Step::Save => self.save(),
                Step::Send(request) => {
                    assert!(self.sent.is_none(), "one sync at a time");
                    self.sent = Some(*request);
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        let (core, now) = (Arc::clone(&self.core), self.clock.now);
        let told = "a scripted core never waits";
        match command {
            Command::SetTick(tick) => core.set_tick(tick),
            Command::SetGate { slot, way } => {
                let outcome = core.set_way(&slot, way).now_or_never().expect(told);
                self.node.gate_set(&slot, way, &outcome, now);
            }
            Command::SetSpeed { slot, speed } => drop(self.speeds.insert(slot, speed)),
            Command::ForgetSpeed { slot } => drop(self.speeds.remove(&slot)),
            Command::Close { id } => drop(core.close(&id).now_or_never().expect(told)),
            Command::AskGates => {
                let outcome = core.ways().now_or_never().expect(told);
                self.node.gates_told(outcome, now);
            }
            Command::Bring { slots } => {
                let outcome = core.bring(&slots).now_or_never().expect(told);
                self.node.gates_told(outcome.map(ways_of), now);
            }
            Command::Write { slots, forget, renew } => {
                let writing = if renew { core.renew(&slots, forget) } else { core.write(&slots, forget) };
                let outcome = writing.now_or_never().expect(told);
                self.node.written(forget, outcome, now);
            }
            Command::Reload { slots } => {
                let outcome = core.reload(&slots, Box::pin(async {})).now_or_never().expect(told);
                // The real one tells its end before the outcome of the command comes back.
                let (sender, mut events) = unbounded_channel();
                core.watch(sender).now_or_never().unwrap();
                while let Ok(event) = events.try_recv() {
                    self.node.core_event(event, now);
                }
                self.node.reloaded(&outcome, now);
            }
        }
    }

    /// Moves bytes from a user's client.
    pub(super) fn flow(&mut self, user: &str, bytes: u64) -> bool {
        self.flow_on(&format!("{user} 1"), user, bytes)
    }

    /// Moves bytes on one connection of a user.
    pub(super) fn flow_on(&mut self, id: &str, user: &str, bytes: u64) -> bool {
        let passed = self.core.flow(id, user, bytes, 0);
        self.settle();
        passed
    }

    /// Moves bytes on a connection of its own, which ends.
    pub(super) fn flow_once(&mut self, id: &str, user: &str, bytes: u64) -> bool {
        let passed = self.core.flow(id, user, bytes, 0);
        self.core.end(id);
        self.settle();
        passed
    }

    /// The process dies, with what the ledger lacks, and begins anew. A reply under way is lost.
    pub(super) fn crash(&mut self) {
        self.sent = None;
        self.epochs += 1;
        let fresh = Epoch::from_random(self.epochs);
        self.node = Node::load(self.ledger.clone(), self.rules.clone(), &self.boot, self.clock, fresh).unwrap();
        self.core.tell_all();
        self.settle();
    }

    /// The host boots again: another boot, whose clock begins anew.
    pub(super) fn boot(&mut self, name: &str) {
        self.boot = BootId(name.to_owned());
        self.crash();
    }

    pub(super) fn rules(&mut self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules);
        self.crash();
    }

    /// A copy of the ledger as it is on disk.
    pub(super) fn copy_ledger(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("ledger")).unwrap()
    }

    /// The host's disk is put back, and the agent starts with it.
    pub(super) fn put_ledger_back(&mut self, copy: &[u8]) {
        let path = self.folder.path().join("put back");
        std::fs::write(&path, copy).unwrap();
        self.ledger = Ledger::open(&path).unwrap();
        self.crash();
    }

    /// The agent begins anew, with a ledger that knows nothing.
    pub(super) fn new_ledger(&mut self) {
        self.ledger = Ledger::open(&self.folder.path().join("new ledger")).unwrap();
        self.crash();
    }

    /// What the status file says.
    pub(super) fn report(&self) -> status::Report {
        self.node.report(self.clock, "", "")
    }

    /// What it says is wrong.
    pub(super) fn trouble(&self) -> String {
        self.report().troubles.join("\n")
    }

    pub(super) fn count(&self, user: &str) -> u64 {
        self.node.tally.count(&slot(user)).total()
    }

    /// Everything that the panel does not have yet.
    pub(super) fn unreported(&self) -> u64 {
        self.report().unreported
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
