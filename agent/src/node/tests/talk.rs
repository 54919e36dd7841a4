//! What a rig's node and its panel say to each other.

use weir_wire::refusal::{Code, Refusal};
use weir_wire::sync::{SyncReply, SyncRequest};

use super::panel::Panel;
use super::rig::Rig;
use crate::client::Failed;

impl Rig {
    /// Lets time pass until the node syncs.
    pub(super) fn until_sync(&mut self) {
        for _ in 0..100_000 {
            self.settle();
            if self.sent.is_some() {
                return;
            }
            self.pass(100);
        }
        panic!("the node never syncs");
    }

    /// The next sync, answered by the panel. Returns what was sent.
    pub(super) fn sync(&mut self) -> SyncRequest {
        self.until_sync();
        self.sync_if_sent().unwrap()
    }

    /// Answers what is under way.
    pub(super) fn sync_if_sent(&mut self) -> Option<SyncRequest> {
        let request = self.sent.take()?;
        match self.panel.answer(&request, self.panel_second()) {
            Ok(reply) => self.reply(reply),
            Err(refusal) => self.refuse(refusal),
        }
        Some(request)
    }

    pub(super) fn reply(&mut self, reply: SyncReply) {
        let dice = self.dice();
        self.sent = None;
        self.node.replied(reply, self.clock, dice);
        self.settle();
    }

    /// The panel says no to what is under way.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.fail(&Failed::Refused { refusal, date: None });
    }

    pub(super) fn refuse_with(&mut self, code: Code) {
        self.refuse(Panel::refusal(code, None));
    }

    pub(super) fn fail(&mut self, failure: &Failed) {
        let dice = self.dice();
        self.sent = None;
        self.node.failed(failure, self.clock, dice);
        self.settle();
    }

    /// The panel does not answer, again and again.
    pub(super) fn lose_panel(&mut self) {
        for _ in 0..3 {
            self.until_sync();
            self.fail(&Failed::Unreachable("connection refused".to_owned()));
        }
    }

    /// Syncs until the node has nothing more to tell at once.
    pub(super) fn sync_all(&mut self) -> Vec<SyncRequest> {
        let mut all = vec![self.sync()];
        for _ in 0..1_000 {
            self.pass(100);
            match self.sync_if_sent() {
                Some(request) => all.push(request),
                None => return all,
            }
        }
        panic!("the node syncs for ever");
    }
}
