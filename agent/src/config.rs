//! The agent's settings: `/etc/weir/agent.toml`.
//!
//! Every field has a default, so a missing file means a host set up as the packages of sing-box do it. Unknown fields
//! are refused, because a misspelt one would silently fall back to its default.

use core::net::SocketAddr;
use core::time::Duration;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cores::program::Family;
use crate::cores::singbox::{self, RelayPorts};
use crate::cores::{nginx, v2ray};
use crate::egress::{Pin, Proxy};
use crate::panel_url::PanelUrl;

/// How long a core may take to answer after a reload before the last good file is put back: 10,000 slots take 3 s.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Where the settings are unless `--config` says otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/weir/agent.toml";

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The panel's URL. Not needed: enrolling stores it. When set, it wins, for a panel that has moved.
    pub(crate) panel: Option<PanelUrl>,
    /// The proxy that leads to it; when missing, `HTTPS_PROXY` of the environment.
    pub(crate) proxy: Option<Proxy>,
    /// Keys of which its certificate, or an authority of it, must have one; none means that trust is enough.
    pub(crate) pins: Vec<Pin>,
    /// Loopback address and port of `/metrics` and `/health`; when missing, they are not served.
    pub(crate) monitor: Option<SocketAddr>,
    /// Where the ledger and the status file are kept. Default `/var/lib/weir`.
    pub(crate) state_dir: PathBuf,
    /// What happens to a user at his limit while the panel cannot be reached: `"hold"` (default) shuts his gate,
    /// `"open"` lets him pass and settles later.
    pub(crate) on_panel_loss: OnPanelLoss,
    /// Seconds between two reloads of the core at least, `0..=86400`; new users that have no loaded slot wait for it.
    /// Every reload cuts all connections. Default 600.
    pub(crate) reload_every_seconds: u32,
    /// `"error"`, `"warn"`, `"info"` (default), `"debug"`.
    pub(crate) log: Log,
    /// The proxy core of this host.
    pub(crate) core: CoreConfig,
    /// Whose addresses clients come from.
    pub(crate) addresses: AddressConfig,
    /// How users are held to their speed.
    pub(crate) speed: SpeedConfig,
}

/// `[speed]`: limits of speed. Ports are on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SpeedConfig {
    /// Whether users can be held to a speed on this host. Costs the core 3 KB a user. Default true.
    pub(crate) limits: bool,
    /// What holds them: `"relay"` (default), or `"nft"`, the kernel, for users of sing-box.
    pub(crate) by: Holder,
    /// Where the agent's relay listens. Default 21091.
    pub(crate) relay_port: u16,
    /// Where the core takes back what went through it. Default 21092.
    pub(crate) back_port: u16,
}

impl SpeedConfig {
    /// Whether the kernel shall hold users to their speed.
    #[must_use]
    pub(crate) fn is_by_nft(&self) -> bool {
        self.limits && self.by == Holder::Nft
    }

    /// Where core and relay find each other.
    #[must_use]
    pub(crate) const fn ports(&self) -> RelayPorts {
        RelayPorts { relay: self.relay_port, back: self.back_port }
    }
}

/// See [`SpeedConfig::by`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Holder {
    /// The agent's relay.
    #[default]
    Relay,
    /// The kernel, by rules of nftables; the relay while that does not work.
    Nft,
}

impl Default for SpeedConfig {
    fn default() -> Self {
        Self { limits: true, by: Holder::Relay, relay_port: 21_091, back_port: 21_092 }
    }
}

/// `[addresses]`: how many devices a user has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AddressConfig {
    /// Tags of the template's inbounds that only a proxy of the operator's can reach, which overwrites `X-Forwarded-For`.
    pub(crate) behind_proxy: Vec<String>,
}

/// See [`Config::on_panel_loss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnPanelLoss {
    /// Up to the limit, then shut.
    #[default]
    Hold,
    /// Limits do not shut gates while the panel is away.
    Open,
}

/// See [`Config::log`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Log {
    /// What needs an operator.
    Error,
    /// And what may need one.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And why.
    Debug,
}

/// `[core]`: the proxy core.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CoreConfig {
    /// `"auto"` (default): whichever is found. `"sing-box"`, version 1.14 or later; `"sing-box-relayed"`, 1.12 and 1.13; `"v2ray"`, 4.34 or later; `"xray"`; `"nginx"` with vts. What the
    /// other fields default to is of this kind; said here for sing-box, in `docs/cores.md` for all.
    pub(crate) kind: CoreKind,
    /// The core's program, for `check`. Default `/usr/bin/sing-box`.
    pub(crate) binary: PathBuf,
    /// The operator's configuration without users; read, never written. Default `/etc/weir/template.json`.
    pub(crate) template: PathBuf,
    /// The file that the core runs with; written by the agent alone. Default `/etc/sing-box/config.json`.
    pub(crate) output: PathBuf,
    /// Program and arguments that make the core read `output` again. Default `systemctl reload sing-box`.
    pub(crate) reload_command: Vec<String>,
    /// Program and arguments that start the core. Default `systemctl start sing-box`.
    pub(crate) start_command: Vec<String>,
    /// A file with the core's process id; when set, a reload is a SIGHUP to it instead of `reload_command`.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where the core keeps the gates' states over a restart; its folder must be writable by core and agent. Default
    /// `/var/lib/sing-box/weir/cache.db`.
    pub(crate) cache_file: PathBuf,
    /// The core's working directory (`-D`), which relative paths in the template start from. Default `/var/lib/sing-box`.
    pub(crate) working_dir: PathBuf,
    /// Loopback port on which the core's `api` service listens. Default 21090.
    pub(crate) api_port: u16,
}

/// See [`CoreConfig::kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum CoreKind {
    /// The one that is found on this host.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// sing-box through its `api` service.
    #[serde(rename = "sing-box")]
    SingBox,
    /// sing-box before 1.14, which tells nobody whose bytes a connection moves: all of its users go through the agent's relay.
    #[serde(rename = "sing-box-relayed")]
    Relayed,
    /// V2Ray through its api.
    #[serde(rename = "v2ray")]
    V2Ray,
    /// Xray through its api.
    #[serde(rename = "xray")]
    Xray,
    /// nginx through its module vts; never found by itself, because many hosts have an nginx for something else.
    #[serde(rename = "nginx")]
    Nginx,
    /// A core that a test plays.
    #[cfg(feature = "faults")]
    #[serde(rename = "scripted")]
    Scripted,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            panel: None,
            proxy: None,
            pins: Vec::new(),
            monitor: None,
            state_dir: PathBuf::from("/var/lib/weir"),
            on_panel_loss: OnPanelLoss::Hold,
            reload_every_seconds: 600,
            log: Log::Info,
            core: CoreConfig::default(),
            addresses: AddressConfig::default(),
            speed: SpeedConfig::default(),
        }
    }
}

impl Default for CoreConfig {
    fn default() -> Self {
        let command = |verb: &str| ["systemctl", verb, "sing-box"].map(str::to_owned).to_vec();
        Self {
            kind: CoreKind::Auto,
            binary: PathBuf::from("/usr/bin/sing-box"),
            template: PathBuf::from("/etc/weir/template.json"),
            output: PathBuf::from("/etc/sing-box/config.json"),
            reload_command: command("reload"),
            start_command: command("start"),
            pid_file: None,
            cache_file: PathBuf::from("/var/lib/sing-box/weir/cache.db"),
            working_dir: PathBuf::from("/var/lib/sing-box"),
            api_port: 21_090,
        }
    }
}

impl CoreConfig {
    /// The core is of this kind. What was not set for it, and so is as for sing-box, becomes what its packages do.
    pub(crate) fn settle(&mut self, kind: CoreKind) {
        self.kind = kind;
        let (binary, output, unit) = match kind {
            CoreKind::V2Ray => ("/usr/bin/v2ray", "/etc/v2ray/config.json", "v2ray"),
            CoreKind::Xray => ("/usr/local/bin/xray", "/usr/local/etc/xray/config.json", "xray"),
            CoreKind::Nginx => ("/usr/sbin/nginx", "/etc/nginx/weir-users.map", "nginx"),
            _ => return,
        };
        let usual = Self::default();
        let command = |verb: &str| ["systemctl", verb, unit].map(str::to_owned).to_vec();
        // V2Ray and Xray do not read their file again while they run, and SIGHUP ends them.
        let (reload, start) = if kind == CoreKind::Nginx { ("reload", "start") } else { ("restart", "restart") };
        let set = |field: &mut PathBuf, usual: PathBuf, own: &str| {
            if *field == usual {
                *field = PathBuf::from(own);
            }
        };
        set(&mut self.binary, usual.binary, binary);
        set(&mut self.output, usual.output, output);
        set(&mut self.working_dir, usual.working_dir, "/");
        if self.reload_command == usual.reload_command {
            self.reload_command = command(reload);
        }
        if self.start_command == usual.start_command {
            self.start_command = command(start);
        }
    }
}

/// Why the settings cannot be used, in a sentence that names file, field and rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl Config {
    /// Reads the file that `--config` names, which must exist, or the default one, which may be missing.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Wrong> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|wrong| Wrong(format!("{}: {wrong}", path.display()))),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Wrong(format!("{}: cannot be read: {error}", path.display()))),
        }
    }

    /// Reads and checks TOML.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut config: Self = toml::from_str(text).map_err(|error| Wrong(error.to_string().trim_end().to_owned()))?;
        config.core.settle(config.core.kind);
        match config.wrong_fields().first() {
            None => Ok(config),
            Some((field, rule)) => Err(Wrong(format!("{field}: {rule}"))),
        }
    }

    fn wrong_fields(&self) -> Vec<(&'static str, String)> {
        let paths = [
            ("state_dir", &self.state_dir),
            ("core.binary", &self.core.binary),
            ("core.template", &self.core.template),
            ("core.output", &self.core.output),
            ("core.cache_file", &self.core.cache_file),
            ("core.working_dir", &self.core.working_dir),
        ];
        let relative = paths.into_iter().filter(|(_, path)| !path.is_absolute());
        let mut wrong: Vec<_> = relative.map(|(field, path)| (field, absolute(path))).collect();
        if let Some(path) = self.core.pid_file.as_ref().filter(|path| !path.is_absolute()) {
            wrong.push(("core.pid_file", absolute(path)));
        }
        if self.core.template == self.core.output {
            wrong.push(("core.output", "must be another file than core.template, which is never written".to_owned()));
        }
        let takes_hangup = matches!(self.core.kind, CoreKind::SingBox | CoreKind::Relayed | CoreKind::Auto);
        if !takes_hangup && self.core.pid_file.is_some() {
            let rule =
                "is for sing-box alone: set core.reload_command to what restarts V2Ray or Xray, or reloads nginx";
            wrong.push(("core.pid_file", rule.to_owned()));
        }
        if self.monitor.is_some_and(|address| !address.ip().is_loopback() || address.port() == 0) {
            wrong.push(("monitor", "must be an address of loopback with a port, such as 127.0.0.1:9469".to_owned()));
        }
        if self.reload_every_seconds > 86_400 {
            wrong.push(("reload_every_seconds", "must be from 0 to 86400".to_owned()));
        }
        if self.core.api_port == 0 {
            wrong.push(("core.api_port", "must be from 1 to 65535".to_owned()));
        }
        let SpeedConfig { relay_port, back_port, .. } = self.speed;
        for (field, port) in [("speed.relay_port", relay_port), ("speed.back_port", back_port)] {
            if port == 0 {
                wrong.push((field, "must be from 1 to 65535".to_owned()));
            }
            if self.speed.limits && port == self.core.api_port {
                wrong.push((field, "must be another port than core.api_port".to_owned()));
            }
        }
        if relay_port == back_port {
            wrong.push(("speed.back_port", "must be another port than speed.relay_port".to_owned()));
        }
        let commands =
            [("core.reload_command", &self.core.reload_command), ("core.start_command", &self.core.start_command)];
        for (field, argv) in commands {
            if argv.first().is_none_or(String::is_empty) {
                wrong.push((field, "must hold a program and its arguments, such as [\"systemctl\", ..]".to_owned()));
            }
        }
        wrong
    }

    /// What `--check` finds wrong outside the file itself: programs and files that are not there.
    #[must_use]
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (field, path) in [("core.binary", &self.core.binary), ("core.template", &self.core.template)] {
            // nginx is configured by its operator alone.
            if !path.is_file() && (self.core.kind != CoreKind::Nginx || field == "core.binary") {
                missing.push(format!("{field}: there is no file {}", path.display()));
            }
        }
        let folders = [
            ("state_dir", Some(self.state_dir.as_path())),
            ("core.output", self.core.output.parent()),
            ("core.cache_file", self.core.cache_file.parent()),
            ("core.working_dir", Some(self.core.working_dir.as_path())),
        ];
        let is_sing_box = matches!(self.core.kind, CoreKind::SingBox | CoreKind::Auto);
        let folders = folders.into_iter().filter(|(field, _)| is_sing_box || *field != "core.cache_file");
        for (field, folder) in folders {
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                missing.push(format!("{field}: there is no folder {}", folder.display()));
            }
        }
        missing
    }

    /// The settings of the sing-box adapter.
    #[must_use]
    pub(crate) fn sing_box(&self) -> singbox::Settings {
        let core = &self.core;
        let hangup = || ["kill", "-HUP", "{pid}"].map(str::to_owned).to_vec();
        singbox::Settings {
            binary: core.binary.clone(),
            template: core.template.clone(),
            output: core.output.clone(),
            staging_dir: None,
            state_dir: self.state_dir.clone(),
            cache_file: core.cache_file.clone(),
            working_dir: Some(core.working_dir.clone()),
            api_port: core.api_port,
            relay: self.speed.limits.then(|| self.speed.ports()),
            marks: self.speed.is_by_nft(),
            reload: if core.pid_file.is_some() { hangup() } else { core.reload_command.clone() },
            start: core.start_command.clone(),
            pid_file: core.pid_file.clone(),
            start_limit: START_LIMIT,
        }
    }

    /// The settings of the adapter of V2Ray and Xray.
    #[must_use]
    pub(crate) fn v2ray(&self) -> v2ray::Settings {
        let core = &self.core;
        v2ray::Settings {
            family: if core.kind == CoreKind::Xray { Family::Xray } else { Family::V2Ray },
            binary: core.binary.clone(),
            template: core.template.clone(),
            output: core.output.clone(),
            state_dir: self.state_dir.clone(),
            working_dir: Some(core.working_dir.clone()),
            api_port: core.api_port,
            restart: core.reload_command.clone(),
            start: core.start_command.clone(),
            start_limit: START_LIMIT,
        }
    }

    /// The settings of the adapter of nginx.
    #[must_use]
    pub(crate) fn nginx(&self) -> nginx::Settings {
        nginx::Settings {
            output: self.core.output.clone(),
            port: self.core.api_port,
            reload: self.core.reload_command.clone(),
            start: self.core.start_command.clone(),
            start_limit: START_LIMIT,
        }
    }

    /// The ledger's file.
    #[must_use]
    pub(crate) fn ledger(&self) -> PathBuf {
        self.state_dir.join("ledger.redb")
    }

    /// What `weir-agent status` reads.
    #[must_use]
    pub(crate) fn status_file(&self) -> PathBuf {
        self.state_dir.join("status.json")
    }
}

fn absolute(path: &Path) -> String {
    format!("must be an absolute path, not {:?}", path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    #[test]
    fn every_field_is_read() {
        let text = r#"
            panel = "https://panel.example"
            proxy = "http://user:secret@proxy.example:3128"
            pins = ["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
            monitor = "[::1]:9469"
            state_dir = "/srv/weir"
            on_panel_loss = "open"
            reload_every_seconds = 60
            log = "debug"
            [core]
            kind = "sing-box"
            binary = "/opt/sing-box"
            template = "/srv/template.json"
            output = "/srv/config.json"
            reload_command = ["kill", "-HUP", "1"]
            start_command = ["true"]
            pid_file = "/run/sing-box.pid"
            cache_file = "/srv/cache.db"
            working_dir = "/srv"
            api_port = 9000
            [addresses]
            behind_proxy = ["vless-ws"]
            [speed]
            limits = false
            relay_port = 9001
            back_port = 9002
        "#;
        let config = Config::parse(text).unwrap();
        assert_eq!(config.on_panel_loss, OnPanelLoss::Open);
        assert_eq!(config.core.api_port, 9000);
        assert_eq!(config.addresses.behind_proxy, ["vless-ws"]);
        assert_eq!(config.speed, SpeedConfig { limits: false, by: Holder::Relay, relay_port: 9001, back_port: 9002 });
        assert_eq!(config.sing_box().relay, None);
        assert_eq!(config.ledger(), Path::new("/srv/weir/ledger.redb"));
    }

    #[test]
    fn every_mistake_is_named_with_its_field() {
        let cases = [
            ("stat_dir = \"/x\"", "stat_dir"),
            ("state_dir = \"x\"", "state_dir: must be an absolute path"),
            ("panel = \"http://example.com\"", "https"),
            ("proxy = \"socks5://127.0.0.1:1080\"", "CONNECT"),
            ("pins = [\"sha1/x\"]", "pin"),
            ("monitor = \"0.0.0.0:9469\"", "monitor: must be an address of loopback"),
            ("monitor = \"127.0.0.1:0\"", "monitor"),
            ("on_panel_loss = \"maybe\"", "on_panel_loss"),
            ("reload_every_seconds = 86401", "reload_every_seconds: must be from 0 to 86400"),
            ("core.api_port = 0", "core.api_port"),
            ("addresses.trusted = []", "trusted"),
            ("core.kind = \"squid\"", "kind"),
            ("core.kind = \"xray\"\ncore.pid_file = \"/run/x\"", "core.pid_file: is for sing-box alone"),
            ("speed.relay_port = 0", "speed.relay_port: must be from 1 to 65535"),
            ("speed.relay_port = 21092", "speed.back_port: must be another port than speed.relay_port"),
            ("speed.back_port = 21090", "speed.back_port: must be another port than core.api_port"),
            ("speed.limit = true", "limit"),
            ("core.reload_command = []", "core.reload_command"),
            ("core.output = \"/etc/weir/template.json\"", "core.output: must be another file"),
        ];
        for (text, expected) in cases {
            let wrong = Config::parse(text).unwrap_err().to_string();
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }

    #[test]
    fn what_is_not_set_is_as_the_packages_of_its_kind_do_it() {
        let core = Config::parse("core.kind = \"v2ray\"\ncore.api_port = 9000").unwrap().core;
        assert_eq!(
            (core.binary.to_str(), core.output.to_str()),
            (Some("/usr/bin/v2ray"), Some("/etc/v2ray/config.json"))
        );
        assert_eq!((core.reload_command.join(" "), core.api_port), ("systemctl restart v2ray".to_owned(), 9000));
        let core = Config::parse("core.kind = \"xray\"\ncore.output = \"/srv/x.json\"").unwrap().core;
        let nginx = Config::parse("core.kind = \"nginx\"").unwrap().core;
        assert_eq!(
            (nginx.reload_command.join(" "), nginx.start_command.join(" ")),
            ("systemctl reload nginx".to_owned(), "systemctl start nginx".to_owned())
        );
        assert_eq!(
            (core.start_command.join(" "), core.output.to_str()),
            ("systemctl restart xray".to_owned(), Some("/srv/x.json"))
        );
    }

    #[test]
    fn the_kernel_holds_limits_only_where_it_shall_and_where_there_are_limits() {
        let is_by_nft = |text: &str| Config::parse(text).unwrap().speed.is_by_nft();
        assert!(!is_by_nft("") && !is_by_nft("[speed]\nby = \"relay\"") && is_by_nft("[speed]\nby = \"nft\""));
        assert!(!is_by_nft("[speed]\nby = \"nft\"\nlimits = false"));
        let told = Config::parse("[speed]\nby = \"iptables\"").unwrap_err().to_string();
        assert!(told.contains("by") && told.contains("`relay`") && told.contains("`nft`"), "{told}");
    }

    const EXAMPLE: &str = include_str!("../packaging/agent.toml");

    /// The example with the keys that have no default as well.
    fn whole_example() -> String {
        let set = |line: &str| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with([' ', '#']) && rest.contains(" = "))
                .map(str::to_owned)
        };
        EXAMPLE.lines().map(|line| set(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
    }

    #[test]
    fn the_example_means_the_defaults() {
        assert_eq!(Config::parse(EXAMPLE), Ok(Config::default()));
        let whole = Config::parse(&whole_example()).unwrap();
        assert!(
            whole.panel.is_some() && whole.core.pid_file.is_some() && whole.proxy.is_some() && whole.monitor.is_some()
        );
    }

    #[test]
    fn the_example_names_every_key_with_a_comment_above_it() {
        // What is unknown is refused with a list of all that is known.
        let known = |text: &str| {
            let told = Config::parse(text).unwrap_err().to_string();
            let list = told.split("expected one of ").nth(1).unwrap().to_owned();
            list.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let (top, core) = (known("nonsense = 1"), known("core.nonsense = 1"));
        let speed = known("speed.nonsense = 1");
        assert!(top.len() == 11 && core.len() == 10 && speed.len() == 4, "{top:?} {core:?} {speed:?}");
        let example = whole_example();
        for key in top.iter().chain(&core).chain(&speed) {
            let is_table = matches!(key.as_str(), "core" | "addresses" | "speed");
            let start = if is_table { format!("[{key}]") } else { format!("{key} = ") };
            let place = example.lines().position(|line| line.starts_with(&start));
            let place = place.unwrap_or_else(|| panic!("the example lacks {key}"));
            assert!(example.lines().nth(place - 1).unwrap().starts_with("# "), "{key} is not explained");
        }
    }

    #[test]
    fn a_named_file_must_exist_and_the_default_one_need_not() {
        assert!(Config::load(Some(Path::new("/nonexistent/agent.toml"))).is_err());
    }
}
