//! Who is let in: a map that nginx reads when it is reloaded.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use tokio::time::sleep;
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

    /// Writes the map of these slots. Returns whether it is another one than was there.
    pub(super) async fn write_of(&self, slots: &[ConfiguredSlot]) -> Result<bool, CoreError> {
        self.write(map_of(slots.iter().filter(|slot| slot.open).map(|slot| &slot.slot))).await
    }

    /// Makes nginx know all changes up to now. Changes that come at once share one reload.
    async fn apply(&self) -> Result<(), CoreError> {
        let wanted = lock(&self.users).changes;
        sleep(BATCH).await;
        let mut applied = self.applied.lock().await;
        if *applied >= wanted {
            return Ok(());
        }
        let (map, now) = {
            let users = lock(&self.users);
            (map_of(users.gates.iter().filter(|(_, open)| **open).map(|(slot, _)| slot)), users.changes)
        };
        if self.write(map).await? || *applied == 0 {
            let reloaded = command::run(&self.settings.reload, None, None).await;
            reloaded.map_err(|why| CoreError::Unreachable(format!("nginx was not reloaded: {why}")))?;
        }
        *applied = now;
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
