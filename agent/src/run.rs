//! `weir-agent run`: the task that brings core, ledger and panel together.
//!
//! Everything happens in one task, and nothing in it waits: commits, syncs and the core's calls run beside it and come
//! back as [`Done`]. So a slow disk or a silent panel never keeps a user's gate open.

mod begun;
mod ended;
mod files;
mod speed;
mod status;

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use self::ended::Done;
use self::status::StatusFile;
use crate::client::PanelClient;
use crate::clock;
use crate::config::Config;
use crate::cores::{self, Core, CoreEvent};
use crate::egress::Egress;
use crate::faults::{self, Point};
use crate::identity::Identity;
use crate::ledger::Ledger;
use crate::node::status::Report;
use crate::node::{Node, Rules};
use crate::policing::Police;
use crate::relay::Speeds;
use crate::{bell, monitor, random};

/// The ledger is written at most this often while nothing waits for it.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The template is looked at, and the status file written, this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the agent tries to flush when it is asked to end. systemd waits 90 s.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// Calls to the core under way at once.
const MOST_CALLS: usize = 32;
/// Connections that are being ended at once.
const MOST_ENDS: usize = 8;
/// Events taken in before anything else is looked at.
const MOST_EVENTS: usize = 64;

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
    status: StatusFile,
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
        status: StatusFile::new(config.status_file(), done.clone()),
        done,
        saving: false,
        drained: None,
        kept: None,
        saved: Instant::now(),
        looked: None,
        leaving: None,
        reports: watch::Sender::new(None),
    };
    // The whole node is in it: too large for the stack of whoever waits.
    Box::pin(running.live(config, egress, outcomes, signals)).await;
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
        Box::pin(self.finish()).await;
    }

    /// What ends with the agent is counted before: the ledger keeps it for the next run.
    async fn part(&mut self, events: &mut mpsc::UnboundedReceiver<CoreEvent>) {
        self.core.leave().await;
        let now = clock::now();
        while let Ok(event) = events.try_recv() {
            self.node.core_event(event, now);
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
            self.tell_status();
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

    fn tell_status(&mut self) {
        let report = self.report();
        self.status.write(&report);
        self.reports.send_replace(Some(report));
    }

    fn report(&self) -> Report {
        self.node.report(clock::read(), &self.identity.panel.to_string(), &self.identity.name)
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
    async fn finish(mut self) {
        while self.node.is_unsaved() {
            if let Err((error, _)) = self.ledger.commit(self.node.take_batch(clock::now())).await {
                tracing::error!(%error, "the ledger cannot be written");
                break;
            }
        }
        let report = self.report();
        if let Err(why) = self.status.write_last(report).await {
            tracing::warn!(%why, "the status file cannot be written");
        }
    }
}
