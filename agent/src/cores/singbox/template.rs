//! The operator's template: a sing-box configuration without our users, read and never written.
//!
//! Beside sing-box's own keys it may carry `weir`, which never reaches the core:
//! - `stay_in_front`: indices of `route.rules` that are moved before the gate, and so bypass it;
//! - `leave_alone`: tags of inbounds whose users the operator keeps himself;
//! - `self_signed`: tags of inbounds whose certificate no public authority signed, which clients must be told;
//! - `hop`: by tag, the ports that the host leads to an inbound of hysteria2.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_wire::sync::Inbound;

use super::describe::{Hop, Marked, describe, port};
use super::users::Scheme;
use crate::cores::CoreError;
use crate::cores::json::{list, text};
use crate::cores::template::{self, check_tags, wrong};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Marks {
    stay_in_front: Vec<usize>,
    leave_alone: Vec<String>,
    self_signed: Vec<String>,
    hop: BTreeMap<String, Hop>,
}

/// A template that was read and understood.
#[derive(Clone, Debug)]
pub(in crate::cores) struct Template {
    /// The configuration without the key `weir`.
    pub(in crate::cores) config: Map<String, Value>,
    marks: Marks,
}

/// `route.rules`, sorted by how they stand to the gate.
pub(super) struct Rules {
    /// Rules that choose no outbound, at the beginning of the template.
    pub(super) leading: Vec<Value>,
    /// Rules that the operator wants before the gate.
    pub(super) in_front: Vec<Value>,
    /// All others.
    pub(super) behind: Vec<Value>,
}

impl Template {
    /// Reads the template from a file.
    ///
    /// # Errors
    /// [`CoreError::Config`] when it cannot be read or understood.
    pub(in crate::cores) fn read(path: &Path) -> Result<Self, CoreError> {
        Self::parse(&template::read(path)?)
    }

    /// Understands the template's text.
    ///
    /// # Errors
    /// [`CoreError::Config`] naming the place and the rule.
    pub(in crate::cores) fn parse(json: &str) -> Result<Self, CoreError> {
        let (config, marks) = template::parse(json)?;
        let template = Self { config, marks };
        template.check_shape()?;
        template.check_marks()?;
        template.check_names()?;
        Ok(template)
    }

    /// sing-box takes a lone object for a list of one in some places; where we add to a list we insist on one.
    fn check_shape(&self) -> Result<(), CoreError> {
        let all_objects = |of: &Map<String, Value>, key: &str, place: &str| match of.get(key) {
            None => Ok(()),
            Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(()),
            Some(_) => Err(wrong(place, "must be a list of objects")),
        };
        for key in ["inbounds", "outbounds", "endpoints", "services"] {
            all_objects(&self.config, key, key)?;
        }
        for key in ["route", "experimental"] {
            if self.config.get(key).is_some_and(|value| !value.is_object()) {
                return Err(wrong(key, "must be an object"));
            }
        }
        if let Some(route) = self.config.get("route").and_then(Value::as_object) {
            all_objects(route, "rules", "route.rules")?;
        }
        for (place, inbound) in self.inbound_objects().enumerate() {
            all_objects(inbound, "users", &format!("inbounds[{place}].users"))?;
        }
        Ok(())
    }

    fn check_marks(&self) -> Result<(), CoreError> {
        let rules = self.rules_list().len();
        if let Some(index) = self.marks.stay_in_front.iter().find(|index| **index >= rules) {
            return Err(wrong("weir.stay_in_front", &format!("route.rules has no index {index}")));
        }
        check_tags(&self.config, "leave_alone", &self.marks.leave_alone)?;
        check_tags(&self.config, "self_signed", &self.marks.self_signed)?;
        for (tag, hop) in &self.marks.hop {
            let is_hysteria2 = |inbound: &Value| text(inbound, "tag") == tag && text(inbound, "type") == "hysteria2";
            if !list(&self.config, "inbounds").iter().any(is_hysteria2) {
                return Err(wrong("weir.hop", &format!("there is no inbound {tag:?} of hysteria2")));
            }
            if let Some(rule) = hop.breaks() {
                return Err(wrong(&format!("weir.hop.{tag}.ports"), rule));
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), CoreError> {
        for key in ["inbounds", "outbounds", "endpoints", "services"] {
            for (place, item) in list(&self.config, key).iter().enumerate() {
                if ["weir:", "weir-"].iter().any(|ours| text(item, "tag").starts_with(ours)) {
                    let rule = "tags that begin with \"weir:\" or \"weir-\" are the agent's";
                    return Err(wrong(&format!("{key}[{place}].tag"), rule));
                }
            }
        }
        for (place, inbound) in self.inbound_objects().enumerate() {
            let scheme = self.scheme(inbound).map_err(|why| wrong(&format!("inbounds[{place}]"), &why))?;
            if scheme.is_none() {
                continue;
            }
            if inbound.get("tag").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(wrong(&format!("inbounds[{place}].tag"), "must be set: it is how clients' links name it"));
            }
            if port(inbound).is_none() {
                return Err(wrong(&format!("inbounds[{place}].listen_port"), "must be a port from 1 to 65535"));
            }
        }
        Ok(())
    }

    fn inbound_objects(&self) -> impl Iterator<Item = &Map<String, Value>> {
        list(&self.config, "inbounds").iter().filter_map(Value::as_object)
    }

    /// The scheme of an inbound whose users are ours.
    pub(super) fn scheme(&self, inbound: &Map<String, Value>) -> Result<Option<Scheme>, String> {
        let tag = inbound.get("tag").and_then(Value::as_str).unwrap_or_default();
        if self.marks.leave_alone.iter().any(|left| left == tag) { Ok(None) } else { Scheme::of(inbound) }
    }

    fn rules_list(&self) -> &[Value] {
        self.config.get("route").and_then(Value::as_object).map_or(&[], |route| list(route, "rules"))
    }

    /// The rules, sorted by how they stand to the gate.
    pub(super) fn rules(&self) -> Rules {
        let rules = self.rules_list();
        let first = rules.iter().position(|rule| !chooses_no_outbound(rule)).unwrap_or(rules.len());
        let mut sorted = Rules { leading: Vec::new(), in_front: Vec::new(), behind: Vec::new() };
        for (index, rule) in rules.iter().enumerate() {
            if index < first {
                sorted.leading.push(rule.clone());
            } else if self.marks.stay_in_front.contains(&index) {
                sorted.in_front.push(rule.clone());
            } else {
                sorted.behind.push(rule.clone());
            }
        }
        sorted
    }

    /// The tag of the outbound that open gates lead to: the template's final one. `None` when the template has no
    /// outbound at all.
    ///
    /// # Errors
    /// [`CoreError::Config`] when the final outbound has no tag to name it by.
    pub(in crate::cores) fn final_outbound(&self) -> Result<Option<String>, CoreError> {
        if let Some(tag) = self.config.get("route").map(|route| text(route, "final")).filter(|tag| !tag.is_empty()) {
            return Ok(Some(tag.to_owned()));
        }
        match list(&self.config, "outbounds").first() {
            None => Ok(None),
            Some(first) if text(first, "tag").is_empty() => {
                Err(wrong("outbounds[0].tag", "must be set: open gates lead to this outbound"))
            }
            Some(first) => Ok(Some(text(first, "tag").to_owned())),
        }
    }

    /// What the outbounds under a routing mark are like: the one that open gates lead to.
    ///
    /// # Errors
    /// Why users cannot leave under a mark as they leave otherwise, in words.
    pub(in crate::cores) fn marked(&self) -> Result<Map<String, Value>, String> {
        let tag = self.final_outbound().map_err(|why| why.to_string())?;
        let model = match &tag {
            None => Map::from_iter([("type".to_owned(), Value::from("direct"))]),
            Some(tag) => {
                let outbounds = list(&self.config, "outbounds").iter().filter_map(Value::as_object);
                let mut named = outbounds.filter(|of| of.get("tag").and_then(Value::as_str) == Some(tag));
                let model = named.next().filter(|of| of.get("type").and_then(Value::as_str) == Some("direct"));
                model
                    .ok_or_else(|| format!("the final outbound {tag:?} of the template is not of type direct"))?
                    .clone()
            }
        };
        // A socket has one mark, and is seen by the rules of the namespace that it is in.
        if let Some(key) = ["routing_mark", "detour", "netns"].into_iter().find(|key| model.contains_key(*key)) {
            return Err(format!("the final outbound of the template has {key}"));
        }
        if self.config.get("route").and_then(|route| route.get("default_mark")).is_some() {
            return Err("the template has route.default_mark".to_owned());
        }
        if self.inbound_objects().any(|of| of.get("type").and_then(Value::as_str) == Some("tun")) {
            return Err("the template has an inbound of type tun, which routes by marks of its own".to_owned());
        }
        Ok(model)
    }

    /// What clients can connect to.
    pub(in crate::cores) fn inbounds(&self) -> Vec<Inbound> {
        let of = |inbound: &Map<String, Value>| {
            let scheme = self.scheme(inbound).ok().flatten()?;
            let tag = inbound.get("tag").and_then(Value::as_str)?;
            let self_signed = self.marks.self_signed.iter().any(|marked| marked == tag);
            describe(inbound, scheme, Marked { self_signed, hop: self.marks.hop.get(tag) })
        };
        self.inbound_objects().filter_map(of).collect()
    }

    /// Tags of the inbounds that speak HTTP: sing-box takes the client's address from `X-Forwarded-For` there, whoever
    /// wrote it.
    pub(in crate::cores) fn by_header(&self) -> Vec<String> {
        let speaks_http = |inbound: &&Value| {
            let transport = inbound.get("transport").map_or("", |transport| text(transport, "type"));
            matches!(text(inbound, "type"), "http" | "mixed" | "naive")
                || matches!(transport, "ws" | "http" | "httpupgrade" | "grpc")
        };
        let inbounds = list(&self.config, "inbounds").iter().filter(speaks_http);
        inbounds.map(|inbound| text(inbound, "tag").to_owned()).collect()
    }

    /// What lets bytes pass without asking the gate, in words.
    pub(in crate::cores) fn bypasses(&self) -> Vec<String> {
        let rules = self.rules();
        let dns = rules.leading.iter().filter(|rule| text(rule, "action") == "hijack-dns");
        // Such a query ends in the core: no outbound is asked, so neither a gate nor a counter ever sees it.
        let mut words: Vec<String> = dns
            .map(|rule| format!("rule {rule} has the core answer DNS queries before the gate, uncounted"))
            .chain(rules.in_front.iter().map(|rule| format!("rule {rule} stands before the gate")))
            .collect();
        words.extend(self.marks.leave_alone.iter().map(|tag| format!("inbound {tag:?} keeps users of its own")));
        words
    }
}

/// Actions that look at a connection, change its options or refuse it, but let none of its bytes out.
fn chooses_no_outbound(rule: &Value) -> bool {
    matches!(text(rule, "action"), "sniff" | "resolve" | "hijack-dns" | "reject" | "route-options")
}

#[cfg(test)]
mod tests;
