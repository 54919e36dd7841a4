//! Who is connected and from where, and who is over his limit of devices or of connections.
//!
//! A device is a network with a live connection, as [`crate::addresses`] tells networks apart. The networks that came first stay:
//! connections of the newest one over the limit are ended by their ids, and so are the newest over the limit of connections. What
//! is held back takes no place, so a device that leaves makes room for the next that comes.
//!
//! A client that comes again as soon as it is shown out costs a call to the core each time. So in a storm its connections are
//! ended together at the next tick, ten times a second: it waits for the end of one before it tries another.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use weir_wire::SlotName;

use crate::clock::Moment;
use crate::cores::{ConnectionEvent, Origin};
use crate::tally::connection::ConnectionKey;

/// So many ends of one user within a second are a storm; what comes beyond waits for the next tick.
const STORM: u32 = 20;
/// Milliseconds over which they are counted.
const STORM_WINDOW: u64 = 1_000;
/// Milliseconds before a connection that the core did not end is ended again.
const AGAIN: u64 = 1_000;
/// Users of whom it is remembered that they were held back; those of long ago give way.
const MOST_REMEMBERED: usize = 256;

/// What a user may have at once; 0 = unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Networks with a live connection.
    pub(crate) devices: u32,
    /// Live connections.
    pub(crate) streams: u32,
}

/// Why a connection is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Devices,
    Streams,
}

#[derive(Debug)]
struct Stream {
    id: String,
    slot: SlotName,
    /// `None` where the core's word for it cannot be trusted: such a connection is no device.
    network: Option<IpAddr>,
    order: u64,
    /// When its end was asked for.
    held: Option<Moment>,
}

/// A network that a user's connections come from.
#[derive(Debug)]
struct Device {
    /// The order of the first of them.
    since: u64,
    live: u32,
}

/// One user's connections that are not held back.
#[derive(Debug, Default)]
struct User {
    devices: HashMap<IpAddr, Device>,
    streams: u32,
}

/// How often a user was held back since the agent started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    /// Whose.
    pub(crate) slot: SlotName,
    /// Connections that were ended because they came from one device too many.
    pub(crate) devices: u64,
    /// Connections that were ended because there were too many.
    pub(crate) streams: u64,
}

#[derive(Debug)]
struct Record {
    devices: u64,
    streams: u64,
    last: Moment,
    /// The begin of the present window, and what was ended in it.
    window: Moment,
    recent: u32,
}

/// Everybody's connections.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    streams: HashMap<ConnectionKey, Stream>,
    users: HashMap<SlotName, User>,
    order: u64,
    /// Connections to end at the next tick.
    waiting: Vec<String>,
    records: BTreeMap<SlotName, Record>,
    /// Connections that were held back since the agent started.
    total: u64,
}

impl Presence {
    /// Takes in what the core told; returns the connections that must end now. `network` tells where a client is, `allowance`
    /// what a slot may have: none for one that may not pass, whose connections end anyway.
    pub(crate) fn connections(
        &mut self,
        reset: bool,
        events: &[ConnectionEvent],
        now: Moment,
        network: impl Fn(&Origin) -> Option<IpAddr>,
        allowance: impl Fn(&SlotName) -> Option<Allowance>,
    ) -> Vec<String> {
        let mut over = Vec::new();
        if reset {
            let shown: HashSet<_> = events.iter().map(|event| ConnectionKey::of(&event.id)).collect();
            let ended: Vec<_> = self.streams.keys().copied().filter(|key| !shown.contains(key)).collect();
            for key in ended {
                self.end(key);
            }
        }
        for event in events {
            let key = ConnectionKey::of(&event.id);
            if event.closed {
                self.end(key);
            } else if let Some(stream) = self.streams.get_mut(&key) {
                // It lives on though its end was asked for.
                if stream.held.is_some_and(|held| now.since(held) >= AGAIN) {
                    stream.held = Some(now);
                    over.push(event.id.clone());
                }
            } else if let Some(origin) = &event.origin
                && let Ok(slot) = SlotName::try_from(origin.user.clone())
                && let Some(allowed) = allowance(&slot)
            {
                self.order += 1;
                let (network, order) = (network(origin), self.order);
                let why = self.users.entry(slot.clone()).or_default().admit(network, order, allowed);
                if let Some(why) = why {
                    self.hold(&slot, why, event.id.clone(), now, &mut over);
                }
                let held = why.map(|_| now);
                self.streams.insert(key, Stream { id: event.id.clone(), slot, network, order, held });
            }
        }
        over
    }

    fn end(&mut self, key: ConnectionKey) {
        let Some(stream) = self.streams.remove(&key) else { return };
        if let Some(user) = self.users.get_mut(&stream.slot) {
            if stream.held.is_none() {
                user.leave(stream.network);
            }
            if user.streams == 0 {
                self.users.remove(&stream.slot);
            }
        }
    }

    /// A user may have more or less from now on; returns the connections that must end now.
    pub(crate) fn allow(&mut self, slot: &SlotName, allowed: Allowance, now: Moment) -> Vec<String> {
        let Some(user) = self.users.get_mut(slot) else { return Vec::new() };
        if user.fits(allowed) {
            return Vec::new();
        }
        let mut live: Vec<_> =
            self.streams.values_mut().filter(|stream| stream.slot == *slot && stream.held.is_none()).collect();
        live.sort_unstable_by_key(|stream| stream.order);
        let mut devices: Vec<_> = user.devices.iter().map(|(network, device)| (device.since, *network)).collect();
        devices.sort_unstable();
        let stay: HashSet<_> = devices.iter().take(most(allowed.devices)).map(|(_, network)| *network).collect();
        let (mut left, mut ends) = (most(allowed.streams), Vec::new());
        for stream in live {
            let why = match stream.network {
                Some(network) if !stay.contains(&network) => Over::Devices,
                _ if left == 0 => Over::Streams,
                _ => {
                    left -= 1;
                    continue;
                }
            };
            stream.held = Some(now);
            user.leave(stream.network);
            ends.push((stream.id.clone(), why));
        }
        let mut over = Vec::new();
        for (id, why) in ends {
            self.hold(slot, why, id, now, &mut over);
        }
        over
    }

    /// Counts a connection that is held back, and has it ended: now, or in a storm at the next tick.
    fn hold(&mut self, slot: &SlotName, why: Over, id: String, now: Moment, over: &mut Vec<String>) {
        if !self.records.contains_key(slot) && self.records.len() >= MOST_REMEMBERED {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.last).map(|(slot, _)| slot.clone());
            oldest.and_then(|slot| self.records.remove(&slot));
        }
        let fresh = Record { devices: 0, streams: 0, last: now, window: now, recent: 0 };
        let record = self.records.entry(slot.clone()).or_insert(fresh);
        match why {
            Over::Devices => record.devices += 1,
            Over::Streams => record.streams += 1,
        }
        record.last = now;
        if now.since(record.window) >= STORM_WINDOW {
            (record.window, record.recent) = (now, 0);
        }
        record.recent = record.recent.saturating_add(1);
        self.total = self.total.saturating_add(1);
        if record.recent > STORM { self.waiting.push(id) } else { over.push(id) }
    }

    /// Connections of storms, which must end with this tick.
    pub(crate) fn tick(&mut self) -> Vec<String> {
        core::mem::take(&mut self.waiting)
    }

    /// Whether there is anything to end with the next tick.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The core went away, and with it every connection.
    pub(crate) fn core_down(&mut self) {
        self.streams.clear();
        self.users.clear();
        self.waiting.clear();
    }

    /// Connections that were held back since the agent started.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// Users who were held back since the agent started, the latest first.
    pub(crate) fn held_back(&self, most: usize) -> Vec<HeldBack> {
        let mut records: Vec<_> = self.records.iter().collect();
        records.sort_by_key(|(_, record)| core::cmp::Reverse(record.last));
        let told = |(slot, record): (&SlotName, &Record)| HeldBack {
            slot: slot.clone(),
            devices: record.devices,
            streams: record.streams,
        };
        records.into_iter().take(most).map(told).collect()
    }
}

/// A limit as a number of things.
fn most(limit: u32) -> usize {
    if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}

impl User {
    /// Lets a connection in, or tells what there would be too many of.
    fn admit(&mut self, network: Option<IpAddr>, order: u64, allowed: Allowance) -> Option<Over> {
        let is_new = network.is_some_and(|network| !self.devices.contains_key(&network));
        if is_new && self.devices.len() >= most(allowed.devices) {
            return Some(Over::Devices);
        }
        if allowed.streams != 0 && self.streams >= allowed.streams {
            return Some(Over::Streams);
        }
        self.streams += 1;
        if let Some(network) = network {
            self.devices.entry(network).or_insert(Device { since: order, live: 0 }).live += 1;
        }
        None
    }

    fn leave(&mut self, network: Option<IpAddr>) {
        self.streams = self.streams.saturating_sub(1);
        let Some(network) = network else { return };
        if let Some(device) = self.devices.get_mut(&network) {
            device.live = device.live.saturating_sub(1);
            if device.live == 0 {
                self.devices.remove(&network);
            }
        }
    }

    fn fits(&self, allowed: Allowance) -> bool {
        self.devices.len() <= most(allowed.devices) && (allowed.streams == 0 || self.streams <= allowed.streams)
    }
}
