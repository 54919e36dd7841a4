//! What each core's adapter is told of the settings.

use core::time::Duration;

use super::{Config, CoreKind};
use crate::cores::program::Family;
use crate::cores::{nginx, singbox, v2ray};

/// How long a core may take to answer after a reload before the last good file is put back: 10,000 slots take 3 s.
const START_LIMIT: Duration = Duration::from_secs(10);

impl Config {
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
}
