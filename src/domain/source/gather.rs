//! What is kept of an answer: what can be carried, passes the filters, and is there once.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::xpert::link::Link;
use super::ladder::{Body, Format};
use super::rules::Rules;

/// Entries that are read; what comes behind is counted.
const READ: usize = 10_000;
/// Bytes of the stored copy: a row of D1 has two million, and a backup writes it as JSON in JSON, which may double it.
const BYTES: usize = 500_000;

/// A link of a source as it is stored: `[name, link, key]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored(
    /// What clients show.
    pub String,
    /// The link on one line.
    pub String,
    /// The same for links that lead to the same place with the same credentials.
    pub String,
);

/// Ninety-six bits of what a client would connect to.
#[must_use]
pub fn key(link: &Link) -> String {
    let digest: Vec<u8> = Sha256::digest(link.key()).into_iter().take(12).collect();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Why entries are not in the copy, and how many: codes of [`crate::domain::link::Reason`], and `filtered`, `duplicate`,
/// `over_limit` (more than are kept), `not_read` (more than are looked at).
pub type LeftOut = BTreeMap<String, u32>;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// How the answer was written.
    pub format: Format,
    /// The links in the order of the answer, under their new names.
    pub links: Vec<Stored>,
    /// What is not among them.
    pub left_out: LeftOut,
}

/// Keeps of an answer what the rules say. `source` is what the source is called.
#[must_use]
pub fn gather(body: &Body, rules: &Rules, source: &str) -> Gathered {
    let mut gathered = Gathered { format: body.format, links: Vec::new(), left_out: LeftOut::new() };
    let mut keys = HashSet::new();
    let mut bytes = 0_usize;
    let most = usize::try_from(rules.max_nodes).unwrap_or(usize::MAX);
    for (index, entry) in body.entries().into_iter().enumerate() {
        let code = if gathered.links.len() >= most {
            "over_limit"
        } else if index >= READ {
            "not_read"
        } else {
            match entry.read() {
                Ok(None) => continue,
                Err(reason) => reason.code(),
                Ok(Some(link)) if !rules.lets_in(&link) => "filtered",
                Ok(Some(link)) => {
                    let key = key(&link);
                    if keys.insert(key.clone()) {
                        let stored =
                            stored(&link, rules.name(&link, source, gathered.links.len().saturating_add(1)), key);
                        // Quotes, commas and what JSON must escape.
                        bytes =
                            bytes.saturating_add(serde_json::to_string(&stored).map_or(BYTES, |text| text.len() + 1));
                        if bytes < BYTES {
                            gathered.links.push(stored);
                            continue;
                        }
                        "over_limit"
                    } else {
                        "duplicate"
                    }
                }
            }
        };
        let count = gathered.left_out.entry(code.to_owned()).or_default();
        *count = count.saturating_add(1);
    }
    gathered
}

fn stored(link: &Link, name: String, key: String) -> Stored {
    let text = if name == link.endpoint.name { link.text.clone() } else { link.named(&name) };
    Stored(name, text, key)
}

/// A sentence for an answer of which nothing is kept.
#[must_use]
pub fn nothing(left_out: &LeftOut) -> String {
    if left_out.is_empty() {
        return "the answer held no entry".into();
    }
    let counts: Vec<String> = left_out.iter().map(|(code, count)| format!("{count} {code}")).collect();
    format!("no entry of the answer could be kept: {}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(text: &str, rules: &Rules) -> Gathered {
        gather(&Body::read(text.as_bytes()).unwrap(), rules, "Ann")
    }

    fn left_out(pairs: &[(&str, u32)]) -> LeftOut {
        pairs.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect()
    }

    #[test]
    fn what_leads_to_the_same_place_is_kept_once_and_the_rest_is_counted_with_its_reason() {
        let text = "trojan://x@a.example:1?sni=b#One\ntrojan://x@A.EXAMPLE:1?sni=b&new=1#Two\ntrojan://y@a.example:1#Three\n\
            # a comment\n\nssr://abc\nvless://nobody\nvless://@a.example:1\nhttps://a.example/\nss://YWVzLTI1Ni1nY206eA@c.example:0";
        let gathered = gathered(text, &Rules::default());
        let names: Vec<&str> = gathered.links.iter().map(|link| link.0.as_str()).collect();
        assert_eq!(names, ["One", "Three"]);
        assert_eq!(gathered.links[0].1, "trojan://x@a.example:1?sni=b#One");
        let expected = [
            ("duplicate", 1),
            ("unsupported", 1),
            ("port_missing", 1),
            ("uuid_missing", 1),
            ("not_a_proxy", 1),
            ("port_range", 1),
        ];
        assert_eq!(gathered.left_out, left_out(&expected));
    }

    #[test]
    fn names_are_made_by_the_template_and_links_carry_them() {
        let rules = Rules { rename: "{source} {n} {name}".into(), exclude: vec!["traffic".into()], ..Rules::default() };
        let gathered = gathered("trojan://x@a.example:1#Traffic%20left\ntrojan://y@b.example:2#Rome", &rules);
        assert_eq!(gathered.links[0].0, "Ann 1 Rome");
        assert!(gathered.links[0].1.ends_with("#Ann%201%20Rome"), "{}", gathered.links[0].1);
        assert_eq!(gathered.left_out, left_out(&[("filtered", 1)]));
    }

    #[test]
    fn a_list_without_end_is_cut_with_a_reason() {
        let lines: Vec<String> = (0..30_000).map(|n| format!("trojan://x@h{n}.example:1")).collect();
        let gathered_all = gathered(&lines.join("\n"), &Rules { max_nodes: 2_000, ..Rules::default() });
        assert_eq!(gathered_all.links.len(), 2_000);
        assert_eq!(gathered_all.left_out, left_out(&[("over_limit", 28_000)]));
        let same = "trojan://x@a.example:1\n".repeat(30_000);
        assert_eq!(
            gathered(&same, &Rules::default()).left_out,
            left_out(&[("duplicate", 9_999), ("not_read", 20_000)])
        );
    }

    #[test]
    fn the_stored_copy_fits_into_a_row() {
        let lines: Vec<String> =
            (0..400).map(|n| format!("trojan://{}@h{n}.example:1#\"\u{1f680}\"", "x".repeat(6_000))).collect();
        let gathered = gathered(&lines.join("\n"), &Rules::default());
        let text = serde_json::to_string(&gathered.links).unwrap();
        assert!(text.len() <= BYTES && text.len() > BYTES - 20_000, "{}", text.len());
        let over = gathered.left_out.get("over_limit").copied().unwrap_or_default();
        assert_eq!(gathered.links.len() + over as usize, 400);
    }

    #[test]
    fn an_answer_of_which_nothing_is_kept_says_why() {
        let none = gathered("ssr://abc\nssr://def\nvless://@a.example:1", &Rules::default());
        assert_eq!(nothing(&none.left_out), "no entry of the answer could be kept: 2 unsupported, 1 uuid_missing");
        assert_eq!(nothing(&LeftOut::new()), "the answer held no entry");
    }
}
