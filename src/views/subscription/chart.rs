//! Traffic by day as a picture.

use chrono::DateTime;
use weir_wire::{Bytes, Second};

use crate::domain::history::{Bucket, Span};
use crate::domain::notice::texts::Language;
use crate::domain::page::calendar;
use crate::domain::page::language::written;

/// Days that are shown.
pub(in crate::views) const DAYS: i64 = 30;
const DAY: i64 = 86_400;
/// Units of the picture: a day is 10 wide, the highest bar 100 high.
const WIDTH: i64 = 10;
const HEIGHT: u64 = 100;

/// Bars of the last 30 days of UTC.
pub(in crate::views) struct Chart {
    pub(in crate::views) bars: Vec<Bar>,
    /// The largest day.
    pub(in crate::views) most: String,
    pub(in crate::views) first: String,
    pub(in crate::views) last: String,
    /// Days with traffic, the newest first.
    pub(in crate::views) table: Vec<(String, String)>,
}

/// A day.
pub(in crate::views) struct Bar {
    pub(in crate::views) x: i64,
    pub(in crate::views) y: u64,
    pub(in crate::views) height: u64,
    /// Day and size.
    pub(in crate::views) text: String,
}

/// None when there was no traffic at all.
pub(in crate::views) fn chart(days: &[Bucket], now: Second, language: Language) -> Option<Chart> {
    let today = Span::Day.start(now);
    let begin = |back: i64| today.plus(-back * DAY);
    let of =
        |start: Second| days.iter().find(|day| day.start == start).map_or(Bytes::ZERO, |day| day.up.plus(day.down));
    let most = (0..DAYS).map(|back| of(begin(back))).max().filter(|most| !most.is_zero())?;
    let name = |start: Second| {
        calendar::short(DateTime::from_timestamp(start.get(), 0).unwrap_or_default().date_naive(), language)
    };
    let bar = |back: i64| {
        let bytes = of(begin(back));
        let share = u128::from(bytes.get()) * u128::from(HEIGHT) / u128::from(most.get());
        // What was little is still to be seen.
        let height = u64::try_from(share).unwrap_or(HEIGHT).max(u64::from(!bytes.is_zero()) * 2);
        let text = format!("{}: {}", name(begin(back)), written(bytes, language));
        Bar { x: (DAYS - 1 - back) * WIDTH, y: HEIGHT - height, height, text }
    };
    let busy = (0..DAYS).map(begin).filter(|start| !of(*start).is_zero());
    Some(Chart {
        bars: (0..DAYS).rev().map(bar).collect(),
        most: written(most, language),
        first: name(begin(DAYS - 1)),
        last: name(today),
        table: busy.map(|start| (name(start), written(of(start), language))).collect(),
    })
}
