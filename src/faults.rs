//! Faults on demand, for tests: built in only with the feature `faults`, which nothing that is deployed has.
//!
//! - the header `weir-fault-clock: SECONDS` moves this isolate's clock from that request on;
//! - the header `weir-fault-crash: N` ends that request after N round trips to the database, as an isolate that dies does;
//! - the variable `WEIR_MUTANT` takes out one protective line, so that a test can show that it is needed.

use core::cell::{Cell, RefCell};
use std::borrow::Cow;

use worker::{Env, Request};

use crate::domain::report::Verdict;
use crate::store::StoreError;

thread_local! {
    static CLOCK: Cell<i64> = const { Cell::new(0) };
    static CRASH: Cell<Option<u32>> = const { Cell::new(None) };
    static MUTANT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Takes a request's orders. They hold for the database handle that is opened next.
pub(crate) fn arm(request: &Request, env: &Env) {
    let order = |name| request.headers().get(name).ok().flatten();
    if let Some(seconds) = order("weir-fault-clock").and_then(|text| text.parse().ok()) {
        CLOCK.set(seconds);
    }
    CRASH.set(order("weir-fault-crash").and_then(|text| text.parse().ok()));
    MUTANT.set(env.var("WEIR_MUTANT").map(|name| name.to_string()).unwrap_or_default());
}

/// Seconds by which the clock is moved.
pub(crate) fn clock_offset() -> i64 {
    CLOCK.get()
}

/// Round trips that are left to one database handle.
pub(crate) struct Fuse(Cell<Option<u32>>);

impl Fuse {
    /// The fuse that the last request ordered.
    pub(crate) fn new() -> Self {
        Self(Cell::new(CRASH.take()))
    }

    /// Goes before every round trip.
    pub(crate) fn burn(&self) -> Result<(), StoreError> {
        match self.0.get() {
            Some(0) => Err(StoreError::Broken("a test ended this request here".into())),
            Some(left) => {
                self.0.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn is_mutant(name: &str) -> bool {
    MUTANT.with_borrow(|mutant| mutant == name)
}

/// A statement, without the line that the mutant lacks.
pub(crate) fn sql(sql: &str) -> Cow<'_, str> {
    if is_mutant("last_seq") {
        // The same parameters, and true for every number.
        return sql.replace("= CAST(?4 AS INTEGER)", ">= 0 * CAST(?4 AS INTEGER)").into();
    }
    if is_mutant("ask_n") {
        return sql
            .replace("WHERE CAST(?2 AS INTEGER) > coalesce(", "WHERE CAST(?2 AS INTEGER) > 0 * coalesce(")
            .into();
    }
    sql.into()
}

/// Whether admin actions go one after the other; the mutant lets them meet in the database, as those of two isolates do.
pub(crate) fn has_turns() -> bool {
    !is_mutant("turn")
}

/// A verdict, without the look at the digest that the mutant lacks.
pub(crate) fn verdict(verdict: Verdict) -> Verdict {
    if is_mutant("digest") && verdict == Verdict::Fork { Verdict::Repeated } else { verdict }
}
