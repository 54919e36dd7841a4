//! What makes up a user's numbers: why he stands where he stands, hour by hour, what nodes hold, who fetched his link, from where he comes.

use askama::Template;
use weir_wire::credential::ByHand;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::format::Moment;
use super::hours::{Hours, hours};
use super::say::Say;
use super::shell::Shell;
use super::stand;
use super::words::details::{self, Details};
use crate::domain::explain::{Because, Stand};
use crate::domain::fetch::Fetch;
use crate::domain::history::Row;
use crate::domain::page::language::digits;

/// Credentials, by the names that the API has for them, and what they are called: the protocols', which no language translates.
const CREDENTIALS: [(&str, &str); ByHand::NAMES.len()] = [
    ("vless_uuid", "VLESS UUID"),
    ("vmess_uuid", "VMess UUID"),
    ("trojan_password", "Trojan"),
    ("shadowsocks_password", "Shadowsocks"),
    ("shadowsocks_key_16", "Shadowsocks 2022, 16"),
    ("shadowsocks_key_32", "Shadowsocks 2022, 32"),
    ("hysteria_password", "Hysteria2"),
    ("tuic_uuid", "TUIC UUID"),
    ("tuic_password", "TUIC"),
    ("anytls_password", "AnyTLS"),
    ("proxy_password", "SOCKS, HTTP, naive"),
];

/// What one node counted of him in the period.
pub(crate) struct NodeSum {
    /// Its number.
    pub(crate) node: u32,
    /// The node's own bytes, up and down.
    pub(crate) bytes: Bytes,
    /// Per mille, today.
    pub(crate) coefficient: u32,
    /// What the bytes make at it.
    pub(crate) charged: Bytes,
}

/// What a node holds for him.
pub(crate) struct Holding {
    /// Its number.
    pub(crate) node: u32,
    /// Its own bytes that it has not reported.
    pub(crate) unreported: Bytes,
    /// What it may let pass without asking.
    pub(crate) spendable: Bytes,
}

/// Client addresses that he has now.
pub(crate) struct Seen {
    /// Over all nodes.
    pub(crate) count: u32,
    /// When a node last told.
    pub(crate) last_at: Second,
    /// By node: its number, and how many.
    pub(crate) nodes: Vec<(u32, u32)>,
}

/// What the page is made from.
pub(crate) struct DetailsFacts<'a> {
    /// Why he stands where he stands.
    pub(crate) stand: Stand,
    /// Charged in the period.
    pub(crate) total: Bytes,
    /// What of it nodes and clients make.
    pub(crate) explained: Bytes,
    /// What is left of it, and what may have made that.
    pub(crate) remainder: i64,
    pub(crate) because: Vec<Because>,
    /// Charged for reports of clients.
    pub(crate) clients: Bytes,
    pub(crate) nodes: Vec<NodeSum>,
    pub(crate) held: Vec<Holding>,
    /// What he may use and no node holds; none without a quota.
    pub(crate) free: Option<Bytes>,
    /// Hours, apart by node.
    pub(crate) hours: &'a [Row],
    /// The newest first.
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) seen: Option<Seen>,
    /// Texts that stand for his link's token.
    pub(crate) aliases: Vec<String>,
    /// Numbers of nodes and their names.
    pub(crate) names: &'a [(u32, String)],
}

/// A line of the nodes' sums, written.
struct NodeLine {
    name: String,
    counted: String,
    coefficient: String,
    charged: String,
}

/// His addresses, written: how many, when that was told, and the nodes' shares.
struct SeenLines {
    count: String,
    told: String,
    nodes: Vec<(String, String)>,
}

/// `GET /users/{name}/details`
#[derive(Template)]
#[template(path = "panel/user_details.html")]
pub(crate) struct UserDetails<'a> {
    shell: Shell<'a>,
    say: Spoken,
    name: &'a str,
    sentence: String,
    sums: Vec<(&'static str, String)>,
    because: Vec<String>,
    nodes: Vec<NodeLine>,
    held: Vec<(String, String, String)>,
    free: Option<String>,
    hours: Option<Hours>,
    fetches: Vec<(Moment, String, String)>,
    seen: Option<SeenLines>,
    aliases: Vec<String>,
    /// Whether the audit log is open to the reader.
    audits: bool,
}

/// The words, with his name put in.
struct Spoken {
    words: &'static Details,
    how: String,
    /// No address.
    nobody: String,
    back: String,
}

impl<'a> UserDetails<'a> {
    /// Puts the facts into words.
    pub(crate) fn new(shell: Shell<'a>, name: &'a str, facts: DetailsFacts<'_>, say: &Say, audits: bool) -> Self {
        let words = details::of(say.language);
        let named = |node: u32| {
            let known = facts.names.iter().find(|(number, _)| *number == node);
            known.map_or_else(|| say.words.gone_node.to_owned(), |(_, name)| name.clone())
        };
        let put = |words: &str| words.replace("{name}", name);
        let mut sums =
            vec![(words.period_sum, say.size(facts.total)), (words.sum_explained, say.size(facts.explained))];
        if !facts.clients.is_zero() {
            sums.insert(1, (words.clients_said, say.size(facts.clients)));
        }
        if facts.remainder != 0 {
            let sign = if facts.remainder < 0 { "−" } else { "" };
            sums.push((words.remainder, [sign, &say.count(facts.remainder.unsigned_abs()), " B"].concat()));
        }
        let node = |sum: &NodeSum| NodeLine {
            name: named(sum.node),
            counted: say.size(sum.bytes),
            coefficient: digits(&format!("× {}.{:03}", sum.coefficient / 1_000, sum.coefficient % 1_000), say.language),
            charged: say.size(sum.charged),
        };
        let hold = |hold: &Holding| (named(hold.node), say.size(hold.unreported), say.size(hold.spendable));
        let counted = |count: u32| words.address_count.replace("{count}", &say.count(count.into()));
        Self {
            say: Spoken { words, how: put(words.how), nobody: counted(0), back: put(words.back) },
            name,
            sentence: stand::sentence(&facts.stand, say),
            sums,
            because: facts.because.iter().map(|reason| stand::because(reason, say)).collect(),
            nodes: facts.nodes.iter().map(node).collect(),
            held: facts.held.iter().map(hold).collect(),
            free: facts.free.map(|free| say.size(free)),
            hours: hours(facts.hours, named, say),
            fetches: facts
                .fetches
                .into_iter()
                .map(|Fetch(client, format, at)| (say.moment(Second::clamped(at)), client, format))
                .collect(),
            aliases: facts.aliases,
            seen: facts.seen.map(|seen| {
                let nodes = seen.nodes.iter().map(|(node, count)| (named(*node), say.count((*count).into()))).collect();
                SeenLines { count: counted(seen.count), told: say.timed(words.told, seen.last_at), nodes }
            }),
            audits,
            shell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_credential_that_may_be_set_has_its_field() {
        let mut fields = CREDENTIALS.map(|(field, _)| field);
        let mut names = ByHand::NAMES;
        fields.sort_unstable();
        names.sort_unstable();
        assert_eq!(fields, names);
    }
}
