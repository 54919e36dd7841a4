//! Which proxy core this host has.

use core::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, CoreConfig, CoreKind};
use crate::cores::program::{self, Family, Program};

/// Where packages and the projects' own installers put the programs.
const PLACES: [&str; 7] = [
    "usr/bin/sing-box",
    "usr/local/bin/sing-box",
    "usr/local/bin/xray",
    "usr/bin/xray",
    "usr/bin/v2ray",
    "usr/local/bin/v2ray",
    "usr/bin/v2ray/v2ray",
];

/// One core of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) binary: PathBuf,
    pub(crate) program: Program,
    /// A process runs it.
    pub(crate) pid: Option<u32>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {}", self.program.family, self.program.version, self.binary.display())
    }
}

/// The first release of sing-box that tells whose bytes a connection moves.
pub(crate) const TELLS: (u32, u32) = (1, 14);

/// The kind whose adapter speaks to a program.
#[must_use]
pub(crate) fn kind_of(program: &Program) -> CoreKind {
    match program.family {
        Family::SingBox if program.release() < TELLS => CoreKind::Relayed,
        Family::SingBox => CoreKind::SingBox,
        Family::V2Ray => CoreKind::V2Ray,
        Family::Xray => CoreKind::Xray,
    }
}

/// The host that is looked at: the root of its files, and its processes.
pub(crate) struct Host {
    root: PathBuf,
    processes: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), processes: PathBuf::from("/proc") }
    }
}

impl Host {
    /// Every core that is installed in a usual place, those that run first.
    pub(crate) async fn cores(&self) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for place in PLACES {
            let binary = self.root.join(place);
            if !binary.is_file() || found.iter().any(|other| is_same(&other.binary, &binary)) {
                continue;
            }
            // Whatever it is, if it does not say that it is a core it is none.
            if let Ok(program) = program::ask(&binary).await {
                let pid = self.process_of(&binary);
                found.push(Found { binary, program, pid });
            }
        }
        found.sort_by_key(|core| core.pid.is_none());
        found
    }

    /// The core that the settings name.
    pub(crate) async fn named(&self, binary: &Path) -> Result<Found, String> {
        let program = program::ask(binary).await?;
        Ok(Found { binary: binary.to_owned(), program, pid: self.process_of(binary) })
    }

    /// The first process that runs a program.
    fn process_of(&self, binary: &Path) -> Option<u32> {
        let wanted = fs::canonicalize(binary).ok()?;
        let processes = fs::read_dir(&self.processes).ok()?.filter_map(Result::ok);
        let mut pids: Vec<u32> = processes
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let program = fs::read_link(self.processes.join(pid.to_string()).join("exe"));
                program.is_ok_and(|program| program == wanted)
            })
            .collect();
        pids.sort_unstable();
        pids.first().copied()
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// Makes `core.kind = "auto"` the kind of the core that is there. Nothing found leaves it as for sing-box, whose adapter then
/// says that it does not answer.
///
/// # Errors
/// Two kinds run, or are installed and none runs: a sentence that names them.
pub(crate) async fn settle(config: &mut Config, host: &Host) -> Result<(), String> {
    if config.core.kind != CoreKind::Auto {
        return Ok(());
    }
    let named = (config.core.binary != CoreConfig::default().binary).then(|| config.core.binary.clone());
    let found = match named {
        Some(binary) => host.named(&binary).await.ok(),
        None => choose(host.cores().await)?,
    };
    if let Some(found) = found {
        config.core.settle(kind_of(&found.program));
        config.core.binary = found.binary;
    }
    Ok(())
}

/// The one core among those that are there.
fn choose(mut cores: Vec<Found>) -> Result<Option<Found>, String> {
    if cores.iter().any(|core| core.pid.is_some()) {
        cores.retain(|core| core.pid.is_some());
    }
    let several = cores.iter().any(|core| Some(core.program.family) != cores.first().map(|first| first.program.family));
    if several {
        let all: Vec<String> = cores.iter().map(ToString::to_string).collect();
        let does = if cores.iter().any(|core| core.pid.is_some()) { "run" } else { "are installed and none runs" };
        return Err(format!("core.kind: {} {does}: set it to the one that this node is", all.join(" and ")));
    }
    Ok(cores.into_iter().next())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::testing::block_on;

    /// A host with programs that say what they are, and processes that run some of them.
    struct Fake {
        dir: tempfile::TempDir,
        host: Host,
    }

    impl Fake {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let host = Host { root: dir.path().to_owned(), processes: dir.path().join("proc") };
            fs::create_dir(dir.path().join("proc")).unwrap();
            Self { dir, host }
        }

        fn program(&self, place: &str, says: &str) -> PathBuf {
            let path = self.dir.path().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn process(&self, pid: u32, program: &Path) {
            let process = self.dir.path().join("proc").join(pid.to_string());
            fs::create_dir(&process).unwrap();
            symlink(fs::canonicalize(program).unwrap(), process.join("exe")).unwrap();
        }

        fn settled(&self, text: &str) -> Result<CoreConfig, String> {
            let mut config = Config::parse(text).unwrap();
            block_on(settle(&mut config, &self.host)).map(|()| config.core)
        }
    }

    const SING_BOX: &str = "sing-box version 1.14.4";
    const V2RAY: &str = "V2Ray 4.34.0 (user)";
    const XRAY: &str = "Xray 25.1.30 (Xray)";

    #[test]
    fn the_core_that_is_installed_is_taken_with_what_its_packages_do() {
        let fake = Fake::new();
        assert_eq!(fake.settled("").unwrap().kind, CoreKind::Auto, "nothing is there");
        let binary = fake.program("usr/bin/v2ray", V2RAY);
        let core = fake.settled("").unwrap();
        assert_eq!((core.kind, &core.binary), (CoreKind::V2Ray, &binary));
        assert_eq!(core.reload_command.join(" "), "systemctl restart v2ray");
    }

    #[test]
    fn a_sing_box_that_tells_no_users_is_counted_by_the_relay() {
        let fake = Fake::new();
        for (says, kind) in
            [("1.13.14", CoreKind::Relayed), ("1.12.23", CoreKind::Relayed), ("1.14.0", CoreKind::SingBox)]
        {
            fake.program("usr/bin/sing-box", &format!("sing-box version {says}"));
            let core = fake.settled("").unwrap();
            assert_eq!((core.kind, core.reload_command.join(" ").as_str()), (kind, "systemctl reload sing-box"));
        }
    }

    #[test]
    fn of_two_that_are_installed_the_one_that_runs_is_taken() {
        let fake = Fake::new();
        fake.program("usr/bin/sing-box", SING_BOX);
        let xray = fake.program("usr/local/bin/xray", XRAY);
        let why = fake.settled("").unwrap_err();
        assert!(why.contains("sing-box 1.14.4") && why.contains("Xray 25.1.30") && why.contains("none runs"), "{why}");
        fake.process(77, &xray);
        assert_eq!(fake.settled("").unwrap().kind, CoreKind::Xray);
        assert_eq!(fake.settled("core.kind = \"sing-box\"").unwrap().kind, CoreKind::SingBox, "as the operator says");
    }

    #[test]
    fn two_that_run_must_be_told_apart_by_the_operator() {
        let fake = Fake::new();
        fake.process(1, &fake.program("usr/bin/sing-box", SING_BOX));
        fake.process(2, &fake.program("usr/bin/v2ray", V2RAY));
        let why = fake.settled("").unwrap_err();
        assert!(why.starts_with("core.kind: ") && why.contains("V2Ray 4.34.0"), "{why}");
    }

    #[test]
    fn a_program_that_is_named_is_asked_what_it_is() {
        let fake = Fake::new();
        fake.program("usr/bin/sing-box", SING_BOX);
        let own = fake.program("opt/core", XRAY);
        let core = fake.settled(&format!("core.binary = {:?}", own.display().to_string())).unwrap();
        assert_eq!((core.kind, core.binary), (CoreKind::Xray, own));
    }

    #[test]
    fn what_says_no_version_of_a_core_is_none() {
        let fake = Fake::new();
        fake.program("usr/bin/xray", "I am a game");
        let binary = fake.program("usr/bin/sing-box", SING_BOX);
        assert_eq!(fake.settled("").unwrap().binary, binary);
    }
}
