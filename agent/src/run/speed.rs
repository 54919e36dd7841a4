//! What holds users to their speed beside the task: the relay, and the kernel.

use core::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Running;
use super::ended::Done;
use crate::config::Config;
use crate::policing::Police;
use crate::{clock, relay};

/// How long the kernel's first word is waited for, before the core is asked how its gates are.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);

impl Running {
    /// The kernel's rules hold before the core is asked how its gates are: those of users who go by a mark stay as they are.
    pub(super) async fn start_police(&mut self, config: &Config) {
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
        if let Ok(Some(first)) = timeout(FIRST_WORD_WITHIN, first).await {
            let settled = self.police.as_ref().map(Police::settled);
            if let Some(settled) = settled {
                settled.await;
            }
            self.policed(first);
        }
        self.forward(outcome, Done::Police);
    }

    /// The kernel holds speed limits from now on, or does not.
    pub(super) fn policed(&mut self, outcome: Result<(), String>) {
        self.core.hold_by_mark(outcome.is_ok());
        self.node.police_told(outcome, clock::now());
    }

    /// Speed limits hold as soon as the core can be reached: before that the relay knows them.
    pub(super) fn start_relay(&mut self) {
        self.follow();
        let Some(plan) = self.core.relay() else { return };
        let (told, outcomes) = mpsc::unbounded_channel();
        match relay::start(plan, self.speeds.clone(), told) {
            Ok(()) => self.forward(outcomes, Done::Relay),
            Err(error) => drop(self.done.send(Done::Relay(Err(error.to_string())))),
        }
    }

    /// Tells the task what comes of something that was started beside it, for as long as that says anything.
    fn forward(&self, mut from: mpsc::UnboundedReceiver<Result<(), String>>, outcome: fn(Result<(), String>) -> Done) {
        let done = self.done.clone();
        tokio::spawn(async move {
            while let Some(said) = from.recv().await {
                let _ = done.send(outcome(said));
            }
        });
    }

    /// The core's marks may be other ones.
    pub(super) fn mark(&self) {
        if let Some(police) = &self.police {
            police.mark(self.core.marks());
        }
    }
}
