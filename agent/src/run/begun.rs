//! What is begun beside the task: commits, syncs, and the core's calls.

use core::time::Duration;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use weir_wire::sync::SyncRequest;

use super::Running;
use super::ended::Done;
use crate::clock;
use crate::cores::{Way, ways_of};
use crate::faults::{self, Point};
use crate::node::{Command, Step};
use crate::policing::Police;

/// How long a reload waits for the ledger, while nobody is connected: a disk that hangs must not keep everybody out.
const KEEP_WITHIN: Duration = Duration::from_secs(2);

impl Running {
    /// Does what follows from whatever happened: the core's commands, and the sync's next step.
    pub(super) fn follow(&mut self) {
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

    pub(super) fn save(&mut self) {
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
                drop(tokio::spawn(async move { done.send(Done::Gates(core.bring(&slots).await.map(ways_of))) }));
            }
            Command::Write { slots, forget, renew } => drop(tokio::spawn(async move {
                let writing = if renew { core.renew(&slots, forget) } else { core.write(&slots, forget) };
                let outcome = writing.await;
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
}
