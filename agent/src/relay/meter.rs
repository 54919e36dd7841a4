//! Bytes of what goes through the relay, by connection: for a core that tells nobody whose bytes a connection moves.
//!
//! Whoever is counted here is also let in here: a shut slot is refused and its connections end, without the core.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, watch};
use weir_wire::SlotName;

use crate::cores::{ConnectionEvent, Origin};
use crate::lock::lock;

/// What one connection has moved. Both only grow.
#[derive(Debug, Default)]
struct Moved {
    up: AtomicU64,
    down: AtomicU64,
}

impl Moved {
    fn read(&self) -> (u64, u64) {
        (self.up.load(Ordering::Acquire), self.down.load(Ordering::Acquire))
    }
}

#[derive(Debug)]
struct Flow {
    slot: SlotName,
    moved: Arc<Moved>,
    cut: watch::Sender<bool>,
    /// What was told last; nothing yet when it is new.
    told: Option<(u64, u64)>,
}

/// Everything that goes through, and who may.
#[derive(Debug, Default)]
struct Book {
    open: BTreeSet<SlotName>,
    /// Nobody is let in: the core is about to be loaded anew.
    is_held: bool,
    next: u64,
    flows: BTreeMap<u64, Flow>,
    /// Those whose end was not told yet.
    ended: Vec<(u64, Flow)>,
    /// Of those that have ended since the totals began.
    past: (u64, u64),
}

#[derive(Debug, Default)]
struct Shared {
    /// What tells the ids of this process from those of any other.
    prefix: String,
    book: Mutex<Book>,
    /// Rung when a connection has ended.
    ended: Notify,
}

/// See the module's description. Clones share one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Shared>);

/// One connection that was let in. Its end is noted when it is dropped.
#[derive(Debug)]
pub(super) struct Passage {
    shared: Arc<Shared>,
    id: u64,
    moved: Arc<Moved>,
    cut: watch::Receiver<bool>,
}

impl Meter {
    /// An account whose connections have ids that begin with `prefix`.
    pub(crate) fn new(prefix: String) -> Self {
        Self(Arc::new(Shared { prefix, ..Shared::default() }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book()
    }

    /// Lets a connection of a slot in; `None` when its gate is shut.
    pub(super) fn admit(&self, slot: &SlotName) -> Option<Passage> {
        let mut book = self.book();
        if book.is_held || !book.open.contains(slot) {
            return None;
        }
        let (id, moved) = (book.next, Arc::new(Moved::default()));
        book.next = book.next.saturating_add(1);
        let (sender, cut) = watch::channel(false);
        book.flows.insert(id, Flow { slot: slot.clone(), moved: Arc::clone(&moved), cut: sender, told: None });
        Some(Passage { shared: Arc::clone(&self.0), id, moved, cut })
    }

    /// Opens or shuts a slot's gate. Shutting ends its connections.
    pub(crate) fn set(&self, slot: &SlotName, open: bool) {
        let mut book = self.book();
        if open {
            book.open.insert(slot.clone());
        } else if book.open.remove(slot) {
            book.cut(|flow| flow.slot == *slot);
        }
    }

    /// Whether a slot's gate is open.
    pub(crate) fn is_open(&self, slot: &SlotName) -> bool {
        self.book().open.contains(slot)
    }

    /// Ends one connection, if it has not ended.
    pub(crate) fn close(&self, id: &str) {
        let number = id.strip_prefix(&self.0.prefix).and_then(|number| number.strip_prefix('-')?.parse().ok());
        if let Some(flow) = number.and_then(|number: u64| self.book().flows.get(&number).map(|flow| flow.cut.clone())) {
            flow.send_replace(true);
        }
    }

    /// Refuses everybody from now on and ends all connections.
    pub(crate) fn hold(&self) {
        let mut book = self.book();
        book.is_held = true;
        book.cut(|_| true);
    }

    /// How many connections there are.
    pub(crate) fn live(&self) -> usize {
        self.book().flows.len()
    }

    /// Ends what [`Meter::hold`] began.
    pub(crate) fn release(&self) {
        self.book().is_held = false;
    }

    /// Waits until no connection lives.
    pub(crate) async fn drained(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that no end falls between the two.
            ended.as_mut().enable();
            if self.book().flows.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// What has changed since the last time, or everything that lives and what has ended since.
    pub(crate) fn tell(&self, everything: bool) -> Vec<ConnectionEvent> {
        let mut book = self.book();
        let id = |number: u64| format!("{}-{number}", self.0.prefix);
        let mut events: Vec<ConnectionEvent> =
            core::mem::take(&mut book.ended).into_iter().map(|(number, flow)| flow.event(id(number), true)).collect();
        for (number, flow) in &mut book.flows {
            let moved = flow.moved.read();
            if everything || flow.told != Some(moved) {
                flow.told = Some(moved);
                events.push(flow.event(id(*number), false));
            }
        }
        events
    }

    /// Bytes up and down of everything since [`Meter::begin`].
    pub(crate) fn totals(&self) -> (u64, u64) {
        let book = self.book();
        book.flows.values().fold(book.past, |sum, flow| plus(sum, flow.moved.read()))
    }

    /// The totals begin anew. Nothing may live.
    pub(crate) fn begin(&self) {
        self.book().past = (0, 0);
    }
}

fn plus((up, down): (u64, u64), (more_up, more_down): (u64, u64)) -> (u64, u64) {
    (up.saturating_add(more_up), down.saturating_add(more_down))
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Book {
    fn cut(&self, which: impl Fn(&Flow) -> bool) {
        for flow in self.flows.values().filter(|flow| which(flow)) {
            flow.cut.send_replace(true);
        }
    }
}

impl Flow {
    fn event(&self, id: String, closed: bool) -> ConnectionEvent {
        let (up, down) = self.moved.read();
        // The core knows more, and does not say it.
        let origin = Origin {
            user: self.slot.to_string(),
            inbound: String::new(),
            protocol: String::new(),
            source: String::new(),
        };
        ConnectionEvent { id, origin: Some(origin), up, down, closed }
    }
}

impl Passage {
    /// These bytes came from the client.
    pub(super) fn up(&self, bytes: usize) {
        self.moved.up.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// These bytes went to the client.
    pub(super) fn down(&self, bytes: usize) {
        self.moved.down.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Waits until the connection must end.
    pub(super) async fn cut(&self) {
        // Its sender goes only with the connection itself.
        let _ = self.cut.clone().wait_for(|cut| *cut).await;
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let mut book = self.shared.book();
        if let Some(flow) = book.flows.remove(&self.id) {
            book.past = plus(book.past, flow.moved.read());
            book.ended.push((self.id, flow));
        }
        drop(book);
        self.shared.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> SlotName {
        "alice234".parse().unwrap()
    }

    fn told(meter: &Meter, everything: bool) -> Vec<(u64, u64, bool)> {
        meter.tell(everything).iter().map(|event| (event.up, event.down, event.closed)).collect()
    }

    #[test]
    fn a_connection_is_told_when_it_begins_moves_and_ends_and_not_otherwise() {
        let meter = Meter::new("a".into());
        meter.set(&alice(), true);
        let passage = meter.admit(&alice()).unwrap();
        assert_eq!(told(&meter, false), [(0, 0, false)]);
        assert_eq!(told(&meter, false), []);
        passage.up(3);
        passage.down(5);
        assert_eq!(told(&meter, false), [(3, 5, false)]);
        assert_eq!(told(&meter, true), [(3, 5, false)], "a list of all names it again");
        passage.down(1);
        drop(passage);
        assert_eq!(told(&meter, true), [(3, 6, true)], "an end is told once, with all of it");
        assert_eq!(told(&meter, true), []);
        assert_eq!(meter.totals(), (3, 6));
    }

    #[test]
    fn one_that_began_and_ended_between_two_looks_is_told_whole() {
        let meter = Meter::new("a".into());
        meter.set(&alice(), true);
        meter.admit(&alice()).unwrap().up(7);
        assert_eq!(told(&meter, false), [(7, 0, true)]);
    }

    #[tokio::test]
    async fn a_shut_slot_is_refused_and_its_connections_end_and_nobody_else_s() {
        let (meter, bob) = (Meter::new("a".into()), "bob23456".parse().unwrap());
        assert!(meter.admit(&alice()).is_none(), "shut until somebody opens it");
        meter.set(&alice(), true);
        meter.set(&bob, true);
        let (hers, his) = (meter.admit(&alice()).unwrap(), meter.admit(&bob).unwrap());
        meter.set(&alice(), false);
        hers.cut().await;
        assert!(!*his.cut.borrow());
        assert!(meter.admit(&alice()).is_none() && meter.admit(&bob).is_some());
        meter.close("b-1");
        meter.close("a");
        assert!(!*his.cut.borrow(), "another's id");
        meter.close("a-1");
        his.cut().await;
    }

    #[tokio::test]
    async fn who_holds_it_waits_until_all_have_ended() {
        let meter = Meter::new("a".into());
        meter.set(&alice(), true);
        let passage = meter.admit(&alice()).unwrap();
        assert_eq!(meter.live(), 1);
        meter.hold();
        assert!(meter.admit(&alice()).is_none());
        let ending = tokio::spawn(async move { passage.cut().await });
        meter.drained().await;
        ending.await.unwrap();
        meter.begin();
        assert_eq!(meter.totals(), (0, 0));
        meter.release();
        assert!(meter.admit(&alice()).is_some(), "its gate is as it was");
    }
}
