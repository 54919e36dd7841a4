//! The script that installs the agent on a host, with this panel's address and the agent's files in it.

const SCRIPT: &str = include_str!("../../agent/packaging/install.sh");
const UNIT: &str = include_str!("../../agent/packaging/weir-agent.service");
const NET_ADMIN: &str = include_str!("../../agent/packaging/net-admin.conf");
const POLKIT: &str = include_str!("../../agent/packaging/50-weir.rules");
const SETTINGS: &str = include_str!("../../agent/packaging/agent.toml");

/// SHA-256 of the agent's programs that this panel holds, in hex; `None` for a machine that it holds none for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Programs {
    /// For x86-64.
    pub(crate) x86_64: Option<String>,
    /// For 64-bit ARM.
    pub(crate) aarch64: Option<String>,
}

/// The script of the panel at `origin`; `None` if that is no plain origin, which a shell would read as something else.
pub(crate) fn script(origin: &str, programs: &Programs) -> Option<String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ':' | '/' | '.' | '-' | '[' | ']');
    if !origin.chars().all(plain) {
        return None;
    }
    let sum = |sum: &Option<String>| sum.clone().unwrap_or_default();
    let parts = [
        ("@UNIT@", UNIT.trim_end()),
        ("@NET_ADMIN@", NET_ADMIN.trim_end()),
        ("@POLKIT@", POLKIT.trim_end()),
        ("@SETTINGS@", SETTINGS.trim_end()),
        ("@PANEL@", origin),
        ("@VERSION@", env!("CARGO_PKG_VERSION")),
        ("@SHA256_X86_64@", &sum(&programs.x86_64)),
        ("@SHA256_AARCH64@", &sum(&programs.aarch64)),
    ];
    Some(parts.iter().fold(SCRIPT.to_owned(), |script, (name, value)| script.replace(name, value)))
}

/// The digest in a file as `sha256sum` writes it.
pub(crate) fn digest(file: &str) -> Option<String> {
    let word = file.split_whitespace().next()?;
    let is_digest = word.len() == 64 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digest.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_left_open_is_filled_in() {
        let programs = Programs { x86_64: Some("ab".repeat(32)), aarch64: None };
        let script = script("https://panel.example", &programs).unwrap();
        assert!(script.contains("PANEL='https://panel.example'\n"), "the panel");
        assert!(script.contains(&format!("SHA256_X86_64='{}'\nSHA256_AARCH64=''\n", "ab".repeat(32))), "the digests");
        for file in [UNIT, NET_ADMIN, POLKIT, SETTINGS] {
            assert!(script.contains(file), "{file}");
        }
        let left = script.split('@').find(|word| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_uppercase()));
        assert_eq!(left, None);
    }

    #[test]
    fn an_origin_that_a_shell_would_read_is_refused() {
        assert!(script("https://[::1]:8787", &Programs::default()).is_some());
        for origin in ["https://x'; rm -rf /; '", "https://x$(id)", "https://x`id`", "https://x\nid"] {
            assert_eq!(script(origin, &Programs::default()), None, "{origin}");
        }
    }

    #[test]
    fn a_digest_is_the_first_word_and_nothing_else_is_one() {
        let sum = "0f".repeat(32);
        assert_eq!(digest(&format!("{sum}  weir-agent-x86_64-linux\n")), Some(sum.clone()));
        for wrong in ["", "<html>", &sum[1..], &sum.to_uppercase(), &format!("{sum}'")] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
