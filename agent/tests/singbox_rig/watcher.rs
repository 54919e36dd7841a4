//! What the core tells, added up.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use weir_agent::cores::singbox::SingBox;
use weir_agent::cores::{ConfiguredSlot, Core, CoreEvent};

use super::HANG;

/// What a connection came to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub user: String,
    pub up: u64,
    pub down: u64,
    pub closed: bool,
}

/// Everything that the core told so far.
pub struct Watcher {
    events: mpsc::UnboundedReceiver<CoreEvent>,
    watching: JoinHandle<()>,
    pub incarnations: Vec<i64>,
    pub downs: Vec<String>,
    pub resets: usize,
    pub connections: HashMap<String, Seen>,
    pub totals: (u64, u64),
}

impl Watcher {
    pub fn new(core: &SingBox) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let core = core.clone();
        let watching = tokio::spawn(async move { core.watch(sender).await });
        let (incarnations, downs, connections) = (Vec::new(), Vec::new(), HashMap::new());
        Self { events, watching, incarnations, downs, resets: 0, connections, totals: (0, 0) }
    }

    fn take(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::Up { incarnation, .. } => self.incarnations.push(incarnation),
            CoreEvent::Down { reason } => self.downs.push(reason),
            // Of a core that tells no connections: whatever is awaited here will not come.
            CoreEvent::Counters { .. } | CoreEvent::Online { .. } => {}
            CoreEvent::Totals { up, down } => self.totals = (up, down),
            CoreEvent::Connections { reset, events } => {
                self.resets += usize::from(reset);
                for event in events {
                    let seen = self.connections.entry(event.id).or_default();
                    // Finished is finished: the core repeats itself, with a last chunk at most.
                    if seen.closed {
                        (seen.up, seen.down) = (seen.up.max(event.up), seen.down.max(event.down));
                        continue;
                    }
                    if let Some(origin) = event.origin {
                        seen.user = origin.user;
                    }
                    (seen.up, seen.down, seen.closed) = (event.up, event.down, event.closed);
                }
            }
        }
    }

    /// Reads until what was told satisfies the condition.
    pub async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !enough(self) {
                let event = self.events.recv().await.expect("the watch goes on");
                self.take(event);
            }
        };
        let came = timeout(HANG, waiting).await.is_ok();
        assert!(came, "never: {what}; totals {:?}, downs {:?}", self.totals, self.downs);
    }

    /// Reads what comes in this time.
    pub async fn for_a_while(&mut self, time: Duration) {
        let _ = timeout(time, async {
            while let Some(event) = self.events.recv().await {
                self.take(event);
            }
        })
        .await;
    }

    pub fn of(&self, user: &ConfiguredSlot) -> (u64, u64) {
        let own = self.connections.values().filter(|seen| seen.user == user.slot.as_str());
        own.fold((0, 0), |(up, down), seen| (up + seen.up, down + seen.down))
    }

    pub fn live(&self) -> usize {
        self.connections.values().filter(|seen| !seen.closed).count()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
