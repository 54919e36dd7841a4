//! The agent's settings: `/etc/weir/agent.toml`.
//!
//! Every field has a default, so a missing file means a host set up as the packages of sing-box do it. Unknown fields
//! are refused, because a misspelt one would silently fall back to its default.

mod adapters;
mod checks;
mod core;
mod speed;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::Deserialize;

pub(crate) use self::core::{CoreConfig, CoreKind};
use self::speed::SpeedConfig;
use crate::egress::{Pin, Proxy};
use crate::panel_url::PanelUrl;

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
