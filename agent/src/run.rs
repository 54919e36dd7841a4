//! `weir-agent run`: the task that brings core, ledger and panel together.
//!
//! Everything happens in one task, and nothing in it waits: commits, syncs and the core's calls run beside it and come
//! back as [`Done`]. So a slow disk or a silent panel never keeps a user's gate open.

mod files;

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use weir_wire::SlotName;
use weir_wire::sync::{SyncReply, SyncRequest};

use crate::client::{Failed, PanelClient};
use crate::clock;
use crate::config::Config;
use crate::cores::{self, Core, CoreError, CoreEvent, Reload, Way, Written};
use crate::egress::Egress;
use crate::faults::{self, Point};
use crate::identity::Identity;
use crate::ledger::{Batch, Ledger, LedgerError};
use crate::node::status::Report;
use crate::node::{Command, Node, Rules, Step};
use crate::policing::Police;
use crate::relay::{self, Speeds};
use crate::{bell, monitor, random};

/// The ledger is written at most this often while nothing waits for it.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The template is looked at, and the status file written, this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the agent tries to flush when it is asked to end. systemd waits 90 s.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// How long a reload waits for the ledger, while nobody is connected: a disk that hangs must not keep everybody out.
const KEEP_WITHIN: Duration = Duration::from_secs(2);
/// Calls to the core under way at once.
const MOST_CALLS: usize = 32;
/// Connections that are being ended at once.
const MOST_ENDS: usize = 8;
/// Events taken in before anything else is looked at.
const MOST_EVENTS: usize = 64;

/// What has ended beside the task.
enum Done {
    Saved(Result<(), (LedgerError, Batch)>),
    Synced(Result<SyncReply, Failed>),
    GateSet(SlotName, Way, Result<(), CoreError>),
    Gates(Result<Vec<(SlotName, Way)>, CoreError>),
    /// Whether the relay has its port.
    Relay(Result<(), String>),
    /// Whether the kernel holds speed limits.
    Police(Result<(), String>),
    Written(bool, Result<Written, CoreError>),
    /// Every connection was ended for a reload. Told back when their bytes are in the ledger.
    Drained(oneshot::Sender<()>),
    Reloaded(Result<Reload, CoreError>),
}

/// Everything that the task holds.
struct Running {
    node: Node,
    ledger: Ledger,
    core: Arc<dyn Core>,
    client: PanelClient,
    identity: Identity,
    calls: Arc<Semaphore>,
    /// For ends of single connections: a storm of them must not keep a gate open.
    ends: Arc<Semaphore>,
    speeds: Speeds,
    /// When the kernel shall hold speed limits.
    police: Option<Police>,
    done: mpsc::UnboundedSender<Done>,
    saving: bool,
    /// A reload waits for the next save.
    drained: Option<oneshot::Sender<()>>,
    /// A reload waits for the save that is under way.
    kept: Option<oneshot::Sender<()>>,
    saved: Instant,
    looked: Option<Instant>,
    leaving: Option<Instant>,
    /// What monitors are told.
    reports: watch::Sender<Option<Report>>,
}

/// Runs until it is asked to end by SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from running, in a sentence.
pub(crate) async fn run(config: &Config) -> Result<(), String> {
    let ledger = Ledger::open(&config.ledger()).map_err(|error| error.to_string())?;
    let identity = Identity::load(&ledger).map_err(|error| error.to_string())?;
    let mut identity =
        identity.ok_or("this host is not enrolled: run `weir-agent enroll <panel's url> <token>` first")?;
    if let Some(panel) = &config.panel {
        identity.panel = panel.clone();
    }
    let boot = clock::boot().map_err(|error| format!("the boot's name cannot be read: {error}"))?;
    let core = cores::of(config).map_err(|error| error.to_string())?;
    let rules = Rules {
        on_panel_loss: config.on_panel_loss,
        reload_every: u64::from(config.reload_every_seconds).saturating_mul(1_000),
        behind_proxy: config.addresses.behind_proxy.clone(),
        core: core.traits(),
        relay: core.relay().is_some(),
    };
    let node = Node::load(ledger.clone(), rules, &boot, clock::read(), random::epoch());
    let node = node.map_err(|error| error.to_string())?;
    core.resume(node.incarnation());
    let egress = Egress::new(config, &identity.panel)?;
    let client = PanelClient::new(identity.panel.clone(), &egress);
    let stop = |kind| signal(kind).map_err(|error| format!("signals cannot be heard: {error}"));
    let signals = (stop(SignalKind::terminate())?, stop(SignalKind::interrupt())?);

    tracing::info!(version = crate::VERSION, panel = %identity.panel, node = %identity.node, "started");
    let (done, outcomes) = mpsc::unbounded_channel();
    let running = Running {
        node,
        ledger,
        core,
        client,
        identity,
        calls: Arc::new(Semaphore::new(MOST_CALLS)),
        ends: Arc::new(Semaphore::new(MOST_ENDS)),
        speeds: Speeds::default(),
        police: None,
        done,
        saving: false,
        drained: None,
        kept: None,
        saved: Instant::now(),
        looked: None,
        leaving: None,
        reports: watch::Sender::new(None),
    };
    running.live(config, egress, outcomes, signals).await;
    tracing::info!("ended");
    Ok(())
}

impl Running {
    async fn live(
        mut self,
        config: &Config,
        egress: Egress,
        mut outcomes: mpsc::UnboundedReceiver<Done>,
        (mut terminate, mut interrupt): (Signal, Signal),
    ) {
        // Before the first list of connections: it says where addresses can be trusted.
        self.look_at_template(&config.core.template);
        self.start_police(config).await;
        self.start_relay();
        let (events_in, mut events) = mpsc::unbounded_channel();
        let core = Arc::clone(&self.core);
        core.set_tick(core.traits().read_every);
        let watching = tokio::spawn(async move { core.watch(events_in).await });
        let (rings_in, mut rings) = mpsc::unbounded_channel();
        let identity = self.identity.clone();
        let ringing = tokio::spawn(async move { bell::listen(&identity, &egress, &rings_in).await });
        let reports = self.reports.subscribe();
        let monitored = config.monitor.map(|address| tokio::spawn(monitor::serve(address, reports)));
        let mut ticked: Option<Instant> = None;
        while !self.is_over() {
            // Looked at each time: what an event has begun may not wait for the end of a long tick.
            let tick = ticked.map_or_else(Instant::now, |ticked| ticked + self.node.tick_length());
            tokio::select! {
                Some(event) = events.recv() => self.events(event, &mut events),
                Some(done) = outcomes.recv() => self.done(done, &mut events),
                Some(()) = rings.recv() => self.node.ring(),
                _ = terminate.recv() => self.leave(),
                _ = interrupt.recv() => self.leave(),
                () = sleep_until(tick) => {
                    self.tick(config);
                    ticked = Some(Instant::now());
                }
            }
            self.follow();
        }
        self.part(&mut events).await;
        watching.abort();
        ringing.abort();
        if let Some(monitored) = monitored {
            monitored.abort();
        }
        if let Some(police) = self.police.take() {
            police.end().await;
        }
        self.finish(config).await;
    }

    /// What ends with the agent is counted before: the ledger keeps it for the next run.
    async fn part(&mut self, events: &mut mpsc::UnboundedReceiver<CoreEvent>) {
        self.core.leave().await;
        let now = clock::now();
        while let Ok(event) = events.try_recv() {
            self.node.core_event(event, now);
        }
    }

    /// The kernel's rules hold before the core is asked how its gates are: those of users who go by a mark stay as they are.
    async fn start_police(&mut self, config: &Config) {
        if !config.speed.is_by_nft() || self.core.relay().is_none() {
            return;
        }
        let (told, mut outcome) = mpsc::unbounded_channel();
        let police = Police::start(told);
        police.allow(self.core.marking());
        police.mark(self.core.marks());
        self.police = Some(police);
        self.follow();
        let first = outcome.recv();
        if let Ok(Some(first)) = timeout(LEAVE_WITHIN, first).await {
            let settled = self.police.as_ref().map(Police::settled);
            if let Some(settled) = settled {
                settled.await;
            }
            self.policed(first);
        }
        let done = self.done.clone();
        tokio::spawn(async move {
            while let Some(outcome) = outcome.recv().await {
                let _ = done.send(Done::Police(outcome));
            }
        });
    }

    /// The kernel holds speed limits from now on, or does not.
    fn policed(&mut self, outcome: Result<(), String>) {
        self.core.hold_by_mark(outcome.is_ok());
        self.node.police_told(outcome, clock::now());
    }

    /// Speed limits hold as soon as the core can be reached: before that the relay knows them.
    fn start_relay(&mut self) {
        self.follow();
        let Some(plan) = self.core.relay() else { return };
        let (told, mut outcomes) = mpsc::unbounded_channel();
        let done = self.done.clone();
        if let Err(error) = relay::start(plan, self.speeds.clone(), told) {
            let _ = done.send(Done::Relay(Err(error.to_string())));
            return;
        }
        tokio::spawn(async move {
            while let Some(outcome) = outcomes.recv().await {
                let _ = done.send(Done::Relay(outcome));
            }
        });
    }

    /// The core's marks may be other ones.
    fn mark(&self) {
        if let Some(police) = &self.police {
            police.mark(self.core.marks());
        }
    }

    fn events(&mut self, first: CoreEvent, events: &mut mpsc::UnboundedReceiver<CoreEvent>) {
        let now = clock::now();
        let mut next = Some(first);
        for _ in 0..MOST_EVENTS {
            let Some(event) = next else { return };
            if let CoreEvent::Up { version, .. } = &event {
                tracing::info!(%version, "the core answers");
                self.mark();
            }
            self.node.core_event(event, now);
            faults::pass(Point::Credit);
            next = events.try_recv().ok();
        }
        if let Some(event) = next {
            self.node.core_event(event, now);
        }
    }

    fn tick(&mut self, config: &Config) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            self.look_at_template(&config.core.template);
            self.write_status(&config.status_file());
        }
        self.node.tick(clock::read());
        if !self.saving && self.saved.elapsed() >= SAVE_EVERY && self.node.is_unsaved() {
            self.save();
        }
    }

    fn look_at_template(&mut self, path: &Path) {
        if !self.node.template_seen(files::look(path)) {
            return;
        }
        match self.core.inbounds() {
            Ok(inbounds) => {
                self.node.template_read(inbounds, self.core.bypasses(), self.core.by_header());
                if let Some(police) = &self.police {
                    police.allow(self.core.marking());
                }
            }
            Err(error) => self.node.template_refused(&error, clock::now()),
        }
    }

    fn write_status(&mut self, path: &Path) {
        let report = self.node.report(clock::read(), &self.identity.panel.to_string(), &self.identity.name);
        let written = files::write_json(path, &report);
        self.node.status_written(written.map_err(|error| format!("{}: {error}", path.display())), clock::now());
        self.reports.send_replace(Some(report));
    }

    /// Does what follows from whatever happened: the core's commands, and the sync's next step.
    fn follow(&mut self) {
        for command in self.node.commands() {
            self.command(command);
        }
        if !self.saving && self.drained.is_some() {
            self.kept = self.drained.take();
            self.save();
        }
        // Busy users would give an agent that is asked to end something more to say for ever.
        while !self.saving && !self.node.has_left() {
            match self.node.advance(clock::read()) {
                Step::Rest => return,
                Step::Save => self.save(),
                Step::Send(request) => self.sync(request),
            }
        }
    }

    fn save(&mut self) {
        self.saving = true;
        self.saved = Instant::now();
        let (ledger, done, batch) = (self.ledger.clone(), self.done.clone(), self.node.take_batch(clock::now()));
        faults::pass(Point::Save);
        tokio::spawn(async move {
            let outcome = ledger.commit(batch).await;
            if outcome.is_ok() {
                faults::pass(Point::Commit);
            }
            done.send(Done::Saved(outcome))
        });
    }

    fn sync(&self, request: Box<SyncRequest>) {
        let (client, done, bearer) = (self.client.clone(), self.done.clone(), self.identity.key.bearer());
        tokio::spawn(async move {
            faults::pass(Point::Send);
            let outcome = client.post("/agent/v1/sync", Some(&bearer), &request).await;
            faults::pass(Point::Reply);
            done.send(Done::Synced(outcome))
        });
    }

    fn command(&self, command: Command) {
        let (core, done) = (Arc::clone(&self.core), self.done.clone());
        let (calls, ends) = (Arc::clone(&self.calls), Arc::clone(&self.ends));
        match command {
            Command::SetTick(tick) => core.set_tick(tick.min(core.traits().read_every)),
            Command::SetGate { slot, way } => {
                let settled = self.police.as_ref().filter(|_| way == Way::Slow).map(Police::settled);
                drop(tokio::spawn(async move {
                    if let Some(settled) = settled {
                        settled.await;
                    }
                    let _turn = calls.acquire().await;
                    let outcome = core.set_way(&slot, way).await;
                    done.send(Done::GateSet(slot, way, outcome))
                }));
            }
            Command::SetSpeed { slot, speed } => {
                self.speeds.set(&slot, speed);
                if let Some(police) = &self.police {
                    police.set(&slot, speed);
                }
            }
            Command::ForgetSpeed { slot } => {
                self.speeds.forget(&slot);
                if let Some(police) = &self.police {
                    police.set(&slot, 0);
                }
            }
            Command::Close { id } => drop(tokio::spawn(async move {
                let _turn = ends.acquire().await;
                // A connection that has ended meanwhile, or a core that is going down: both are what was wanted.
                let _ = core.close(&id).await;
            })),
            Command::AskGates => drop(tokio::spawn(async move { done.send(Done::Gates(core.ways().await)) })),
            Command::Bring { slots } => {
                drop(tokio::spawn(async move { done.send(Done::Gates(core.bring(&slots).await.map(cores::ways_of))) }))
            }
            Command::Write { slots, forget } => drop(tokio::spawn(async move {
                let outcome = core.write(&slots, forget).await;
                done.send(Done::Written(forget, outcome))
            })),
            Command::Reload { slots } => drop(tokio::spawn(async move {
                let (kept, wait) = oneshot::channel();
                let drained = done.clone();
                // A ledger that fails drops its end, and the reload goes on as well.
                let kept = async move {
                    if drained.send(Done::Drained(kept)).is_ok() {
                        let _ = timeout(KEEP_WITHIN, wait).await;
                    }
                };
                let outcome = core.reload(&slots, Box::pin(kept)).await;
                done.send(Done::Reloaded(outcome))
            })),
        }
    }

    fn done(&mut self, done: Done, events: &mut mpsc::UnboundedReceiver<CoreEvent>) {
        let reading = clock::read();
        let now = reading.now;
        match done {
            Done::Saved(outcome) => {
                self.saving = false;
                self.node.saved(outcome, now);
                if let Some(kept) = self.kept.take() {
                    let _ = kept.send(());
                }
            }
            Done::Synced(outcome) => self.synced(outcome),
            Done::GateSet(slot, way, outcome) => self.node.gate_set(&slot, way, &outcome, now),
            Done::Relay(outcome) => self.node.relay_told(outcome, now),
            Done::Police(outcome) => self.policed(outcome),
            Done::Gates(outcome) => self.node.gates_told(outcome, now),
            Done::Written(forget, outcome) => {
                self.node.written(forget, outcome, now);
            }
            Done::Drained(kept) => {
                // All that the ended connections moved has been told by now.
                while let Ok(event) = events.try_recv() {
                    self.node.core_event(event, now);
                }
                self.drained = Some(kept);
            }
            Done::Reloaded(outcome) => {
                if let Ok(reload) = &outcome {
                    tracing::info!(cut = reload.cut, "the core has loaded its file");
                    self.mark();
                }
                self.node.reloaded(&outcome, now);
            }
        }
    }

    fn synced(&mut self, outcome: Result<SyncReply, Failed>) {
        let (reading, dice) = (clock::read(), random::dice());
        match outcome {
            Ok(reply) => self.node.replied(reply, reading, dice),
            Err(failure) => self.node.failed(&failure, reading, dice),
        }
    }

    fn leave(&mut self) {
        if self.leaving.is_none() {
            tracing::info!("asked to end");
            self.leaving = Some(Instant::now());
            self.node.leave(clock::now());
        }
    }

    fn is_over(&self) -> bool {
        self.leaving.is_some_and(|since| {
            let done = self.node.has_left() && !self.node.is_writing() && !self.saving;
            done || since.elapsed() >= LEAVE_WITHIN
        })
    }

    /// The last save, and the last word to `weir-agent status`.
    async fn finish(mut self, config: &Config) {
        while self.node.is_unsaved() {
            if let Err((error, _)) = self.ledger.commit(self.node.take_batch(clock::now())).await {
                tracing::error!(%error, "the ledger cannot be written");
                break;
            }
        }
        self.write_status(&config.status_file());
    }
}
