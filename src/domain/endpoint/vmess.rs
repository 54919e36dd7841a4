//! `VMess`. Two forms are read, `vmess://base64(JSON)` of v2rayN and `vmess://uuid@host:port?..`; the first is written,
//! because few clients read the second.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Endpoint, Host, Protocol, Stream};
use crate::domain::link::{Params, Reason, Url, decoded, lenient_text, port_number};

/// `VMess` with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vmess {
    /// The user's uuid.
    pub uuid: String,
    /// 0 but for servers of before 2021.
    pub alter_id: u16,
    /// `auto`, `none`, `zero`, `aes-128-gcm` or `chacha20-poly1305`.
    pub cipher: String,
    /// How UDP is packed.
    pub packet_encoding: Option<String>,
    /// What it runs over.
    pub stream: Stream,
}

/// Keys of the JSON and the parameters that they stand for; `path`, `host` and `type` depend on the transport.
const KEYS: [(&str, &str); 3] = [("net", "type"), ("tls", "security"), ("insecure", "allowInsecure")];

/// Keys that clients write whether they say something or not.
const FILLED: [&str; 7] = ["host", "path", "type", "sni", "alpn", "fp", "tls"];

/// Names that the JSON gives a meaning of its own, whatever the transport: there a parameter of theirs that nobody took has no place.
const TAKEN: [&str; 17] = [
    "add",
    "aid",
    "allowInsecure",
    "alpn",
    "fp",
    "host",
    "id",
    "insecure",
    "net",
    "path",
    "port",
    "ps",
    "scy",
    "sni",
    "tls",
    "type",
    "v",
];

impl Vmess {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        // Base64 holds no `@`, and no URL is without one.
        let is_url = text.split(['#', '?']).next().is_some_and(|head| head.contains('@'));
        if is_url { Self::read_url(text) } else { Self::read_json(text) }
    }

    fn read_url(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(None)?;
        if url.user.is_empty() {
            return Err(Reason::UuidMissing);
        }
        // So clients fill the JSON where nothing is meant, and there it is left out as well.
        if url.params.clone().take(&["mode"]).as_deref() == Some("none") {
            url.params.take(&["mode"]);
        }
        let vmess = Self::take(decoded(&url.user), &mut url.params)?;
        let unknown = unknown(core::mem::take(&mut url.params));
        Ok(Endpoint { unknown, ..url.endpoint(port, Protocol::Vmess(vmess)) })
    }

    fn take(uuid: String, params: &mut Params) -> Result<Self, Reason> {
        Ok(Self {
            uuid,
            alter_id: params.take(&["aid", "alterId"]).and_then(|number| number.parse().ok()).unwrap_or_default(),
            cipher: params.take(&["scy", "encryption"]).unwrap_or_else(|| "auto".into()),
            packet_encoding: params.take(&["packetEncoding"]),
            stream: Stream::read(params, "none")?,
        })
    }

    fn read_json(text: &str) -> Result<Endpoint, Reason> {
        let text = text.split(['#', '?']).next().unwrap_or_default();
        let json = lenient_text(&decoded(text)).ok_or(Reason::VmessPayload)?;
        let object: Map<String, Value> = serde_json::from_str(&json).map_err(|_| Reason::VmessPayload)?;
        let mut params = Params::default();
        for (key, value) in object {
            match value {
                Value::Null => {}
                Value::String(text) => params.add(&key, text),
                other => params.add(&key, other.to_string()),
            }
        }
        params.take(&["v"]);
        let name = crate::domain::link::clean_name(&params.take(&["ps"]).unwrap_or_default());
        let server = Host::read(&params.take(&["add"]).unwrap_or_default())?;
        let port = port_number(&params.take(&["port"]).ok_or(Reason::PortMissing)?)?;
        let uuid = params.take(&["id"]).ok_or(Reason::UuidMissing)?;
        let mut params = as_parameters(params);
        let vmess = Self::take(uuid, &mut params)?;
        Ok(Endpoint { name, server, port, protocol: Protocol::Vmess(vmess), unknown: unknown(params) })
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        self.stream.write(&mut params);
        params.some("packetEncoding", self.packet_encoding.as_deref());
        let mut object = Map::new();
        let mut set = |key: &str, value: &str| object.insert(key.to_owned(), Value::String(value.to_owned()));
        // Every key that v2rayN writes, empty or not: some clients miss what is absent. But mihomo takes an empty `alpn` for a
        // protocol without a name, and then no handshake of TLS begins.
        for key in FILLED.into_iter().filter(|key| *key != "alpn") {
            set(key, "");
        }
        set("type", "none");
        set("v", "2");
        set("ps", &endpoint.name);
        set("add", endpoint.server.as_str());
        set("port", &endpoint.port.to_string());
        set("id", &self.uuid);
        set("aid", &self.alter_id.to_string());
        set("scy", &self.cipher);
        for (key, value) in as_keys(params, self.stream.transport.name()) {
            set(&key, if key == "tls" && value == "none" { "" } else { &value });
        }
        for (name, value) in &endpoint.unknown {
            object.entry(name.as_str()).or_insert_with(|| Value::String(value.clone()));
        }
        format!("vmess://{}", STANDARD.encode(Value::Object(object).to_string()))
    }
}

/// What is left of either form, as the JSON keeps it: in the order of names, and nothing that would take the place of a key.
fn unknown(params: Params) -> Vec<(String, String)> {
    let is_nothing = |name: &str, value: &str| matches!(name, "mode" | "headerType") && value == "none";
    let mut unknown = params.rest();
    unknown.retain(|(name, value)| !TAKEN.contains(&name.as_str()) && !is_nothing(name, value));
    unknown.sort();
    unknown
}

/// What `path`, `host` and `type` of the JSON mean for a transport, as (key, parameter).
fn meaning(network: &str) -> &'static [(&'static str, &'static str)] {
    match network {
        "grpc" | "gun" => &[("path", "serviceName"), ("host", "authority"), ("type", "mode")],
        "kcp" | "mkcp" => &[("path", "seed"), ("type", "headerType")],
        "xhttp" | "splithttp" => &[("type", "mode")],
        _ => &[("type", "headerType")],
    }
}

fn as_parameters(mut keys: Params) -> Params {
    let network = keys.take(&["net"]).unwrap_or_else(|| "tcp".into());
    let mut params = Params::default();
    let is_http = keys.clone().take(&["type"]).as_deref() == Some("http");
    for (key, value) in keys.rest() {
        let renamed = meaning(&network).iter().chain(&KEYS).find(|(from, _)| *from == key);
        let name = renamed.map_or(key.as_str(), |(_, to)| *to);
        // Some clients call the cipher so.
        let name = if key == "security" { "scy" } else { name };
        let is_default =
            (matches!(name, "mode" | "headerType") && value == "none") || (name == "allowInsecure" && value == "0");
        // Clients leave the fields of other transports filled; what a plain stream cannot use would only be in the way.
        let is_empty = value.is_empty() && FILLED.contains(&key.as_str());
        let is_idle = is_empty || (network == "tcp" && !is_http && matches!(name, "host" | "path"));
        if !is_default && !is_idle {
            params.add(name, value);
        }
    }
    params.add("type", network);
    params
}

fn as_keys(params: Params, network: &str) -> impl Iterator<Item = (String, String)> {
    params.rest().into_iter().map(move |(name, value)| {
        let renamed = KEYS.iter().chain(meaning(network)).find(|(_, to)| *to == name);
        (renamed.map_or(name, |(from, _)| (*from).to_owned()), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_holds_every_usual_key_but_an_alpn_that_says_nothing() {
        let written = |query: &str| -> Map<String, Value> {
            let link = format!("vmess://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30@a.weir.test:443?security=tls{query}#a");
            let written = Endpoint::read(&link).unwrap().unwrap().link();
            let json = STANDARD.decode(written.strip_prefix("vmess://").unwrap()).unwrap();
            serde_json::from_slice(&json).unwrap()
        };
        let plain = written("");
        for key in FILLED {
            assert_eq!(plain.contains_key(key), key != "alpn", "{key}");
        }
        assert_eq!(written("&alpn=h2,http/1.1").get("alpn"), Some(&Value::from("h2,http/1.1")));
    }

    #[test]
    fn what_a_url_has_beside_is_what_the_json_keeps_of_it() {
        let read = |link: &str| Endpoint::read(link).unwrap().unwrap();
        // Without TLS and beside plain TCP these say nothing, and the JSON fills their keys all the same.
        let idle = "id=x&host=h&path=%2Fp&sni=s&insecure=1&allowInsecure=0&mode=none";
        let endpoint = read(&format!("vmess://u@h.test:1?{idle}&z=1&b=&a=2"));
        assert_eq!(
            endpoint.unknown,
            [("a", "2"), ("b", ""), ("z", "1")].map(|(name, value)| (name.into(), value.into()))
        );
        assert_eq!(read(&endpoint.link()), endpoint);
        let grpc = read("vmess://u@h.test:1?type=grpc&serviceName=s&mode=none");
        assert_eq!(read(&grpc.link()), grpc);
    }
}
