//! Who is let in: a map that nginx reads when it is reloaded.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use tokio::time::{Instant, sleep};
use weir_wire::SlotName;

use super::Inner;
use crate::cores::aside::aside;
use crate::cores::{ConfiguredSlot, CoreError, command, files};
use crate::lock::lock;

/// Changes of so long a time share one reload.
pub(super) const BATCH: Duration = Duration::from_millis(200);
/// Readable by the workers.
const MODE: u32 = 0o644;

/// Who is let in.
#[derive(Default)]
pub(super) struct Users {
    pub(super) gates: BTreeMap<SlotName, bool>,
    /// Counted up with each change.
    changes: u64,
}

/// The map: one line for each user who is let in.
fn map_of<'a>(open: impl Iterator<Item = &'a SlotName>) -> String {
    let mut map = String::from("# Written by weir-agent: who is let in. Include it in the map of $weir_refused.\n");
    for slot in open {
        // Writing to a String cannot fail. A slot's name is of a-z and 0-9: nothing in it means anything to nginx.
        let _ = writeln!(map, "{slot} 0;");
    }
    map
}

/// What nginx has of it.
#[derive(Default)]
pub(super) struct Loaded {
    /// The map that is on the disk and that nginx has read. `None` while it may have another one: anybody may reload or restart
    /// nginx at any moment, which then reads what is there, and a reload that failed may have come about all the same.
    map: Option<String>,
    /// The change up to which that map tells them.
    changes: u64,
    /// When a reload was tried last, and why it failed, if it did.
    failed: Option<(Instant, CoreError)>,
}

impl Inner {
    /// Writes the map. Returns whether it is another one than was there.
    async fn write(&self, map: String) -> Result<bool, CoreError> {
        let output = self.settings.output.clone();
        aside(move || {
            if fs::read(&output).is_ok_and(|there| there == map.as_bytes()) {
                return Ok(false);
            }
            files::place(&output, map.as_bytes(), MODE).map(|()| true)
        })
        .await
    }

    /// Writes the map of these slots, which nginx reads at its next start, or when it is reloaded the next time.
    pub(super) async fn write_of(&self, slots: &[ConfiguredSlot]) -> Result<(), CoreError> {
        let map = map_of(slots.iter().filter(|slot| slot.open).map(|slot| &slot.slot));
        // While nginx is being reloaded, nobody could say which of the two maps it has read.
        let mut loaded = self.loaded.lock().await;
        if loaded.map.as_ref() != Some(&map) {
            loaded.map = None;
        }
        self.write(map).await.map(drop)
    }

    /// Makes nginx know all changes up to now. Changes that come at once share one reload.
    async fn apply(&self) -> Result<(), CoreError> {
        let (wanted, asked) = (lock(&self.users).changes, Instant::now());
        sleep(BATCH).await;
        let mut loaded = self.loaded.lock().await;
        if loaded.map.is_some() && loaded.changes >= wanted {
            return Ok(());
        }
        // It was tried with this change among others.
        if let Some((_, why)) = loaded.failed.as_ref().filter(|(tried, _)| *tried >= asked) {
            return Err(why.clone());
        }
        let tried = Instant::now();
        let outcome = self.load(&mut loaded).await;
        loaded.failed = outcome.as_ref().err().map(|why| (tried, why.clone()));
        outcome
    }

    /// Makes nginx read the map of this moment, if it has not. Whatever keeps it from doing so, it is tried anew the next time.
    async fn load(&self, loaded: &mut Loaded) -> Result<(), CoreError> {
        let (map, changes) = {
            let users = lock(&self.users);
            (map_of(users.gates.iter().filter(|(_, open)| **open).map(|(slot, _)| slot)), users.changes)
        };
        let known = loaded.map.take();
        let is_new = self.write(map.clone()).await?;
        if is_new || known.as_ref() != Some(&map) {
            let reloaded = command::run(&self.settings.reload, None, None).await;
            reloaded.map_err(|why| CoreError::Unreachable(format!("nginx was not reloaded: {why}")))?;
        }
        loaded.map = Some(map);
        loaded.changes = changes;
        Ok(())
    }

    /// [`crate::cores::Core::bring`].
    pub(super) async fn bring(&self, slots: &[ConfiguredSlot]) -> Result<Vec<(SlotName, bool)>, CoreError> {
        let gates: BTreeMap<_, _> = slots.iter().map(|slot| (slot.slot.clone(), slot.open)).collect();
        {
            let mut users = lock(&self.users);
            if users.gates != gates || users.changes == 0 {
                users.gates.clone_from(&gates);
                users.changes += 1;
            }
        }
        self.apply().await?;
        Ok(gates.into_iter().collect())
    }

    /// [`crate::cores::Core::set_gate`].
    pub(super) async fn set_gate(&self, slot: &SlotName, open: bool) -> Result<(), CoreError> {
        {
            let mut users = lock(&self.users);
            users.gates.insert(slot.clone(), open);
            users.changes += 1;
        }
        self.apply().await
    }
}
