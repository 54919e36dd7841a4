//! Users in the running core: the `HandlerService` adds and removes them, inbound by inbound, without touching anybody else.

use std::collections::BTreeSet;

use weir_wire::SlotName;
use weir_wire::credential::Credentials;

use super::render::Ours;
use super::users::Scheme;
use super::{Inner, Pass};
use crate::cores::aside;
use crate::cores::stats::{self, AddUser, AlterInbound, Altered, Connection, RemoveUser, TypedMessage, User};
use crate::cores::{ConfiguredSlot, CoreError};
use crate::lock::lock;

/// What the core says of a user whom it has, or has not, already. It is what was wanted.
const EXISTS: &str = "already exists";
const ABSENT: &str = "not found";

async fn alter(core: &Connection, tag: &str, operation: TypedMessage, fine: &str) -> Result<(), CoreError> {
    let path = format!("/{}.app.proxyman.command.HandlerService/AlterInbound", core.dialect.root());
    let request = AlterInbound { tag: tag.to_owned(), operation: Some(operation) };
    match core.link.call::<_, Altered>(path, request).await {
        Ok(Altered {}) => Ok(()),
        // "not found" is said of an inbound as well, whose handler it then names.
        Err(said) if said.message().contains(fine) && !said.message().contains("handler") => Ok(()),
        Err(said) if said.is_answer() => Err(CoreError::Config(format!("inbound {tag:?}: {}", said.message()))),
        Err(said) => Err(said.into()),
    }
}

async fn add(
    core: &Connection,
    (tag, scheme): &(String, Scheme),
    slot: &SlotName,
    credentials: &Credentials,
) -> Result<(), CoreError> {
    let account = Some(scheme.account(core.dialect, credentials));
    let user = Some(User { level: 0, email: slot.to_string(), account });
    let name = format!("{}.app.proxyman.command.AddUserOperation", core.dialect.root());
    alter(core, tag, TypedMessage::of(name, &AddUser { user }), EXISTS).await
}

async fn remove(core: &Connection, (tag, _): &(String, Scheme), slot: &SlotName) -> Result<(), CoreError> {
    let name = format!("{}.app.proxyman.command.RemoveUserOperation", core.dialect.root());
    alter(core, tag, TypedMessage::of(name, &RemoveUser { email: slot.to_string() }), ABSENT).await
}

/// The connection for calls, made when it is first needed and after it broke.
#[derive(Default)]
pub(super) struct Calls {
    core: Option<Connection>,
    /// The inbounds of the file that the core was started with.
    inbounds: Vec<(String, Scheme)>,
    /// Slots of the file, who may be in the core although nobody has brought them.
    in_file: BTreeSet<SlotName>,
}

impl Inner {
    /// Makes `calls` ready: a connection, and the inbounds that the core has.
    async fn ready(&self, calls: &mut Calls) -> Result<(), CoreError> {
        if calls.core.is_some() {
            return Ok(());
        }
        let core = stats::connect(self.address()).await?;
        let ours = aside::read(&self.settings.output).await?;
        let ours = Ours::read(&ours, self.settings.family).ok_or_else(|| {
            let file = self.settings.output.display();
            CoreError::Config(format!("{file} is not the agent's, so the core was started with something else"))
        })?;
        *calls = Calls { core: Some(core), inbounds: ours.inbounds, in_file: ours.slots };
        Ok(())
    }

    /// The core went away: what it had is gone with it.
    pub(super) async fn forget_users(&self) {
        *self.calls.lock().await = Calls::default();
        lock(&self.users).present.clear();
    }

    /// Puts one slot into the state that is wanted, in every inbound.
    async fn put(&self, calls: &Calls, slot: &SlotName, pass: Option<&Pass>) -> Result<(), CoreError> {
        let Some(core) = &calls.core else { return Err(CoreError::Unreachable("it is going down".into())) };
        let present = lock(&self.users).present.get(slot).cloned();
        if present.as_ref().is_some_and(|present| present.as_ref() == pass) {
            return Ok(());
        }
        let before = present.flatten();
        for inbound in &calls.inbounds {
            let wanted = pass.and_then(|pass| pass.at(inbound));
            match before.as_ref().map(|pass| pass.at(inbound)) {
                Some(there) if there == wanted => continue,
                // He is not there, or whoever was an earlier process's is still there with the same credentials.
                Some(None) => {}
                None if wanted.is_some() => {}
                // Other credentials under the same name are no other user to the core.
                Some(Some(_)) | None => remove(core, inbound, slot).await?,
            }
            if let Some(credentials) = wanted {
                add(core, inbound, slot, credentials).await?;
            }
        }
        lock(&self.users).present.insert(slot.clone(), pass.cloned());
        Ok(())
    }

    /// [`crate::cores::Core::bring`].
    pub(super) async fn bring(&self, slots: &[ConfiguredSlot]) -> Result<Vec<(SlotName, bool)>, CoreError> {
        let mut calls = self.calls.lock().await;
        let brought = self.bring_over(&mut calls, slots).await;
        if matches!(brought, Err(CoreError::Unreachable(_))) {
            calls.core = None;
        }
        brought
    }

    async fn bring_over(
        &self,
        calls: &mut Calls,
        slots: &[ConfiguredSlot],
    ) -> Result<Vec<(SlotName, bool)>, CoreError> {
        lock(&self.users).passes = slots.iter().map(|slot| (slot.slot.clone(), Pass::of(slot))).collect();
        self.ready(calls).await?;
        // Shut first: an open gate lets bytes through that nobody has granted.
        let named: BTreeSet<&SlotName> = slots.iter().map(|slot| &slot.slot).collect();
        let left: Vec<SlotName> = calls.in_file.iter().filter(|slot| !named.contains(slot)).cloned().collect();
        for slot in left.iter().chain(slots.iter().filter(|slot| !slot.open).map(|slot| &slot.slot)) {
            self.put(calls, slot, None).await?;
        }
        for slot in slots.iter().filter(|slot| slot.open) {
            self.put(calls, &slot.slot, Some(&Pass::of(slot))).await?;
        }
        calls.in_file.clear();
        let gates: Vec<_> = slots.iter().map(|slot| (slot.slot.clone(), slot.open)).collect();
        lock(&self.users).loaded = gates.iter().map(|(slot, _)| slot.clone()).collect();
        Ok(gates)
    }

    /// [`crate::cores::Core::set_gate`].
    pub(super) async fn set_gate(&self, slot: &SlotName, open: bool) -> Result<(), CoreError> {
        let pass = lock(&self.users).passes.get(slot).cloned();
        if open && pass.is_none() {
            return Err(CoreError::Config(format!("{slot} was not brought")));
        }
        let mut calls = self.calls.lock().await;
        let put = match self.ready(&mut calls).await {
            Ok(()) => self.put(&calls, slot, pass.as_ref().filter(|_| open)).await,
            Err(why) => Err(why),
        };
        if matches!(put, Err(CoreError::Unreachable(_))) {
            calls.core = None;
        }
        put
    }

    /// [`crate::cores::Core::gates`].
    pub(super) fn gates(&self) -> Vec<(SlotName, bool)> {
        let users = lock(&self.users);
        let is_open = |slot: &SlotName| users.present.get(slot).is_some_and(Option::is_some);
        users.loaded.iter().map(|slot| (slot.clone(), is_open(slot))).collect()
    }
}
