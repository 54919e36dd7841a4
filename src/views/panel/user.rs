//! A user: how he stands and why, what he used, how he gets in.

use askama::Template;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::format::Moment;
use super::super::subscription::chart::{Chart, chart};
use super::super::user::UserView;
use super::say::Say;
use super::shell::Shell;
use super::words::Words;
use super::words::details::{self, Details};
use crate::domain::history::Bucket;
use crate::domain::page::qr::Qr;
use crate::domain::percent::encode;
use crate::domain::user::Standing;

/// The page.
#[derive(Template)]
#[template(path = "panel/user.html")]
pub(crate) struct UserPage<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// His name.
    pub(crate) name: &'a str,
    /// His subscription's address.
    pub(crate) url: &'a str,
    /// The same as a picture.
    pub(crate) qr: Option<Qr>,
    /// "Delete ann?"
    pub(crate) delete_ask: String,
    /// "Give ann a new link and new credentials?"
    pub(crate) revoke_ask: String,
    /// "Begin a new period for ann now?"
    pub(crate) reset_ask: String,
    /// The part that refreshes itself.
    pub(crate) live: UserPageLive<'a>,
}

/// A package of his.
pub(crate) struct PackageFacts {
    /// Bytes.
    pub(crate) bytes: Bytes,
    /// The order's number.
    pub(crate) order: String,
    /// What the operator noted, else the order's number.
    pub(crate) note: String,
    /// When it was bought.
    pub(crate) bought_at: Second,
    /// It was taken back.
    pub(crate) is_refunded: bool,
    /// Its time is over.
    pub(crate) is_over: bool,
}

/// A device that fetches his subscription.
pub(crate) struct DeviceFacts {
    /// What the API calls it.
    pub(crate) id: String,
    /// What it calls itself; may be empty.
    pub(crate) name: String,
    /// Its system and client.
    pub(crate) system: String,
    /// When it was last noted.
    pub(crate) last_at: Second,
}

/// What a node counted of him.
pub(crate) struct NodeShare {
    /// The node's name; none of a node that is gone for good.
    pub(crate) name: Option<String>,
    /// Bytes, up and down.
    pub(crate) bytes: Bytes,
}

/// What the page is made from.
pub(crate) struct UserPageFacts<'a> {
    /// The row that the list shows.
    pub(crate) view: UserView<'a>,
    /// How he stands.
    pub(crate) standing: Standing,
    /// His mail address.
    pub(crate) email: Option<&'a str>,
    /// His plan.
    pub(crate) plan: Option<&'a str>,
    /// When his usage begins anew; none if it does not.
    pub(crate) next_reset: Option<Second>,
    /// When he was created.
    pub(crate) created_at: Second,
    /// Bytes a second, 0 = unlimited.
    pub(crate) speed: Bytes,
    /// Devices at once, 0 = unlimited.
    pub(crate) devices_most: u32,
    /// Bytes of UTC days that had any.
    pub(crate) days: &'a [Bucket],
    /// From when on the days are whole, when the page does not hold all of them.
    pub(crate) since: Option<Second>,
    /// By node, the most first.
    pub(crate) nodes: Vec<NodeShare>,
    /// The newest first.
    pub(crate) packages: Vec<PackageFacts>,
    /// His devices.
    pub(crate) devices: Vec<DeviceFacts>,
}

/// A fact with its name.
pub(crate) struct Line {
    label: &'static str,
    value: String,
    aside: String,
}

/// A line of a list: what, how much, when.
pub(crate) struct Item {
    name: String,
    value: String,
    aside: String,
    at: Option<Moment>,
    /// The call of the API that takes it away.
    call: Option<String>,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/user_live.html")]
pub(crate) struct UserPageLive<'a> {
    words: &'static Words,
    pub(crate) details: &'static Details,
    user: UserView<'a>,
    is_disabled: bool,
    lines: Vec<Line>,
    chart: Option<Chart>,
    since: Option<String>,
    explained: Vec<(&'static str, String)>,
    nodes: Vec<Item>,
    packages: Vec<Item>,
    devices: Vec<Item>,
}

impl<'a> UserPageLive<'a> {
    /// Puts the facts into words.
    pub(crate) fn new(facts: UserPageFacts<'a>, say: &Say) -> Self {
        let words = say.words;
        Self {
            words,
            details: details::of(say.language),
            is_disabled: facts.standing.disabled || facts.standing.is_suspended(say.now),
            lines: lines(&facts, say),
            chart: chart(facts.days, say.now, say.language),
            since: facts.since.map(|at| words.chart_since.replace("{date}", &say.date(at))),
            explained: explained(&facts.standing, say),
            nodes: facts.nodes.into_iter().map(|node| share(node, say)).collect(),
            packages: facts.packages.into_iter().map(|package| bought(package, facts.view.name, say)).collect(),
            devices: facts.devices.into_iter().map(|device| seen(device, facts.view.name, say)).collect(),
            user: facts.view,
        }
    }
}

fn lines(facts: &UserPageFacts<'_>, say: &Say) -> Vec<Line> {
    let words = say.words;
    let line = |label, value, aside| Line { label, value, aside };
    let dated = |label, at: Second| line(label, say.date(at), say.moment(at).words);
    let plain = |label, value: String| line(label, value, String::new());
    let or_none = |is_none: bool, text: String| if is_none { words.no_limit.to_owned() } else { text };
    let mut lines = vec![plain(words.plan, facts.plan.unwrap_or(words.no_plan).to_owned())];
    lines.push(match facts.next_reset {
        Some(at) => dated(words.next_reset, at),
        None => plain(words.next_reset, words.no_reset.to_owned()),
    });
    lines.push(match facts.standing.ends_at() {
        Some(at) => dated(words.valid_until, at),
        None => plain(words.valid_until, words.no_end.to_owned()),
    });
    lines.push(plain(words.speed_limit, or_none(facts.speed.is_zero(), say.rate(facts.speed.get()))));
    let most = facts.devices_most;
    lines.push(plain(words.devices_most, or_none(most == 0, say.count(most.into()))));
    if let Some(email) = facts.email {
        lines.push(plain(words.email, email.to_owned()));
    }
    lines.push(dated(words.created, facts.created_at));
    lines
}

/// The parts of the lifetime's total, and their sum as the last.
fn explained(standing: &Standing, say: &Say) -> Vec<(&'static str, String)> {
    let earlier = standing.lifetime.minus(standing.bonus_spent).minus(standing.month);
    let parts = [
        (say.words.period, standing.month),
        (say.words.from_bonus, standing.bonus_spent),
        (say.words.from_earlier, earlier),
        (say.words.all_time, standing.lifetime),
    ];
    parts.map(|(label, bytes)| (label, say.size(bytes))).into()
}

fn share(node: NodeShare, say: &Say) -> Item {
    let name = node.name.unwrap_or_else(|| say.words.gone_node.to_owned());
    Item { name, value: say.size(node.bytes), aside: String::new(), at: None, call: None }
}

fn bought(package: PackageFacts, user: &str, say: &Say) -> Item {
    let aside = match (package.is_refunded, package.is_over) {
        (true, _) => say.words.refunded,
        (_, true) => say.words.package_ended,
        _ => "",
    };
    let refund = || format!("POST /api/v1/users/{user}/packages/{}/refund", encode(&package.order));
    Item {
        call: (!package.is_refunded && !package.is_over).then(refund),
        name: package.note,
        value: say.size(package.bytes),
        aside: aside.to_owned(),
        at: Some(say.moment(package.bought_at)),
    }
}

fn seen(device: DeviceFacts, user: &str, say: &Say) -> Item {
    let name = if device.name.is_empty() { say.words.unnamed.to_owned() } else { device.name };
    let call = Some(format!("DELETE /api/v1/users/{user}/devices/{}", device.id));
    Item { name, value: String::new(), aside: device.system, at: Some(say.moment(device.last_at)), call }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    #[test]
    fn the_parts_of_a_total_add_up() {
        let say = Say::new(Language::En, Zone::UTC, Second::clamped(1_796_083_200));
        let standing = Standing {
            month: Bytes::gib(2),
            bonus_spent: Bytes::gib(3),
            lifetime: Bytes::gib(10),
            ..Standing::default()
        };
        let sizes: Vec<String> = explained(&standing, &say).into_iter().map(|(_, size)| size).collect();
        assert_eq!(sizes, ["2 GB", "3 GB", "5 GB", "10 GB"]);
    }
}
