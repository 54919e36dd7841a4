//! A node: what its agent knows besides its lines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::dice::Dice;
use crate::line::NEVER;

/// Bytes that were cut together: `(line, bytes, when the oldest was counted)`.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The end of their time.
    pub(crate) to: u64,
    pub(crate) users: Vec<(u32, u64, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) n: u64,
    pub(crate) next: u64,
    pub(crate) not_before: u64,
    /// The wake that counts.
    pub(crate) wake: u64,
    /// Lines by their oldest unreported byte, some of them void.
    pub(crate) old: VecDeque<(u64, u32)>,
    /// Lines by when they will have much, some of them void.
    pub(crate) much: BinaryHeap<Reverse<(u64, u32)>>,
    /// Lines whose addresses have to be told, some of them void.
    pub(crate) told: BinaryHeap<Reverse<(u64, u32)>>,
    pub(crate) wanted: Vec<u32>,
    /// Until then a sync has nothing to say, and finds nothing in the roster that concerns its lines.
    pub(crate) idle_until: u64,
    pub(crate) parcels: VecDeque<Parcel>,
    /// Entries of the roster's log that it has, and how many of them the panel knows that it has.
    pub(crate) held: usize,
    pub(crate) stored: usize,
    pub(crate) seen_at: u64,
    pub(crate) dice: Option<Dice>,
}

impl Node {
    /// There will be something to say.
    pub(crate) fn busy_at(&mut self, at: u64) {
        self.idle_until = self.idle_until.min(at);
    }

    /// Looks anew when there will be something to say.
    pub(crate) fn look(&mut self, age: u64) {
        let first = |heap: &BinaryHeap<Reverse<(u64, u32)>>| heap.peek().map_or(NEVER, |Reverse((at, _))| *at);
        let old = self.old.front().map_or(NEVER, |(since, _)| since + age);
        let is_busy = !self.parcels.is_empty() || !self.wanted.is_empty();
        self.idle_until = if is_busy { 0 } else { old.min(first(&self.much)).min(first(&self.told)) };
    }
}
