//! Names of entries in a client's list that tell the user something: `{NAMES}` in a remark stand for what is so when the list is
//! fetched. Those that Marzban knows mean the same here.

use weir_wire::Second;

use super::jalali;
use super::name::Country;
use super::size::size;
use super::user::{Standing, Status, allowance, status};
use super::zone::Zone;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;
/// Of what has no end.
const ENDLESS: &str = "∞";
/// Of what has no date yet.
const NOT_YET: &str = "-";

/// Who fetches.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// His name.
    pub name: &'a str,
    /// His plan.
    pub plan: Option<&'a str>,
    /// What decides whether he may pass.
    pub standing: &'a Standing,
    /// When his usage begins anew; none for never.
    pub next_reset: Option<Second>,
    /// Whose days.
    pub zone: Zone,
    /// Now.
    pub now: Second,
}

/// Where the entry leads.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The node's name.
    pub node: &'a str,
    /// The node's own address.
    pub address: &'a str,
    /// Where it is.
    pub country: Option<&'a Country>,
    /// The inbound's tag.
    pub inbound: &'a str,
    /// `trojan`, `vless`, ...
    pub protocol: &'a str,
    /// `tcp`, `ws`, `grpc`, ...
    pub transport: &'a str,
    /// What clients connect to.
    pub port: u16,
}

/// A remark with everything in it that is known; what is not known stays as it stands.
#[must_use]
pub fn fill(remark: &str, account: &Account<'_>, place: &Place<'_>) -> String {
    let mut text = String::with_capacity(remark.len());
    let mut rest = remark;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let known = after.split_once('}').and_then(|(name, behind)| {
            let value = place.value(name).or_else(|| account.value(name))?;
            Some((value, behind))
        });
        rest = if let Some((value, behind)) = known {
            text.push_str(&value);
            behind
        } else {
            text.push('{');
            after
        };
    }
    text.push_str(rest);
    text.trim().to_owned()
}

impl Place<'_> {
    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "NODE" => self.node.to_owned(),
            "SERVER_IP" => self.address.to_owned(),
            "FLAG" => self.country.map(Country::flag).unwrap_or_default(),
            "INBOUND" => self.inbound.to_owned(),
            "PROTOCOL" => self.protocol.to_owned(),
            "TRANSPORT" => self.transport.to_owned(),
            "PORT" => self.port.to_string(),
            other => Country::try_from(other.strip_prefix("FLAG:")?.to_owned()).ok()?.flag(),
        })
    }
}

impl Account<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let allowance = allowance(self.standing);
        let limited = |text: String| if allowance.quota.is_zero() { ENDLESS.to_owned() } else { text };
        let dated = |date: &dyn Fn(Second) -> String| self.end().map_or_else(str::to_owned, date);
        Some(match name {
            "USERNAME" => self.name.to_owned(),
            "PLAN" => self.plan.unwrap_or_default().to_owned(),
            "DATA_USAGE" => size(allowance.used),
            "DATA_LIMIT" => limited(size(allowance.quota)),
            "DATA_LEFT" => limited(size(allowance.quota.minus(allowance.used))),
            "USAGE_PERCENTAGE" => {
                let used = u128::from(allowance.used.get()) * 100;
                limited(used.checked_div(u128::from(allowance.quota.get())).unwrap_or_default().to_string())
            }
            "DAYS_LEFT" => {
                self.left().map_or_else(|| ENDLESS.to_owned(), |left| (left.saturating_add(DAY - 1) / DAY).to_string())
            }
            "TIME_LEFT" => self.left().map_or_else(|| ENDLESS.to_owned(), duration),
            "EXPIRE_DATE" => dated(&|end| self.zone.date(end).to_string()),
            "JALALI_EXPIRE_DATE" => dated(&|end| jalali::written(self.zone.date(end))),
            "RESET_DATE" => self.next_reset.map_or_else(|| ENDLESS.to_owned(), |at| self.zone.date(at).to_string()),
            "STATUS_EMOJI" => emoji(status(self.standing, self.now)).to_owned(),
            "STATUS_TEXT" => text(status(self.standing, self.now)).to_owned(),
            _ => return None,
        })
    }

    /// When the account ends, or in words why that has no date.
    fn end(&self) -> Result<Second, &'static str> {
        if self.standing.is_waiting(self.now) { Err(NOT_YET) } else { self.standing.ends_at().ok_or(ENDLESS) }
    }

    /// Seconds that are left; of an account that waits for its first use all that it will have. None: it has no end.
    fn left(&self) -> Option<i64> {
        if self.standing.is_waiting(self.now) {
            return self.standing.hold.map(|hold| hold.seconds);
        }
        self.standing.ends_at().map(|end| end.since(self.now).max(0))
    }
}

/// The two largest units of a time.
fn duration(seconds: i64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::with_capacity(2);
    for (length, unit) in units.iter().skip(first).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.join(" ")
}

const fn emoji(status: Status) -> &'static str {
    match status {
        Status::Active => "✅",
        Status::OnHold => "🔌",
        Status::Limited => "🪫",
        Status::Expired => "⌛️",
        Status::Disabled => "❌",
    }
}

const fn text(status: Status) -> &'static str {
    match status {
        Status::Active => "Active",
        Status::OnHold => "On hold",
        Status::Limited => "Limited",
        Status::Expired => "Expired",
        Status::Disabled => "Disabled",
    }
}

#[cfg(test)]
mod tests {
    use weir_wire::Bytes;

    use super::super::user::Hold;
    use super::*;

    /// 28 November 2026, 12:00 UTC.
    const NOW: Second = Second::clamped(1_795_867_200);

    fn filled(remark: &str, standing: &Standing) -> String {
        let country = Country::try_from("DE".to_owned()).unwrap();
        let account = Account {
            name: "ann",
            plan: Some("basic"),
            standing,
            next_reset: Some(NOW.plus(3 * DAY)),
            zone: Zone::UTC,
            now: NOW,
        };
        let place = Place {
            node: "Wien",
            address: "192.0.2.1",
            country: Some(&country),
            inbound: "in",
            protocol: "vless",
            transport: "ws",
            port: 8443,
        };
        fill(remark, &account, &place)
    }

    fn gib(count: u64) -> Bytes {
        Bytes::saturating(count << 30)
    }

    #[test]
    fn every_variable_says_what_is_so_now() {
        let standing = Standing {
            monthly_quota: gib(10),
            month: gib(4),
            expires_at: Some(NOW.plus(12 * DAY + 3 * HOUR + 1)),
            ..Standing::default()
        };
        for (remark, expected) in [
            ("{FLAG} {NODE} {PROTOCOL}/{TRANSPORT}:{PORT} {INBOUND}", "🇩🇪 Wien vless/ws:8443 in"),
            ("{FLAG:FR} {SERVER_IP}", "🇫🇷 192.0.2.1"),
            ("{USERNAME} ({PLAN})", "ann (basic)"),
            ("{DATA_LEFT} of {DATA_LIMIT}, {DATA_USAGE} = {USAGE_PERCENTAGE}%", "6 GB of 10 GB, 4 GB = 40%"),
            ("{DAYS_LEFT} days, {TIME_LEFT}", "13 days, 12d 3h"),
            ("{EXPIRE_DATE} {JALALI_EXPIRE_DATE}", "2026-12-10 1405-09-19"),
            ("{RESET_DATE}", "2026-12-01"),
            ("{STATUS_EMOJI} {STATUS_TEXT}", "✅ Active"),
        ] {
            assert_eq!(filled(remark, &standing), expected, "{remark}");
        }
    }

    #[test]
    fn what_has_no_end_says_so() {
        let remark = "{DATA_LEFT} {DATA_LIMIT} {USAGE_PERCENTAGE} {DAYS_LEFT} {TIME_LEFT} {EXPIRE_DATE}";
        assert_eq!(filled(remark, &Standing::default()), "∞ ∞ ∞ ∞ ∞ ∞");
        let waits = Standing { hold: Some(Hold { seconds: 30 * DAY, until: None }), ..Standing::default() };
        assert_eq!(
            filled("{STATUS_EMOJI} {DAYS_LEFT} {TIME_LEFT} {EXPIRE_DATE} {JALALI_EXPIRE_DATE}", &waits),
            "🔌 30 30d - -"
        );
    }

    #[test]
    fn what_is_over_is_not_less_than_nothing() {
        let over =
            Standing { total_quota: gib(1), lifetime: gib(3), expires_at: Some(NOW.plus(-DAY)), ..Standing::default() };
        assert_eq!(filled("{DATA_LEFT} {USAGE_PERCENTAGE} {DAYS_LEFT} {TIME_LEFT}", &over), "0 B 300 0 0s");
    }

    #[test]
    fn what_is_not_known_stays_as_it_stands() {
        for remark in ["{NOBODY} {username}", "{", "}{", "{}", "{FLAG:xx}", "{{USERNAME", "a{b{c"] {
            assert_eq!(filled(remark, &Standing::default()), remark);
        }
        assert_eq!(filled("{{USERNAME}}", &Standing::default()), "{ann}");
        // What a value says is not read again.
        assert_eq!(filled("{A{USERNAME}", &Standing::default()), "{Aann");
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (3_661, "1h 1m"), (7_200, "2h"), (90_000, "1d 1h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
