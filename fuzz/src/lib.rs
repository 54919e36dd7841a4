//! What holds whatever a stranger writes: one module a fuzz target, each with one function that panics when it does not hold.
//!
//! `fuzz/targets/` gives these functions what libFuzzer thinks of; `tests/fuzz_seeds.rs` includes this file and gives them the seeds, on
//! every run of the tests. So nothing here may know of libFuzzer.

pub mod formats;
pub mod links;
pub mod marzban;
pub mod reach;
pub mod sources;
pub mod texts;
pub mod tokens;
pub mod wire;
pub mod xpert;

/// A target's name, and its check.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 9] = [
    ("formats", formats::check),
    ("links", links::check),
    ("marzban", marzban::check),
    ("reach", reach::check),
    ("sources", sources::check),
    ("texts", texts::check),
    ("tokens", tokens::check),
    ("wire", wire::check),
    ("xpert", xpert::check),
];
