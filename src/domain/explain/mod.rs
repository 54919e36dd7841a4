//! Why a user stands where he stands: what was charged in his period, from where, and what of it cannot be told.
//!
//! Charges are exact, and so is the history of what each node counted. Between the two lie the nodes' coefficients, of which only
//! those of today are known, and the first hour or day of a period that began within it. What does not add up is stated.

mod flow;
mod grants;
mod stand;
mod sums;

use chrono::DateTime;
use weir_wire::Second;

pub use self::flow::{Flows, Stretch, flows};
pub use self::grants::{Held, held};
pub use self::stand::{Stand, remaining};
pub use self::sums::{Because, Charged, Check, External, Mark, charged, check, since};

fn when(at: Second) -> String {
    DateTime::from_timestamp(at.get(), 0)
        .map_or_else(|| at.to_string(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}
