//! What is wrong with settings: in the file itself, and on the host that it speaks of.

use std::path::Path;

use super::{Config, CoreKind, SpeedConfig};

impl Config {
    /// Fields that cannot be used, each with the rule that it breaks.
    pub(super) fn wrong_fields(&self) -> Vec<(&'static str, String)> {
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
}

fn absolute(path: &Path) -> String {
    format!("must be an absolute path, not {:?}", path.display().to_string())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

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
}
