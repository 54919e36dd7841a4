//! The price list: what each operation costs in D1's currency and in CPU.
//!
//! Rows and queries are what `bench/README.md` measured with D1's own counters; `ceiling` is the budget that a test asserts,
//! and a test of this file holds each price to it. CPU is in thousandths of an empty request, measured beside one
//! (`bench/README.md`), a local D1 included. Estimates say so.

use core::ops::AddAssign;

/// One operation, or what one more of something adds to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Price {
    pub(crate) written: u64,
    pub(crate) read: u64,
    pub(crate) queries: u64,
    /// Thousandths of an empty request.
    pub(crate) cpu: u64,
    /// Rows written and read at most, as asserted.
    #[cfg(test)]
    pub(crate) ceiling: (u64, u64),
    pub(crate) what: &'static str,
    /// Where it is asserted or stated.
    pub(crate) source: &'static str,
}

macro_rules! prices {
    ($($name:ident: $what:literal, $written:literal w $read:literal r $queries:literal q $cpu:literal cpu,
        most $most_written:literal w $most_read:literal r, $source:literal;)*) => {
        $(pub(crate) const $name: Price = Price {
            written: $written, read: $read, queries: $queries, cpu: $cpu,
            #[cfg(test)]
            ceiling: ($most_written, $most_read), what: $what, source: $source,
        };)*
        /// All of them, in the order of the table.
        pub(crate) const ALL: &[Price] = &[$($name),*];
    };
}

prices! {
    SYNC: "sync, nothing to say", 0 w 3 r 1 q 2430 cpu, most 0 w 3 r, "row-budgets: an idle sync writes nothing";
    SEEN: "+ how the node is, once a minute or after a new roster", 1 w 1 r 1 q 300 cpu, most 1 w 1 r, "row-budgets: once a minute a sync stores how the node is; CPU estimated";
    REPORT: "+ a report", 2 w 8 r 7 q 2768 cpu, most 3 w 9 r, "row-budgets: a report of n users; migration 0006, epochs_hour";
    REPORT_USER: "+ each user of it", 2 w 7 r 0 q 32 cpu, most 2 w 8 r, "row-budgets: a report of n users";
    ROLL: "+ a user whose new period begins with it", 1 w 0 r 0 q 34 cpu, most 1 w 0 r, "row-budgets: a report into a new period; migration 0006, usage_period";
    GATE: "+ a user whose gate moves", 4 w 5 r 0 q 34 cpu, most 4 w 5 r, "row-budgets: a report whose users cross their quota; migration 0005, slots_gate";
    ASKS: "+ asks", 0 w 0 r 1 q 1000 cpu, most 0 w 0 r, "row-budgets: n asks; CPU estimated";
    ASK: "+ each ask", 1 w 4 r 0 q 34 cpu, most 1 w 4 r, "row-budgets: n asks cost a row written and four read each";
    STARVING: "+ a user who starves while other nodes hold grants", 3 w 16 r 3 q 1500 cpu, most 3 w 16 r, "row-budgets: a user who starves; CPU estimated";
    ADDRESSES: "+ addresses", 0 w 2 r 3 q 1500 cpu, most 0 w 2 r, "row-budgets: addresses of k users; CPU estimated";
    ADDRESS: "+ each set of addresses that differs", 1 w 13 r 0 q 34 cpu, most 1 w 18 r, "row-budgets: addresses of k users";
    ADDRESS_SAME: "+ each set of addresses that stays", 0 w 13 r 0 q 34 cpu, most 0 w 13 r, "row-budgets: addresses of k users";
    ROSTER: "+ a changed roster", 0 w 1 r 1 q 500 cpu, most 0 w 1 r, "row-budgets: roster changes; CPU estimated";
    ROSTER_ENTRY: "+ each entry of it", 0 w 2 r 0 q 10 cpu, most 0 w 2 r, "row-budgets: roster changes cost two rows read an entry";
    RING: "ring, one request to the Durable Object", 0 w 0 r 0 q 0 cpu, most 0 w 0 r, "bench/README.md, Rows";
    FETCH: "subscription fetch, first of the hour", 1 w 3 r 2 q 2470 cpu, most 1 w 4 r, "row-budgets-panel: one user costs a few rows";
    FETCH_FORGOTTEN: "+ its row, when it is forgotten", 1 w 2 r 0 q 0 cpu, most 1 w 2 r, "src/store/fetch_log.rs";
    PAGE: "page of the panel", 0 w 108 r 4 q 4330 cpu, most 0 w 150 r, "row-budgets-panel: a page of 50 users";
    CREATE: "user created", 14 w 29 r 11 q 8000 cpu, most 14 w 29 r, "row-budgets-panel: one user costs a few rows; CPU estimated";
    CHANGE: "user changed", 8 w 36 r 13 q 8000 cpu, most 8 w 36 r, "row-budgets-panel: one user costs a few rows; CPU estimated";
    WEBHOOK: "webhook about other servers", 1 w 2 r 2 q 4420 cpu, most 1 w 4 r, "design 5; src/store/xpert_reports.rs";
    WEBHOOK_FOLDED: "+ its row, when it is added up", 3 w 3 r 0 q 10 cpu, most 3 w 3 r, "src/store/xpert_stats.rs";
    LOOK: "trigger of a minute", 0 w 13 r 1 q 1740 cpu, most 0 w 13 r, "src/store/jobs.rs: 1 read per job that exists";
    JOB: "+ each job that is due", 2 w 2 r 3 q 500 cpu, most 2 w 2 r, "src/cron/mod.rs: 2 written per job; CPU estimated";
    SWEEP: "+ the sweep, nobody due", 0 w 6 r 7 q 1500 cpu, most 0 w 50 r, "row-budgets-panel: a sweep that has nothing to do; CPU estimated";
    PERIOD: "+ each period that it ends", 4 w 4 r 0 q 34 cpu, most 5 w 5 r, "row-budgets-panel: the end of n periods";
    SWEPT_GATE: "+ each gate that it moves", 4 w 9 r 0 q 34 cpu, most 4 w 9 r, "row-budgets-panel: a gate that opens with the new period";
    EXPIRY: "+ each account that expires", 8 w 13 r 0 q 68 cpu, most 10 w 24 r, "row-budgets-panel: what comes to accounts more rarely";
    CURSOR: "+ a job's cursor", 1 w 1 r 1 q 100 cpu, most 1 w 1 r, "src/store/jobs.rs";
    FOLD: "an hour of history folded into its day", 1 w 7 r 0 q 34 cpu, most 1 w 7 r, "src/store/rollup.rs";
    FOLDED: "+ each day or month that this makes", 1 w 0 r 0 q 0 cpu, most 1 w 0 r, "src/store/rollup.rs";
    TELL: "an instance of the Worker tells what it spent", 1 w 1 r 1 q 300 cpu, most 1 w 1 r, "src/store/day.rs";
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) written: u64,
    pub(crate) read: u64,
    pub(crate) queries: u64,
    pub(crate) cpu: u64,
}

impl Spent {
    /// Adds `count` times `price`.
    pub(crate) const fn add(&mut self, price: &Price, count: u64) {
        self.written += price.written * count;
        self.read += price.read * count;
        self.queries += price.queries * count;
        self.cpu += price.cpu * count;
    }

    /// Adds rows read for which there is no price of their own.
    pub(crate) const fn read(&mut self, rows: u64) {
        self.read += rows;
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.written += more.written;
        self.read += more.read;
        self.queries += more.queries;
        self.cpu += more.cpu;
    }
}

/// What it was spent for: the rows of the second table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum For {
    Reports,
    Polling,
    Grants,
    Addresses,
    Roster,
    Subscriptions,
    Persons,
    Periods,
    History,
    Jobs,
    Webhooks,
}

impl For {
    pub(crate) const ALL: [Self; 11] = [
        Self::Reports,
        Self::Polling,
        Self::Grants,
        Self::Addresses,
        Self::Roster,
        Self::Subscriptions,
        Self::Persons,
        Self::Periods,
        Self::History,
        Self::Jobs,
        Self::Webhooks,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reports => "reports of bytes",
            Self::Polling => "syncs, and how nodes are",
            Self::Grants => "limits asked for",
            Self::Addresses => "addresses of clients",
            Self::Roster => "roster changes",
            Self::Subscriptions => "subscription fetches",
            Self::Persons => "users created and changed, pages",
            Self::Periods => "periods and accounts that end",
            Self::History => "history folded and forgotten",
            Self::Jobs => "jobs",
            Self::Webhooks => "webhooks about other servers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_price_is_above_the_budget_that_a_test_asserts() {
        for price in ALL {
            let (written, read) = price.ceiling;
            assert!(price.written <= written && price.read <= read, "{}", price.what);
            assert!(!price.source.is_empty());
        }
    }

    #[test]
    fn a_sync_with_a_report_costs_what_the_bench_measured() {
        for (users, written, read, queries, cpu) in
            [(1, 4, 18, 8, 5_230), (100, 202, 711, 8, 9_290), (1_000, 2_002, 7_011, 8, 35_200)]
        {
            let mut spent = Spent::default();
            spent.add(&SYNC, 1);
            spent.add(&REPORT, 1);
            spent.add(&REPORT_USER, users);
            assert_eq!((spent.written, spent.read, spent.queries), (written, read, queries));
            assert!(spent.cpu.abs_diff(cpu) < cpu / 10, "{users} users: {} of {cpu}", spent.cpu);
        }
    }
}
