//! English.

use super::{Labels, Words};
use crate::domain::notice::Kind;

pub(super) const WORDS: Words = Words {
    title,
    operator,
    user,
    limited_total: (
        "{user} has used up the total quota of {total_quota} and cannot connect any more.",
        "You have used up your total quota of {total_quota}. Connections are closed until it is raised.",
    ),
    reason,
    report: Labels {
        day: "Day",
        users: "Users who may pass / all",
        active: "Active users",
        traffic: "Traffic",
        nodes: "Nodes",
        top: "Top users",
        silent: "Silent nodes",
        limits: "Limits reached",
        jobs: "Jobs that failed",
        cost: "Database rows written / read",
        audit: "Audit log",
        more: "and {count} more",
    },
    left_out: "… lines left out: {count}. The panel has more.",
};

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => "{user}: {percent} % of the monthly quota",
        Kind::Limited => "{user}: quota used up",
        Kind::Expiring => "{user}: account expires soon",
        Kind::Expired => "{user}: account expired",
        Kind::Enabled => "{user}: access opened",
        Kind::Disabled => "{user}: access closed",
        Kind::Created => "{user}: user created",
        Kind::Updated => "{user}: user changed",
        Kind::Deleted => "{user}: user deleted",
        Kind::Reset => "{user}: new period",
        Kind::Revoked => "{user}: link replaced",
        Kind::Silent => "Node {node} is silent",
        Kind::Back => "Node {node} is back",
        Kind::Fork => "Node {node}: reports need a look",
        Kind::Sharing => "{user}: account may be shared",
        Kind::JobFailed => "Job {job} fails",
        Kind::DailyReport => "Daily report",
        Kind::Test => "Test of channel {channel}",
    }
}

fn operator(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => {
            "{user} has used {percent} % of the monthly quota: {used} of {quota}. It begins anew on {resets_at}."
        }
        Kind::Limited => "{user} has used up the monthly quota of {quota}. Access opens again on {resets_at}.",
        Kind::Expiring => "The account of {user} expires on {expires_at}.",
        Kind::Expired => "The account of {user} expired on {expires_at}.",
        Kind::Enabled => "{user} may connect again. It was closed because {reason}.",
        Kind::Disabled => "{user} cannot connect any more, because {reason}.",
        Kind::Created => "The user {user} was created.",
        Kind::Updated => "The user {user} was changed.",
        Kind::Deleted => "The user {user} was deleted.",
        Kind::Reset => "A new period began for {user}. The last one ended at {used}.",
        Kind::Revoked => "The link and the credentials of {user} were replaced.",
        Kind::Silent => "The node {node} was last heard of on {since}. Its users go on up to their limits.",
        Kind::Back => "The node {node} is heard again. It was silent from {since} to {until}.",
        Kind::Fork => "Node {node}: {detail}.",
        Kind::Sharing => "{user} connects from {sources} addresses at once; {limit} are allowed.",
        Kind::JobFailed => "The job {job} has failed {failures} times in a row: {error}",
        Kind::DailyReport => "The report could not be read.",
        Kind::Test => "This is a test. The channel {channel} works.",
    }
}

fn user(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::QuotaWarning => {
            "You have used {percent} % of your monthly quota: {used} of {quota}. It begins anew on {resets_at}."
        }
        Kind::Limited => "You have used up your monthly quota of {quota}. You can connect again on {resets_at}.",
        Kind::Expiring => "Your account expires on {expires_at}.",
        Kind::Expired => "Your account expired on {expires_at}.",
        Kind::Enabled => "You can connect again.",
        Kind::Disabled => "Your access was closed, because {reason}.",
        Kind::Reset => "A new period has begun. You can use {quota} until {resets_at}.",
        _ => return None,
    })
}

fn reason(name: &str) -> &'static str {
    match name {
        "month" => "the monthly quota was used up",
        "total" => "the total quota was used up",
        "expired" => "the account had expired",
        "person" => "a person closed it",
        "sharing" => "the account seemed to be shared",
        _ => "of another reason",
    }
}
