//! Which program a file is: by what it says of itself.

use core::fmt;
use core::time::Duration;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

/// A program says its version in milliseconds.
const LIMIT: Duration = Duration::from_secs(5);

/// A proxy core's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// sing-box.
    SingBox,
    /// V2Ray.
    V2Ray,
    /// Xray.
    Xray,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingBox => "sing-box",
            Self::V2Ray => "V2Ray",
            Self::Xray => "Xray",
        })
    }
}

/// What a program says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) family: Family,
    pub(crate) version: String,
    /// What sing-box was built with.
    pub(crate) tags: Vec<String>,
}

impl Program {
    /// The first two numbers of the version.
    #[must_use]
    pub(crate) fn release(&self) -> (u32, u32) {
        let mut numbers = self.version.split(['.', '-', '+']).map(|number| number.parse().unwrap_or_default());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    }

    /// Whether sing-box was built with a tag.
    #[must_use]
    pub(crate) fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// The arguments that make it check a configuration. They changed with V2Ray 5.
    #[must_use]
    pub(crate) fn check(&self, file: &str) -> Vec<String> {
        let words: &[&str] = match self.family {
            Family::SingBox => &["check", "--disable-color", "-c", file],
            Family::V2Ray if self.release().0 >= 5 => &["test", "-format", "json", "-c", file],
            Family::V2Ray => &["-test", "-config", file],
            Family::Xray => &["run", "-test", "-format", "json", "-c", file],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}

/// Asks a program what it is.
///
/// # Errors
/// Why that is not known, in a sentence.
pub(crate) async fn ask(binary: &Path) -> Result<Program, String> {
    // V2Ray 4 takes a word that it does not know for nothing and starts with whatever configuration it finds, so the form
    // that it knows goes first; all others refuse that one.
    let mut said = Err(format!("{}: it says no version that is known", binary.display()));
    for form in ["-version", "version"] {
        let mut command = Command::new(binary);
        command.arg(form).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let answer = match timeout(LIMIT, command.output()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Err(format!("{}: {why}", binary.display())),
            Err(_) => return Err(format!("{}: it says no version within 5 seconds", binary.display())),
        };
        if let Some(program) = understand(&String::from_utf8_lossy(&answer.stdout)) {
            said = Ok(program);
            break;
        }
    }
    said
}

fn understand(text: &str) -> Option<Program> {
    let mut words = text.lines().next()?.split_whitespace();
    let family = match words.next()? {
        "sing-box" => words.next().filter(|word| *word == "version").map(|_| Family::SingBox)?,
        "V2Ray" => Family::V2Ray,
        "Xray" => Family::Xray,
        _ => return None,
    };
    let version = words.next()?.trim_start_matches('v').to_owned();
    let tags = text.lines().find_map(|line| line.strip_prefix("Tags:")).unwrap_or_default();
    let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    version.starts_with(|digit: char| digit.is_ascii_digit()).then_some(Program { family, version, tags })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::testing::block_on;

    #[test]
    fn a_program_is_known_by_its_first_line() {
        let sing_box = "sing-box version 1.13.2\n\nEnvironment: go1.24 linux/amd64\nTags: with_quic,with_v2ray_api\nCGO: disabled\n";
        let read = understand(sing_box).unwrap();
        assert_eq!((read.family, read.release()), (Family::SingBox, (1, 13)));
        assert!(read.has("with_v2ray_api") && !read.has("with_clash_api"));
        let v2ray =
            understand("V2Ray 4.34.0 (user) 20230518-074445 (go1.19.8 linux/amd64)\nA unified platform\n").unwrap();
        assert_eq!((v2ray.family, v2ray.version.as_str()), (Family::V2Ray, "4.34.0"));
        let xray = understand("Xray 24.11.21 (Xray, Penetrates Everything.) 8d64fd1 (go1.23)\n").unwrap();
        assert_eq!((xray.family, xray.release()), (Family::Xray, (24, 11)));
        for other in ["", "nginx version: nginx/1.22.1", "V2Ray", "sing-box is great 1", "V2Ray help"] {
            assert_eq!(understand(other), None, "{other}");
        }
    }

    #[test]
    fn each_checks_a_file_in_its_own_words() {
        let of = |line: &str| understand(line).unwrap().check("f").join(" ");
        assert_eq!(of("V2Ray 4.34.0 (x)"), "-test -config f");
        assert_eq!(of("V2Ray 5.16.1 (x)"), "test -format json -c f");
        assert_eq!(of("Xray 25.1.1 (x)"), "run -test -format json -c f");
        assert_eq!(of("sing-box version 1.14.0"), "check --disable-color -c f");
    }

    #[test]
    fn a_program_is_asked_in_the_form_that_it_takes() {
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str, body: &str| {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let old = script("old", "test \"$1\" = -version && echo 'V2Ray 4.34.0 (x)' || sleep 100");
        assert_eq!(block_on(ask(&old)).unwrap().release(), (4, 34));
        let new = script("new", "test \"$1\" = version && echo 'V2Ray 5.1.0 (x)' || exit 2");
        assert_eq!(block_on(ask(&new)).unwrap().release(), (5, 1));
        let other = script("other", "echo hello");
        assert!(block_on(ask(&other)).unwrap_err().contains("no version"));
        assert!(block_on(ask(&dir.path().join("none"))).unwrap_err().contains("none"));
    }
}
