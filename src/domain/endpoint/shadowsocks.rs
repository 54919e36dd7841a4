//! Shadowsocks: SIP002 (`ss://base64url(method:password)@host:port/?plugin=..#name`), SIP022 for the methods of 2022,
//! which stand in plain text, and the older form in which all but the name is base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{Endpoint, Protocol};
use crate::domain::link::{Params, Reason, Url, decoded, lenient_text};
use crate::domain::percent::encode;

/// Shadowsocks with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowsocks {
    /// The cipher.
    pub method: String,
    /// The password; for the methods of 2022 the keys in base64, the server's first, with a colon between.
    pub password: String,
    /// What runs around it (SIP003).
    pub plugin: Option<Plugin>,
    /// UDP travels inside TCP.
    pub udp_over_tcp: bool,
}

/// A SIP003 plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name, such as `obfs-local` or `v2ray-plugin`.
    pub name: String,
    /// Its options as they stand: `key=value;flag`, with `\` before `;`, `=` and `\`.
    pub options: String,
}

/// How many bytes each key of a method of 2022 has. None: the method takes any password.
#[must_use]
pub fn key_length(method: &str) -> Option<usize> {
    match method {
        "2022-blake3-aes-128-gcm" => Some(16),
        "2022-blake3-aes-256-gcm" | "2022-blake3-chacha20-poly1305" => Some(32),
        _ => None,
    }
}

/// The plugin that carries Shadowsocks over WebSocket or QUIC (github.com/shadowsocks/v2ray-plugin).
pub const V2RAY: &str = "v2ray-plugin";

impl Plugin {
    /// The same, with the usual mode of a v2ray-plugin said.
    #[must_use]
    pub fn spelled_out(mut self) -> Self {
        if self.name == V2RAY && self.pairs().iter().all(|(key, _)| key != "mode") {
            // In front: behind a `\` that ends the options it would be a part of them.
            let options = ["mode=websocket", self.options.as_str()];
            self.options = options.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(";");
        }
        self
    }

    /// The options one by one; a flag has an empty value.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = vec![(String::new(), String::new())];
        let (mut in_value, mut is_escaped) = (false, false);
        for letter in self.options.chars() {
            match (letter, is_escaped) {
                ('\\', false) => is_escaped = true,
                (';', false) => {
                    pairs.push((String::new(), String::new()));
                    in_value = false;
                }
                ('=', false) if !in_value => in_value = true,
                _ => {
                    is_escaped = false;
                    if let Some((key, value)) = pairs.last_mut() {
                        if in_value { value.push(letter) } else { key.push(letter) }
                    }
                }
            }
        }
        pairs.retain(|(key, _)| !key.is_empty());
        pairs
    }
}

impl Shadowsocks {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        if text.split(['#', '?']).next().is_some_and(|head| !head.contains('@')) {
            return Self::read_legacy(text);
        }
        let mut url = Url::parse(text)?;
        let port = url.port_or(None)?;
        let (method, password) = method_and_password(&url.user)?;
        let shadowsocks = Self::with(method, password, &mut url.params)?;
        Ok(url.endpoint(port, Protocol::Shadowsocks(shadowsocks)))
    }

    fn with(method: String, password: String, params: &mut Params) -> Result<Self, Reason> {
        let plugin = params.take(&["plugin"]).and_then(|plugin| {
            let (name, options) = plugin.split_once(';').unwrap_or((&plugin, ""));
            // Options of nothing name no program that a client could start.
            (!name.is_empty()).then(|| Plugin { name: name.to_owned(), options: options.to_owned() })
        });
        let udp_over_tcp = params.take_flag(&["uot", "udp-over-tcp"]);
        Self { method, password, plugin, udp_over_tcp }.checked()
    }

    fn read_legacy(text: &str) -> Result<Endpoint, Reason> {
        let (payload, name) = text.split_once('#').unwrap_or((text, ""));
        let plain = lenient_text(payload.trim_end_matches('/')).ok_or(Reason::MethodMissing)?;
        // The password may hold anything, `@`, `#` and `%` included.
        let (login, place) = plain.rsplit_once('@').ok_or(Reason::MethodMissing)?;
        let (method, password) = login.split_once(':').ok_or(Reason::MethodMissing)?;
        let mut url = Url::parse(&format!("{place}#{name}"))?;
        let port = url.port_or(None)?;
        // The older form had no parameters; whoever writes some means what they mean elsewhere.
        let shadowsocks = Self::with(method.into(), password.into(), &mut url.params)?;
        Ok(url.endpoint(port, Protocol::Shadowsocks(shadowsocks)))
    }

    /// Clients refuse a whole list for a key of the wrong length.
    fn checked(self) -> Result<Self, Reason> {
        // A colon in the method would be the end of it once it is written.
        if self.method.is_empty() || self.method.contains(':') {
            return Err(Reason::MethodMissing);
        }
        if self.password.is_empty() {
            return Err(Reason::PasswordMissing);
        }
        let fits =
            |length| self.password.split(':').all(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == length));
        match key_length(&self.method) {
            Some(length) if !fits(length) => Err(Reason::Ss2022KeyLength),
            _ => Ok(self),
        }
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let Self { method, password, plugin, udp_over_tcp } = self;
        // SIP022 forbids base64 here.
        let user = if method.starts_with("2022-") {
            format!("{}:{}", encode(method), encode(password))
        } else {
            URL_SAFE_NO_PAD.encode(format!("{method}:{password}"))
        };
        let mut params = Params::default();
        params.some(
            "plugin",
            plugin.as_ref().map(
                |Plugin { name, options }| {
                    if options.is_empty() { name.clone() } else { format!("{name};{options}") }
                },
            ),
        );
        params.flag("uot", *udp_over_tcp);
        let path = if plugin.is_some() { "/" } else { "" };
        Url::write("ss", &user, endpoint, path, params)
    }
}

fn method_and_password(user: &str) -> Result<(String, String), Reason> {
    let pair = |text: &str| text.split_once(':').map(|(method, password)| (method.to_owned(), password.to_owned()));
    if let Some((method, password)) = pair(user) {
        return Ok((decoded(&method), decoded(&password)));
    }
    let user = decoded(user);
    pair(&user).or_else(|| pair(&lenient_text(&user)?)).ok_or(Reason::MethodMissing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_mean_the_same_in_the_older_form() {
        let read = |link: &str| Endpoint::read(link).unwrap().unwrap();
        let place = "aes-256-gcm:pw@h.test:1?plugin=v2ray-plugin&uot=1&x=y";
        let older = read(&format!("ss://{}", STANDARD.encode(place)));
        assert_eq!(read(&older.link()), older);
        assert_eq!(older.unknown, [("x".to_owned(), "y".to_owned())]);
        assert_eq!(read("ss://aes-256-gcm:pw@h.test:1?plugin=;mode=x"), read("ss://aes-256-gcm:pw@h.test:1"));
    }

    #[test]
    fn a_mode_that_is_said_once_is_not_said_again() {
        for (name, options, spelled_out) in [
            (V2RAY, "", "mode=websocket"),
            (V2RAY, "tls;host=mode=x", "mode=websocket;tls;host=mode=x"),
            (V2RAY, r"path=\", r"mode=websocket;path=\"),
            (V2RAY, "tls;mode=quic", "tls;mode=quic"),
            ("obfs-local", "obfs=http", "obfs=http"),
        ] {
            let plugin = |options: &str| Plugin { name: name.into(), options: options.into() };
            assert_eq!(plugin(options).spelled_out(), plugin(spelled_out));
            assert_eq!(plugin(spelled_out).spelled_out(), plugin(spelled_out));
        }
    }

    #[test]
    fn plugin_options_unescape() {
        let plugin = |options: &str| Plugin { name: "x".into(), options: options.into() }.pairs();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(plugin("server"), [pair("server", "")]);
        assert_eq!(
            plugin(r"obfs=http;obfs-host=a\;b\=c\\d;path=/x=y"),
            [pair("obfs", "http"), pair("obfs-host", r"a;b=c\d"), pair("path", "/x=y")]
        );
        assert_eq!(plugin(""), []);
    }
}
