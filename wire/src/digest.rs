//! What tells two reports with the same number apart.

use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::id::Epoch;
use crate::sync::Report;

/// The first 128 bits, in hex, of SHA-256 over everything in a report that has an effect in the panel.
///
/// Every field goes in with its length or a separator, so no two different reports are written the same.
#[must_use]
pub fn report_digest(epoch: Epoch, report: &Report) -> String {
    let mut text = format!(
        "weir/report/1\n{epoch} {} {} {} {} {}\n",
        report.seq, report.from, report.to, report.unattributed, report.foreign
    );
    // Writing to a String cannot fail.
    if let Some(leaves) = &report.leaves {
        let _ = writeln!(text, "leaves {} {} {}", leaves.epoch, leaves.seq, leaves.ambiguous);
    }
    for usage in &report.users {
        let _ = writeln!(text, "{} {} {}", usage.slot, usage.up, usage.down);
    }
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(32);
    digest
}
