//! The outcome as people and as programs read it.

use core::fmt::Write as _;

use serde_json::{Value, json};

use crate::args::Args;
use crate::cost::{self, For, Spent};
use crate::number::{real, whole};
use crate::outcome::{EMPTY_MS, Outcome};
use crate::plan::{self, BASE, Bill, PAID_STORAGE};

/// A count with thousands set apart.
fn count(number: f64) -> String {
    let digits = whole(number.round()).to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many things of a kind.
fn things(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(real(number)), if number == 1 { "" } else { "s" })
}

/// Which days the figures are of.
fn days(month_end: bool, number: u64) -> String {
    match (month_end, number) {
        (false, 1) => "an average day".to_owned(),
        (true, 1) => "the day on which all periods end".to_owned(),
        (false, _) => format!("an average of {}", things(number, "day")),
        (true, _) => format!("an average of {}, on the first of which all periods end", things(number, "day")),
    }
}

/// Bytes in the unit that fits.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = real(bytes);
    let mut unit = "B";
    for next in UNITS {
        unit = next;
        if value < 1024.0 {
            break;
        }
        if next != "TiB" {
            value /= 1024.0;
        }
    }
    if value < 100.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// Whether the Free plan carries it, and why not.
fn free(out: &Outcome) -> String {
    let (share, what) = plan::free_share(&out.day(), out.storage);
    let verdict = if share <= 1.0 { "fits" } else { "does not fit" };
    format!("{verdict}: {:.0} % of its {what}", share * 100.0)
}

fn line(out: &mut String, what: &str, value: &str) {
    let _ = writeln!(out, "{what:<34}{value}");
}

/// One readable table.
pub(crate) fn text(args: &Args, out: &Outcome) -> String {
    let mut text = String::new();
    let (day, bill) = (out.day(), Bill::of(&out.month(), out.storage));
    let _ = writeln!(
        text,
        "{} on {}, {}, seed {}: a sync every {} s, reports after {} s or {}\n",
        things(out.users, "user"),
        things(out.nodes, "node"),
        days(args.month_end, out.days),
        args.seed,
        args.policy.interval,
        args.policy.report_seconds,
        size(args.policy.report_bytes.get()),
    );
    line(&mut text, "users connected in a day", &count(real(out.active) / real(out.days)));
    line(&mut text, "traffic in a day", &size(out.generated / out.days));
    line(&mut text, "requests in a day", &count(day.requests));
    line(&mut text, "  to the Durable Object", &count(day.bell));
    line(&mut text, "rows written in a day", &count(day.written));
    line(&mut text, "rows read in a day", &count(day.read));
    line(&mut text, "CPU in a day, at most", &format!("{} s", count(day.cpu / 1_000.0)));
    let heaviest =
        format!("{:.0} ms, {}", real(out.heaviest()) / 1_000.0 * EMPTY_MS, things(out.largest_report, "user"));
    line(&mut text, "  the heaviest sync, at most", &heaviest);
    let (requests, written, queries) = out.peak();
    let peak = format!("{requests:.1} requests, {written:.0} rows written, {queries:.1} queries a second");
    line(&mut text, "busiest minutes", &peak);
    line(&mut text, "database in a year", &format!("{} ({:.1} databases)", size(out.storage), databases(out)));
    let worst = format!("{:.0} s (mean {:.0} s)", real(out.staleness) / 1_000.0, out.mean_staleness());
    line(&mut text, "worst staleness of a total", &worst);
    let reached = things(out.limited, "user");
    let over = format!("{} ({reached} reached it; {} beyond the bound)", size(out.overshoot), out.beyond_bound);
    line(&mut text, "worst overshoot of a quota", &over);
    line(&mut text, "Free plan", &free(out));
    let dollars = format!(
        "${:.2} a month: base {BASE:.0}, requests {:.2}, CPU {:.2}, rows {:.2}, bell {:.2}, storage {:.2}",
        bill.total(),
        bill.requests,
        bill.cpu,
        bill.rows,
        bill.bell,
        bill.storage
    );
    line(&mut text, "Paid plan", &dollars);
    let sum = out.sum();
    let _ = writeln!(text, "\n{:<34}{:>14}{:>7}{:>16}{:>7}", "in a day, for", "written", "%", "read", "%");
    for purpose in For::ALL {
        let spent = out.by.get(purpose as usize).copied().unwrap_or_default();
        let part = |of: fn(&Spent) -> u64| (real(of(&spent)) / real(out.days), share(of(&spent), of(&sum)));
        let ((written, of_written), (read, of_read)) = (part(|spent| spent.written), part(|spent| spent.read));
        let _ = writeln!(
            text,
            "{:<34}{:>14}{of_written:>7.1}{:>16}{of_read:>7.1}",
            purpose.name(),
            count(written),
            count(read)
        );
    }
    text
}

/// The price list, in the form of the documents.
pub(crate) fn prices() -> String {
    let mut text =
        String::from("| operation | written | read | queries | CPU, x empty | from |\n|---|---|---|---|---|---|\n");
    for price in cost::ALL {
        let cpu = real(price.cpu) / 1_000.0;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {cpu:.2} | {} |",
            price.what, price.written, price.read, price.queries, price.source
        );
    }
    text
}

fn share(part: u64, whole: u64) -> f64 {
    real(part) * 100.0 / real(whole.max(1))
}

/// How many of the platform's largest databases it takes by size.
fn databases(out: &Outcome) -> f64 {
    real(out.storage) / real(PAID_STORAGE)
}

/// All figures. Times in milliseconds, sizes in bytes, days on average.
pub(crate) fn json(args: &Args, out: &Outcome) -> Value {
    let (day, bill) = (out.day(), Bill::of(&out.month(), out.storage));
    let (requests, written, queries) = out.peak();
    let (free_share, free_by) = plan::free_share(&day, out.storage);
    let by = For::ALL.map(|purpose| {
        let spent = out.by.get(purpose as usize).copied().unwrap_or_default();
        json!({ "for": purpose.name(), "written": spent.written, "read": spent.read, "queries": spent.queries })
    });
    json!({
        "users": out.users, "nodes": out.nodes, "days": out.days, "seed": args.seed,
        "active": args.active, "always_on": args.always_on, "webhooks": args.webhooks, "month_end": args.month_end,
        "policy": args.policy,
        "day": { "active": real(out.active) / real(out.days), "bytes": out.generated / out.days,
            "requests": day.requests, "written": day.written, "read": day.read, "cpu_ms": day.cpu, "bell": day.bell },
        "peak": { "requests": requests, "written": written, "queries": queries },
        "bytes": { "generated": out.generated, "reported": out.reported, "unreported": out.unreported },
        "reports": { "count": out.reports, "users": out.report_users, "largest": out.largest_report },
        "heaviest_ms": real(out.heaviest()) / 1_000.0 * EMPTY_MS,
        "storage": out.storage,
        "staleness_ms": out.staleness, "staleness_mean_ms": whole(out.mean_staleness() * 1_000.0),
        "overshoot": out.overshoot, "beyond_bound": out.beyond_bound, "limited": out.limited, "changes": out.changes,
        "free": { "share": free_share, "of": free_by, "fits": free_share <= 1.0 },
        "paid": { "dollars": bill.total(), "requests": bill.requests, "cpu": bill.cpu, "rows": bill.rows,
            "bell": bill.bell, "storage": bill.storage },
        "spent": by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_set_apart_by_thousands() {
        assert_eq!([0.0, 999.4, 1_000.0, 1_234_567.0].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_thing_is_said_as_one_and_one_day_as_that_day() {
        assert_eq!([1, 2_000].map(|number| things(number, "node")), ["1 node", "2,000 nodes"]);
        assert_eq!([days(false, 1), days(false, 3)], ["an average day", "an average of 3 days"]);
        assert_eq!(days(true, 1), "the day on which all periods end");
        assert_eq!(days(true, 9), "an average of 9 days, on the first of which all periods end");
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!([5, 2_048, 300 << 20, 3 << 40].map(size), ["5.0 B", "2.0 KiB", "300 MiB", "3.0 TiB"]);
    }
}
