//! What the operator sets about a source.

use serde::{Deserialize, Serialize};

use super::super::link::clean_name;
use super::super::xpert::link::Link;

/// Most entries that may be kept of one source.
pub const MOST_NODES: u32 = 2_000;
/// Most texts of a filter, and the longest of them in characters.
const TEXTS: usize = 32;
const TEXT: usize = 60;
/// Longest user agent and longest template, in bytes.
const AGENT: usize = 200;
const TEMPLATE: usize = 120;
/// Protocols as [`Link::protocol`] names them.
const PROTOCOLS: [&str; 11] =
    ["vless", "vmess", "trojan", "shadowsocks", "hysteria2", "tuic", "anytls", "naive", "wireguard", "socks", "http"];

/// How a source is fetched and what of it is kept. A field that the stored text lacks has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// `User-Agent` of the fetch: many panels choose the format by it. Default: that of a client which is sent links.
    pub user_agent: String,
    /// Minutes from one fetch to the next, 5 to 10080. Default 60.
    pub interval_minutes: u32,
    /// Names must hold one of these texts, in any case; without any, every name passes.
    pub include: Vec<String>,
    /// Names must hold none of these.
    pub exclude: Vec<String>,
    /// Protocols that are kept; without any, all are.
    pub protocols: Vec<String>,
    /// What entries are called: `{name}`, `{source}`, `{protocol}`, `{server}` and `{n}` (1, 2, ..) are filled in.
    pub rename: String,
    /// Most entries that are kept, 1 to 2000. Default 500.
    pub max_nodes: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            user_agent: "v2rayNG/1.10.5".into(),
            interval_minutes: 60,
            include: Vec::new(),
            exclude: Vec::new(),
            protocols: Vec::new(),
            rename: "{name}".into(),
            max_nodes: 500,
        }
    }
}

impl Rules {
    /// Whether every field is what it can be.
    ///
    /// # Errors
    /// The first field that is not, and its rule.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let printable = |text: &str| text.chars().all(|c| !c.is_control());
        let texts = |list: &[String]| {
            let fits = |text: &String| (1..=TEXT).contains(&text.chars().count()) && printable(text);
            list.len() <= TEXTS && list.iter().all(fits)
        };
        let agent = (1..=AGENT).contains(&self.user_agent.len())
            && self.user_agent.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let protocols = self.protocols.len() <= PROTOCOLS.len()
            && self.protocols.iter().all(|name| PROTOCOLS.contains(&name.as_str()));
        let rename = (1..=TEMPLATE).contains(&self.rename.len()) && printable(&self.rename);
        let filter = "at most 32 texts of 1 to 60 printable characters";
        let rules = [
            (agent, "user_agent", "1 to 200 printable ASCII characters"),
            ((5..=10_080).contains(&self.interval_minutes), "interval_minutes", "an integer from 5 to 10080"),
            (texts(&self.include), "include", filter),
            (texts(&self.exclude), "exclude", filter),
            (protocols, "protocols", "names of protocols, such as vless, vmess, trojan, shadowsocks or hysteria2"),
            (rename, "rename", "1 to 120 bytes of printable text, such as {source} {name}"),
            ((1..=MOST_NODES).contains(&self.max_nodes), "max_nodes", "an integer from 1 to 2000"),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map_or(Ok(()), |(_, field, rule)| Err((field, rule)))
    }

    /// Whether an entry passes the filters.
    #[must_use]
    pub fn lets_in(&self, link: &Link) -> bool {
        let name = link.endpoint.name.to_lowercase();
        let has = |text: &String| name.contains(&text.to_lowercase());
        let protocol = link.protocol();
        (self.include.is_empty() || self.include.iter().any(has))
            && !self.exclude.iter().any(has)
            && (self.protocols.is_empty() || self.protocols.iter().any(|kept| kept == protocol))
    }

    /// What an entry is called; `number` counts those that were kept, from 1. An entry without any name goes by its server.
    #[must_use]
    pub fn name(&self, link: &Link, source: &str, number: usize) -> String {
        let server = link.endpoint.server.as_str();
        let name = if link.endpoint.name.is_empty() { server } else { &link.endpoint.name };
        if self.rename == "{name}" {
            return name.to_owned();
        }
        let number = number.to_string();
        let fields =
            [("name", name), ("source", source), ("protocol", link.protocol()), ("server", server), ("n", &number)];
        // One pass: what is filled in is never taken for a field again.
        let mut made = String::new();
        let mut rest = self.rename.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            made.push_str(before);
            let field = after.split_once('}').and_then(|(field, behind)| {
                let value = fields.iter().find(|(known, _)| *known == field)?.1;
                Some((value, behind))
            });
            let (value, behind) = field.unwrap_or(("{", after));
            made.push_str(value);
            rest = behind;
        }
        made.push_str(rest);
        let made = clean_name(&made);
        if made.is_empty() { server.to_owned() } else { made }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> Link {
        Link::read(&format!("trojan://x@de.example.org:443#{name}")).unwrap().unwrap()
    }

    fn rules(json: &str) -> Rules {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn filters_look_for_texts_in_names_whatever_their_case() {
        let rules = rules(r#"{"include":["berlin","PARIS"],"exclude":["Expired"],"protocols":["trojan"]}"#);
        assert!(rules.lets_in(&link("Berlin%201")));
        assert!(!rules.lets_in(&link("Berlin%20expired")));
        assert!(!rules.lets_in(&link("Rome")));
        assert!(!Rules { protocols: vec!["vless".into()], ..rules }.lets_in(&link("Paris")));
        assert!(Rules::default().lets_in(&link("")));
    }

    #[test]
    fn a_template_is_filled_in_once() {
        let name = |template: &str, name: &str| {
            Rules { rename: template.into(), ..Rules::default() }.name(&link(name), "Ann's", 3)
        };
        assert_eq!(name("{source} {name}", "Rome"), "Ann's Rome");
        assert_eq!(name("{n} {protocol} {server} {x} {", "Rome"), "3 trojan de.example.org {x} {");
        assert_eq!(name("{name}", "%7Bsource%7D"), "{source}");
        assert_eq!(name("{source}{name}", "%7Bn%7D"), "Ann's{n}");
        assert_eq!(name("{name}", ""), "de.example.org");
        assert_eq!(name(" ", "Rome"), "de.example.org");
    }

    #[test]
    fn a_rule_that_is_broken_is_named() {
        let broken = |json: &str| rules(json).check().unwrap_err().0;
        assert_eq!(broken(r#"{"interval_minutes":4}"#), "interval_minutes");
        assert_eq!(broken(r#"{"max_nodes":0}"#), "max_nodes");
        assert_eq!(broken(r#"{"max_nodes":2001}"#), "max_nodes");
        assert_eq!(broken(r#"{"protocols":["ssr"]}"#), "protocols");
        assert_eq!(broken(r#"{"user_agent":"a\nb"}"#), "user_agent");
        assert_eq!(broken(r#"{"include":[""]}"#), "include");
        assert_eq!(broken(r#"{"rename":""}"#), "rename");
        assert_eq!(Rules::default().check(), Ok(()));
        assert!(serde_json::from_str::<Rules>(r#"{"max":1}"#).is_err());
    }
}
