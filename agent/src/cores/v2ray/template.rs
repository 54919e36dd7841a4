//! The operator's template: a configuration of V2Ray or Xray without our users, read and never written.
//!
//! Beside the core's own keys it may carry `weir`, which is not part of the configuration:
//! - `leave_alone`: tags of inbounds whose users the operator keeps himself;
//! - `self_signed`: tags of inbounds whose certificate no public authority signed, which clients must be told.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_wire::sync::Inbound;

use super::describe::{describe, port};
use super::users::Scheme;
use crate::cores::CoreError;
use crate::cores::json::{list, text};
use crate::cores::program::Family;
use crate::cores::template::{self, check_tags, wrong};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Marks {
    leave_alone: Vec<String>,
    self_signed: Vec<String>,
}

/// A template that was read and understood.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The configuration without the key `weir`.
    pub(super) config: Map<String, Value>,
    family: Family,
    marks: Marks,
}

impl Template {
    /// Reads the template from a file.
    ///
    /// # Errors
    /// [`CoreError::Config`] when it cannot be read or understood.
    pub(super) fn read(path: &Path, family: Family) -> Result<Self, CoreError> {
        Self::parse(&template::read(path)?, family)
    }

    /// Understands the template's text.
    ///
    /// # Errors
    /// [`CoreError::Config`] naming the place and the rule.
    pub(super) fn parse(json: &str, family: Family) -> Result<Self, CoreError> {
        let (config, marks) = template::parse(json)?;
        let template = Self { config, family, marks };
        template.check_shape()?;
        template.check_names()?;
        Ok(template)
    }

    fn check_shape(&self) -> Result<(), CoreError> {
        for key in ["inbounds", "outbounds"] {
            match self.config.get(key) {
                None => {}
                Some(Value::Array(items)) if items.iter().all(Value::is_object) => {}
                Some(_) => return Err(wrong(key, "must be a list of objects")),
            }
        }
        for key in ["api", "stats", "policy", "routing"] {
            if self.config.get(key).is_some_and(|value| !value.is_object()) {
                return Err(wrong(key, "must be an object"));
            }
        }
        check_tags(&self.config, "leave_alone", &self.marks.leave_alone)?;
        check_tags(&self.config, "self_signed", &self.marks.self_signed)
    }

    fn check_names(&self) -> Result<(), CoreError> {
        let mut seen = Vec::new();
        for (place, inbound) in self.inbound_objects().enumerate() {
            let own = inbound.get("tag").and_then(Value::as_str).unwrap_or_default();
            if own.starts_with("weir-") {
                return Err(wrong(&format!("inbounds[{place}].tag"), "tags that begin with \"weir-\" are the agent's"));
            }
            let scheme = self.scheme(inbound).map_err(|why| wrong(&format!("inbounds[{place}]"), &why))?;
            if scheme.is_none() {
                continue;
            }
            if own.is_empty() {
                return Err(wrong(&format!("inbounds[{place}].tag"), "must be set: users are added to it by its tag"));
            }
            if seen.contains(&own) {
                return Err(wrong(&format!("inbounds[{place}].tag"), &format!("{own:?} is used twice")));
            }
            seen.push(own);
            if port(inbound).is_none() {
                return Err(wrong(&format!("inbounds[{place}].port"), "must be one port from 1 to 65535"));
            }
            let settings = inbound.get("settings");
            if settings.is_some_and(|settings| !settings.is_object()) {
                return Err(wrong(&format!("inbounds[{place}].settings"), "must be an object"));
            }
            let clients = settings.and_then(|settings| settings.get("clients"));
            if clients.is_some_and(|clients| clients.as_array().is_none_or(|all| !all.iter().all(Value::is_object))) {
                return Err(wrong(&format!("inbounds[{place}].settings.clients"), "must be a list of objects"));
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
        if self.marks.leave_alone.iter().any(|left| left == tag) {
            return Ok(None);
        }
        Scheme::of(inbound, self.family)
    }

    /// What clients can connect to.
    pub(super) fn inbounds(&self) -> Vec<Inbound> {
        let of = |inbound: &Map<String, Value>| {
            let scheme = self.scheme(inbound).ok().flatten()?;
            let tag = inbound.get("tag").and_then(Value::as_str)?;
            describe(inbound, &scheme, self.marks.self_signed.iter().any(|marked| marked == tag))
        };
        self.inbound_objects().filter_map(of).collect()
    }

    /// Tags of the inbounds that speak HTTP: the core takes the client's address from a header there, whoever wrote it.
    pub(super) fn by_header(&self) -> Vec<String> {
        let speaks_http = |inbound: &&Map<String, Value>| {
            let stream = inbound.get("streamSettings").unwrap_or(&Value::Null);
            let over = text(stream, "network");
            matches!(over, "ws" | "http" | "h2" | "grpc" | "gun" | "httpupgrade" | "xhttp" | "splithttp")
                || inbound.get("protocol").and_then(Value::as_str) == Some("http")
        };
        let tag =
            |inbound: &Map<String, Value>| inbound.get("tag").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.inbound_objects().filter(speaks_http).map(tag).collect()
    }

    /// What lets bytes pass without asking the gate, in words.
    pub(super) fn bypasses(&self) -> Vec<String> {
        self.marks.leave_alone.iter().map(|tag| format!("inbound {tag:?} keeps users of its own")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::template::MARKS;

    fn refusal(json: &str) -> String {
        Template::parse(json, Family::V2Ray).unwrap_err().to_string()
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (json, place) in [
            ("[]", "not a JSON object"),
            (r#"{"inbounds":{}}"#, "inbounds: must be a list"),
            (r#"{"policy":[]}"#, "policy: must be an object"),
            (r#"{"weir":{"hop":{}}}"#, "weir: unknown field"),
            (r#"{"weir":{"leave_alone":["x"]}}"#, "weir.leave_alone: there is no inbound \"x\""),
            (r#"{"inbounds":[{"protocol":"vmess","port":1}]}"#, "inbounds[0].tag: must be set"),
            (r#"{"inbounds":[{"tag":"a","protocol":"vmess","port":"1-9"}]}"#, "inbounds[0].port: must be one port"),
            (r#"{"inbounds":[{"tag":"weir-a","protocol":"http"}]}"#, "inbounds[0].tag: tags that begin"),
            (r#"{"inbounds":[{"tag":"a","protocol":"shadowsocks","port":1}]}"#, "inbounds[0]: protocol: V2Ray serves"),
            (
                r#"{"inbounds":[{"tag":"a","protocol":"vmess","port":1},{"tag":"a","protocol":"vless","port":2}]}"#,
                "inbounds[1].tag: \"a\" is used twice",
            ),
            (
                r#"{"inbounds":[{"tag":"a","protocol":"vmess","port":1,"settings":{"clients":{}}}]}"#,
                "inbounds[0].settings.clients: must be a list",
            ),
        ] {
            assert!(refusal(json).contains(place), "{json}: {}", refusal(json));
        }
    }

    #[test]
    fn an_inbound_that_is_left_alone_has_no_users_of_ours_and_is_told() {
        let json = r#"{"inbounds":[{"tag":"own","protocol":"shadowsocks","port":1},{"tag":"a","protocol":"vmess","port":2}],
            "weir":{"leave_alone":["own"]}}"#;
        let template = Template::parse(json, Family::V2Ray).unwrap();
        assert_eq!(template.inbounds().iter().map(|inbound| inbound.tag.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(template.bypasses(), ["inbound \"own\" keeps users of its own"]);
        assert!(!template.config.contains_key(MARKS));
    }
}
