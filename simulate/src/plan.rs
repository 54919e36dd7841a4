//! What Cloudflare's plans include and what more costs, per month of 30 days. Sources: developers.cloudflare.com,
//! `workers/platform/{limits,pricing}`, `d1/platform/{limits,pricing}`, `durable-objects/platform/pricing`; read again before
//! you quote them.

use crate::number::real;

/// A simulated day, or a month of such days.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    pub(crate) requests: f64,
    pub(crate) written: f64,
    pub(crate) read: f64,
    /// Milliseconds.
    pub(crate) cpu: f64,
    /// Requests to the Durable Object.
    pub(crate) bell: f64,
}

pub(crate) const DAYS: f64 = 30.0;

/// Per day on the Free plan; beyond, requests and queries fail until 00:00 UTC.
pub(crate) const FREE_REQUESTS: u64 = 100_000;
pub(crate) const FREE_WRITTEN: u64 = 100_000;
pub(crate) const FREE_READ: u64 = 5_000_000;
pub(crate) const FREE_BELL: u64 = 100_000;
/// Of one database.
pub(crate) const FREE_STORAGE: u64 = 500_000_000;
pub(crate) const PAID_STORAGE: u64 = 10_000_000_000;

/// The Paid plan's month: base price, what it includes, dollars for each million (storage: for each GB) beyond.
pub(crate) const BASE: f64 = 5.0;
const REQUESTS: (f64, f64) = (10e6, 0.30);
const CPU: (f64, f64) = (30e6, 0.02);
const WRITTEN: (f64, f64) = (50e6, 1.00);
const READ: (f64, f64) = (25e9, 0.001);
const BELL: (f64, f64) = (1e6, 0.15);
const STORAGE: (f64, f64) = (5e9, 0.75);

fn beyond((included, price): (f64, f64), used: f64, unit: f64) -> f64 {
    (used - included).max(0.0) / unit * price
}

/// Dollars of a month on the Paid plan, by what they are paid for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bill {
    pub(crate) requests: f64,
    pub(crate) cpu: f64,
    pub(crate) rows: f64,
    pub(crate) bell: f64,
    pub(crate) storage: f64,
}

impl Bill {
    pub(crate) fn of(month: &Use, storage: u64) -> Self {
        Self {
            requests: beyond(REQUESTS, month.requests, 1e6),
            cpu: beyond(CPU, month.cpu, 1e6),
            rows: beyond(WRITTEN, month.written, 1e6) + beyond(READ, month.read, 1e6),
            bell: beyond(BELL, month.bell, 1e6),
            storage: beyond(STORAGE, real(storage), 1e9),
        }
    }

    pub(crate) fn total(&self) -> f64 {
        BASE + self.requests + self.cpu + self.rows + self.bell + self.storage
    }
}

/// What of the Free plan a day uses up: the largest share, and of what.
pub(crate) fn free_share(day: &Use, storage: u64) -> (f64, &'static str) {
    let shares = [
        (day.written / real(FREE_WRITTEN), "rows written"),
        (day.read / real(FREE_READ), "rows read"),
        (day.requests / real(FREE_REQUESTS), "requests"),
        (day.bell / real(FREE_BELL), "requests to the Durable Object"),
        (real(storage) / real(FREE_STORAGE), "storage"),
    ];
    shares.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_included_costs_the_base_price_alone() {
        let month = Use { requests: 10e6, written: 50e6, read: 25e9, cpu: 30e6, bell: 1e6 };
        assert!((Bill::of(&month, 5_000_000_000).total() - BASE).abs() < 1e-9);
    }

    #[test]
    fn what_is_beyond_costs_its_price_a_million() {
        let month = Use { requests: 11e6, written: 51e6, read: 26e9, cpu: 31e6, bell: 2e6 };
        let bill = Bill::of(&month, 6_000_000_000);
        assert!((bill.total() - (5.0 + 0.3 + 1.0 + 1.0 + 0.02 + 0.15 + 0.75)).abs() < 1e-9);
    }

    #[test]
    fn the_scarcest_thing_decides_what_of_the_free_plan_is_used() {
        let day = Use { requests: 20_000.0, written: 50_000.0, read: 1e6, ..Use::default() };
        assert_eq!(free_share(&day, 10_000_000), (0.5, "rows written"));
    }
}
