//! What has ended beside the task, and what follows from it.

use tokio::sync::{mpsc, oneshot};
use weir_wire::SlotName;
use weir_wire::sync::SyncReply;

use super::Running;
use crate::client::Failed;
use crate::cores::{CoreError, CoreEvent, Reload, Way, Written};
use crate::ledger::{Batch, LedgerError};
use crate::{clock, random};

/// What has ended beside the task.
pub(super) enum Done {
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
    /// What `weir-agent status` shows.
    StatusWritten(Result<(), String>),
}

impl Running {
    /// Takes in what has ended. `events`: what the core tells.
    pub(super) fn done(&mut self, done: Done, events: &mut mpsc::UnboundedReceiver<CoreEvent>) {
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
            Done::StatusWritten(outcome) => self.node.status_written(outcome, now),
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
}
