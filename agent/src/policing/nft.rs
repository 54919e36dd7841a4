//! The host's own `nft`, and the devices of the host.

use core::time::Duration;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// 10,000 users take less than a second.
const LIMIT: Duration = Duration::from_secs(10);
/// Letters of what it says that are kept: it repeats each rule that it does not like.
const LONGEST: usize = 200;

/// Runs `nft` with these arguments and `script` at its standard input. Returns what it prints.
///
/// # Errors
/// A sentence with its own words.
pub(super) async fn run(arguments: &[&str], script: &str) -> Result<String, String> {
    let mut command = Command::new("nft");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => "there is no program nft in PATH".to_owned(),
        _ => format!("nft: {why}"),
    })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let writing = async {
        if let Some(mut stdin) = stdin {
            // Whoever does not read to the end says why not.
            let _ = stdin.write_all(script.as_bytes()).await;
        }
    };
    let (mut printed, mut words) = (Vec::new(), Vec::new());
    let reading = async {
        if let Some(mut stdout) = stdout {
            let _ = stdout.read_to_end(&mut printed).await;
        }
    };
    let listening = async {
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(&mut words).await;
        }
    };
    let ended = timeout(LIMIT, async { tokio::join!(writing, reading, listening, child.wait()).3 }).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(String::from_utf8_lossy(&printed).into_owned()),
        Ok(Ok(status)) => Err(said(&String::from_utf8_lossy(&words)).unwrap_or_else(|| format!("nft: {status}"))),
        Ok(Err(why)) => Err(format!("nft: {why}")),
        Err(_) => Err(format!("nft: still ran after {} s", LIMIT.as_secs())),
    }
}

/// The first error of what it wrote.
fn said(words: &str) -> Option<String> {
    let line = words.lines().find(|line| line.contains("Error")).or_else(|| words.lines().next())?.trim();
    let error = line.split_once("Error: ").map_or(line, |(_, error)| error);
    (!error.is_empty()).then(|| format!("nft: {}", error.chars().take(LONGEST).collect::<String>()))
}

/// Devices that packets can leave this network namespace by, but those that are part of another: packets pass that one first.
pub(super) fn devices() -> Result<BTreeSet<String>, String> {
    let table = fs::read_to_string("/proc/net/dev").map_err(|why| format!("/proc/net/dev: {why}"))?;
    let is_part = |device: &&str| {
        let folder = Path::new("/sys/class/net").join(device);
        folder.join("brport").exists() || folder.join("bonding_slave").exists()
    };
    Ok(names(&table).filter(|device| !is_part(device)).map(str::to_owned).collect())
}

/// The names in the kernel's table. One that `nft` could not be told is left out: nobody with a limit leaves by it.
fn names(table: &str) -> impl Iterator<Item = &str> {
    let names = table.lines().filter_map(|line| Some(line.rsplit_once(':')?.0.trim()));
    names.filter(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\*".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_the_kernel_s_table() {
        let table =
            "Inter-|   Receive |  Transmit\n face |bytes    packets errs\n    lo: 1 2 3\n  eth0.7:  0 0\nveth\"x: 1\n";
        assert_eq!(names(table).collect::<Vec<_>>(), ["lo", "eth0.7"]);
        assert!(devices().unwrap().contains("lo"));
    }

    #[test]
    fn what_it_says_is_told_in_one_line() {
        let words =
            "/dev/stdin:3:1-5: Error: Could not process rule: Operation not permitted\ntable inet weir {\n^^^^^\n";
        assert_eq!(said(words).unwrap(), "nft: Could not process rule: Operation not permitted");
        assert_eq!(said("netlink: Error: cache initialization failed\n").unwrap(), "nft: cache initialization failed");
        assert_eq!(said("\n"), None);
    }
}
