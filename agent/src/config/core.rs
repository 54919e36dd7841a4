//! `[core]`: the proxy core, and what its fields mean when they are not set.

use std::path::PathBuf;

use serde::Deserialize;

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

#[cfg(test)]
mod tests {
    use crate::config::Config;

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
}
