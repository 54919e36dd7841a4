//! English.

use super::{Next, Unit, Words};
use crate::domain::user::{Gate, Status};

pub(super) const WORDS: Words = Words {
    status,
    paused: "Paused",
    reason,
    next: Next {
        month: "New traffic comes on {date}. Your apps connect again by themselves then.",
        total: "Ask your provider for more traffic. This link and your apps stay as they are.",
        expired: "It ended on {date}. Ask your provider to renew it. This link and your apps stay as they are.",
        disabled: "Your provider has switched this account off. Only they can switch it on again.",
        sharing: "Too many devices used it at the same time. It opens by itself: {time}.",
        waits: "It starts with your first connection and lasts {span}.",
    },
    of: "of {quota}",
    unlimited: "unlimited",
    left: "{left} left",
    usage: "Traffic",
    plan: "Plan",
    next_reset: "New traffic",
    valid_until: "Valid until",
    no_end: "no end",
    bonus: "Extra traffic left",
    span,
    after: "in {span}",
    last_days: "Last 30 days",
    no_traffic: "No traffic yet",
    per_day: "Numbers by day",
    day: "Day",
    traffic: "Traffic",
    connect: "Connect",
    connect_how: "Install one of these apps, then tap its name here. It takes the subscription over.",
    link: "Subscription link",
    link_how: "For any other app: copy this link or scan the code. Whoever has it uses your traffic, so keep it to yourself.",
    copy: "Copy",
    copied: "Copied",
    qr: "QR code of the subscription link",
    servers: "Single servers",
    servers_how: "Only for apps that take no subscription. These do not update by themselves.",
    help: "Get help",
    language: "Language",
    gone: "This link does not work",
    gone_next: "It was replaced, or the account is gone. Ask your provider for a new one.",
};

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "Active",
        Status::OnHold => "Not started",
        Status::Limited => "Used up",
        Status::Expired => "Expired",
        Status::Disabled => "Switched off",
    }
}

fn reason(gate: Gate) -> &'static str {
    match gate {
        Gate::Open => "Your time has not begun",
        Gate::Month | Gate::Total => "Your traffic is used up",
        Gate::Expired => "Your subscription has ended",
        Gate::Disabled => "Your account is switched off",
        Gate::Sharing => "Your account is paused",
    }
}

fn span(count: i64, unit: Unit) -> String {
    let unit = match unit {
        Unit::Day => "day",
        Unit::Hour => "hour",
        Unit::Minute => "minute",
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
