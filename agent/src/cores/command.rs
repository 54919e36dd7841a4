//! Runs the operator's commands: reload, start, and the core's own check.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// `systemctl` waits for a unit to settle, by default up to 90 s; nothing else here takes seconds.
const LIMIT: Duration = Duration::from_secs(100);
/// A started core may inherit the pipe and hold it open, so its end cannot be waited for.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs `argv`, with `{pid}` replaced by the content of `pid_file`, in `dir`.
///
/// # Errors
/// A sentence naming the program, with what it wrote to standard error.
pub(super) async fn run(argv: &[String], pid_file: Option<&Path>, dir: Option<&Path>) -> Result<(), String> {
    let argv = argv.iter().map(|word| filled(word, pid_file)).collect::<Result<Vec<String>, String>>()?;
    let Some((program, arguments)) = argv.split_first() else { return Err("the command is empty".into()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let mut child = command.spawn().map_err(|why| format!("{program}: {why}"))?;
    let errors = child.stderr.take();
    let mut words = Vec::new();
    let ended = {
        let reading = async {
            if let Some(mut errors) = errors {
                // What was read before an error or the limit is all there is to show.
                let _ = (&mut errors).take(16 << 10).read_to_end(&mut words).await;
            }
        };
        tokio::pin!(reading);
        let mut read = false;
        let ended = timeout(LIMIT, async {
            loop {
                tokio::select! {
                    ended = child.wait() => return ended,
                    () = &mut reading, if !read => read = true,
                }
            }
        })
        .await;
        if !read {
            let _ = timeout(LAST_WORDS, reading).await;
        }
        ended
    };
    let words = String::from_utf8_lossy(&words);
    let words = words.trim();
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) if words.is_empty() => Err(format!("{program}: {status}")),
        Ok(Ok(status)) => Err(format!("{program}: {status}: {words}")),
        Ok(Err(why)) => Err(format!("{program}: {why}")),
        Err(_) => Err(format!("{program}: still ran after {} s", LIMIT.as_secs())),
    }
}

fn filled(word: &str, pid_file: Option<&Path>) -> Result<String, String> {
    if !word.contains("{pid}") {
        return Ok(word.to_owned());
    }
    let path = pid_file.ok_or("{pid} needs pid_file to be set")?;
    let text = fs::read_to_string(path).map_err(|why| format!("pid_file {}: {why}", path.display()))?;
    match text.trim().parse::<u32>() {
        Ok(pid) if pid > 1 => Ok(word.replace("{pid}", &pid.to_string())),
        _ => Err(format!("pid_file {}: holds no process id", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_pid_is_read_when_the_command_runs() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let command = argv(&["sh", "-c", "test {pid} = 4242"]);
        assert!(block_on(run(&command, Some(&pid_file), None)).unwrap_err().contains("pid_file"));
        fs::write(&pid_file, "4242\n").unwrap();
        assert_eq!(block_on(run(&command, Some(&pid_file), None)), Ok(()));
        for bad in ["", "-1", "1", "abc"] {
            fs::write(&pid_file, bad).unwrap();
            assert!(block_on(run(&command, Some(&pid_file), None)).unwrap_err().contains("process id"), "{bad}");
        }
    }

    #[test]
    fn a_failing_command_is_told_with_its_own_words() {
        let told = block_on(run(&argv(&["sh", "-c", "echo no such unit >&2; exit 5"]), None, None)).unwrap_err();
        assert!(told.contains("no such unit") && told.contains('5'), "{told}");
        assert!(block_on(run(&argv(&["/nonexistent"]), None, None)).unwrap_err().contains("/nonexistent"));
    }

    #[test]
    fn a_child_that_goes_on_in_the_background_does_not_hold_the_command_up() {
        assert_eq!(block_on(run(&argv(&["sh", "-c", "sleep 3 & exit 0"]), None, None)), Ok(()));
    }
}
