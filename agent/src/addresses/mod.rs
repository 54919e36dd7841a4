//! Where users' clients connect from, over the last five minutes, so that the panel can count devices over all nodes.
//!
//! Addresses are held in memory alone: none is ever written to the disk or to the log, and what the panel is told are the
//! day's keyed hashes ([`weir_wire::address`]). A user's set is told when it changes, at most once a minute, and again long
//! before the panel lets it lapse.

mod place;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use weir_wire::SlotName;
use weir_wire::address::{
    AddressKey, AddressSet, MAX_ADDRESS_SETS, MAX_ADDRESSES, MAX_ADDRESSES_IN_ALL, TELL_AGAIN, TELL_REST, WINDOW,
};

pub(crate) use self::place::Places;
use crate::clock::Moment;
use crate::cores::{ConnectionEvent, Origin};
use crate::tally::connection::ConnectionKey;

/// Milliseconds for which an address counts after its last connection has ended.
const COUNTS: u64 = WINDOW.unsigned_abs() * 1_000;
/// Least milliseconds between two sets of one user.
const REST: u64 = TELL_REST.unsigned_abs() * 1_000;
/// A set that stays as it is is told again after so many milliseconds.
const AGAIN: u64 = TELL_AGAIN.unsigned_abs() * 1_000;
/// Users whose addresses are held at most; those who come later are not counted until others are gone.
const MOST_USERS: usize = 10_000;

/// One network that a user's clients are in.
#[derive(Debug)]
struct Client {
    network: IpAddr,
    /// Live connections.
    live: u32,
    /// When a connection last began or ended.
    last: Moment,
}

/// What the panel knows of a user.
#[derive(Clone, Debug)]
struct Told {
    at: Moment,
    day: u32,
    networks: Vec<IpAddr>,
}

#[derive(Debug, Default)]
struct User {
    clients: Vec<Client>,
    told: Option<Told>,
}

impl User {
    /// Forgets addresses that count no more.
    fn prune(&mut self, now: Moment) {
        self.clients.retain(|client| client.live > 0 || now.since(client.last) < COUNTS);
    }

    /// A connection from `network` was there just now. Returns whether it is held: a user may have too many.
    fn seen(&mut self, network: IpAddr, live: bool, now: Moment) -> bool {
        if !self.clients.iter().any(|client| client.network == network) {
            self.prune(now);
            if self.clients.len() >= MAX_ADDRESSES {
                return false;
            }
            self.clients.push(Client { network, live: 0, last: now });
        }
        if let Some(client) = self.clients.iter_mut().find(|client| client.network == network) {
            client.live = client.live.saturating_add(live.into());
            client.last = now;
        }
        true
    }

    /// What is to be told under the key of `day`, if anything is.
    fn due(&self, day: u32, now: Moment) -> Option<Vec<IpAddr>> {
        let mut networks: Vec<_> = self.clients.iter().map(|client| client.network).collect();
        networks.sort();
        let due = match &self.told {
            None => !networks.is_empty(),
            Some(told) if now.since(told.at) < REST => false,
            Some(told) if told.networks != networks => true,
            Some(told) => !networks.is_empty() && (told.day != day || now.since(told.at) >= AGAIN),
        };
        due.then_some(networks)
    }

    /// Nobody uses it, and the panel knows of nobody. Who was told of a moment ago stays, so that he is not told of again
    /// too soon.
    fn is_over(&self, now: Moment) -> bool {
        let is_known = |told: &Told| !told.networks.is_empty() || now.since(told.at) < REST;
        self.clients.is_empty() && !self.told.as_ref().is_some_and(is_known)
    }
}

/// Everybody's addresses.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    places: Places,
    live: HashMap<ConnectionKey, (SlotName, IpAddr)>,
    users: HashMap<SlotName, User>,
    key: Option<AddressKey>,
    /// What the sync that is under way tells.
    telling: Vec<(SlotName, Told)>,
    /// The panel has refused a sync for its addresses. A sync with a report must not fail for them again.
    refused: bool,
}

impl Addresses {
    /// Nobody's yet. `behind_proxy` names the inbounds that stand behind a proxy.
    pub(crate) fn new(behind_proxy: impl IntoIterator<Item = String>) -> Self {
        Self { places: Places::new(behind_proxy), ..Self::default() }
    }

    /// The template was read: these inbounds take a client's address from a header.
    pub(crate) fn by_header(&mut self, inbounds: Vec<String>) {
        self.places.by_header(inbounds);
    }

    /// The network of a connection's client, if the core's word for it can be trusted.
    pub(crate) fn network_of(&self, origin: &Origin) -> Option<IpAddr> {
        self.places.network_of(origin)
    }

    /// Takes in a list of events. `may_pass` tells the slots whose use counts: a connection that a shut gate refuses is
    /// none.
    pub(crate) fn connections(
        &mut self,
        reset: bool,
        events: &[ConnectionEvent],
        now: Moment,
        may_pass: impl Fn(&SlotName) -> bool,
    ) {
        for event in events.iter().filter(|event| event.closed || event.origin.is_some()) {
            let key = ConnectionKey::of(&event.id);
            if self.live.contains_key(&key) {
                if event.closed {
                    self.end(key, now);
                }
            } else if !(reset && event.closed) {
                // A list of all names connections that ended long ago as well.
                self.begin(key, event, now, &may_pass);
            }
        }
        if reset {
            let shown: HashSet<_> = events.iter().map(|event| ConnectionKey::of(&event.id)).collect();
            let ended: Vec<_> = self.live.keys().copied().filter(|key| !shown.contains(key)).collect();
            for key in ended {
                self.end(key, now);
            }
        }
    }

    /// The core has told where users are connected from just now. `may_pass` as above.
    pub(crate) fn online(
        &mut self,
        users: &[(String, Vec<IpAddr>)],
        now: Moment,
        may_pass: impl Fn(&SlotName) -> bool,
    ) {
        for (user, ips) in users {
            let Ok(slot) = SlotName::try_from(user.clone()) else { continue };
            let networks: Vec<IpAddr> = ips.iter().filter_map(|ip| self.places.network_by_any(*ip)).collect();
            let is_full = !self.users.contains_key(&slot) && self.users.len() >= MOST_USERS;
            if networks.is_empty() || is_full || !may_pass(&slot) {
                continue;
            }
            let held = self.users.entry(slot).or_default();
            for network in networks {
                held.seen(network, false, now);
            }
        }
    }

    fn begin(
        &mut self,
        key: ConnectionKey,
        event: &ConnectionEvent,
        now: Moment,
        may_pass: impl Fn(&SlotName) -> bool,
    ) {
        let Some(origin) = &event.origin else { return };
        let Ok(slot) = SlotName::try_from(origin.user.clone()) else { return };
        let Some(network) = self.places.network_of(origin).filter(|_| may_pass(&slot)) else { return };
        if !self.users.contains_key(&slot) && self.users.len() >= MOST_USERS {
            return;
        }
        let held = self.users.entry(slot.clone()).or_default().seen(network, !event.closed, now);
        if held && !event.closed {
            self.live.insert(key, (slot, network));
        }
    }

    fn end(&mut self, key: ConnectionKey, now: Moment) {
        let Some((slot, network)) = self.live.remove(&key) else { return };
        let client =
            self.users.get_mut(&slot).and_then(|user| user.clients.iter_mut().find(|of| of.network == network));
        if let Some(client) = client {
            client.live = client.live.saturating_sub(1);
            client.last = now;
        }
    }

    /// The core does not answer: whatever lived is over, or is in its next list.
    pub(crate) fn core_down(&mut self, now: Moment) {
        let keys: Vec<_> = self.live.keys().copied().collect();
        for key in keys {
            self.end(key, now);
        }
    }

    /// The day of the key that is held, 0 without one; `None` when nothing will be told.
    pub(crate) fn day(&self) -> Option<u32> {
        (!self.refused).then(|| self.key.as_ref().map_or(0, AddressKey::day))
    }

    /// What the next sync tells: those first who have waited longest.
    pub(crate) fn tell(&mut self, now: Moment) -> Vec<AddressSet> {
        self.telling.clear();
        for user in self.users.values_mut() {
            user.prune(now);
        }
        self.users.retain(|_, user| !user.is_over(now));
        let Some(key) = self.key.as_ref().filter(|_| !self.refused) else { return Vec::new() };
        let day = key.day();
        let mut due: Vec<_> = self
            .users
            .iter()
            .filter_map(|(slot, user)| Some((user.told.as_ref().map(|told| told.at), slot, user.due(day, now)?)))
            .collect();
        due.sort_unstable();
        let (mut sets, mut hashes) = (Vec::new(), 0);
        for (_, slot, networks) in due.into_iter().take(MAX_ADDRESS_SETS) {
            hashes += networks.len();
            if hashes > MAX_ADDRESSES_IN_ALL {
                break;
            }
            sets.push(AddressSet {
                slot: slot.clone(),
                day,
                hashes: networks.iter().map(|network| key.hash(slot, *network)).collect(),
            });
            self.telling.push((slot.clone(), Told { at: now, day, networks }));
        }
        sets
    }

    /// The panel has answered. `told` says whether the request carried what was to be told, `key` is what it hands down.
    pub(crate) fn answered(&mut self, told: bool, key: Option<AddressKey>) {
        for (slot, what) in self.telling.drain(..).filter(|_| told) {
            if let Some(user) = self.users.get_mut(&slot) {
                user.told = Some(what);
            }
        }
        if key.is_some() {
            self.key = key;
        }
    }

    /// The panel takes no sync with addresses: it gets none any more from this process.
    pub(crate) fn refused(&mut self) {
        self.refused = true;
    }
}
