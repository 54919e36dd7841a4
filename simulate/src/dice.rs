//! Chance with a seed: `SplitMix64`, so that the same arguments give the same table on every machine.

use core::f64::consts::TAU;

use crate::number::{real, whole};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own, so that what one user does never depends on how many others there are.
    pub(crate) fn fork(&self, number: u64) -> Self {
        let mut fork = Self(self.0 ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        fork.bits();
        fork
    }

    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Random bits as the agent's own dice have them.
    pub(crate) fn jitter(&mut self) -> u32 {
        u32::try_from(self.bits() >> 32).unwrap_or(0)
    }

    /// From 0 to below 1.
    pub(crate) fn part(&mut self) -> f64 {
        real(self.bits() >> 11) / real(1 << 53)
    }

    /// From 0 to below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        whole(self.part() * real(end)).min(end.saturating_sub(1))
    }

    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.part() < share
    }

    /// Of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.part()).ln()
    }

    /// Of median 1; the larger `sigma`, the heavier its tail.
    pub(crate) fn log_normal(&mut self, sigma: f64) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        (sigma * radius * (TAU * self.part()).cos()).exp()
    }
}
