//! Waiting for a core that was asked to start or to load its file.

use core::fmt;
use core::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

const POLL: Duration = Duration::from_millis(20);
/// A core whose port is taken answers for a moment before it gives up; it must still be the same after this.
const SETTLE: Duration = Duration::from_millis(250);

/// Waits until a core answers that is another one than before, and stays the same. Returns its first answer. `ask` asks it.
///
/// # Errors
/// What was seen last when `limit` was over, in words.
pub(super) async fn comes_up<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(
    limit: Duration,
    ask: impl Fn() -> F,
    is_another: impl Fn(&T) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
) -> Result<T, String> {
    let until = Instant::now() + limit;
    let mut last = String::from("the core never answered");
    while Instant::now() < until {
        match ask().await {
            Ok(now) if is_another(&now) => {
                sleep(SETTLE).await;
                match ask().await {
                    Ok(still) if is_same(&now, &still) => return Ok(now),
                    Ok(_) => "the core restarted again at once".clone_into(&mut last),
                    Err(why) => last = format!("the core came up and went away again: {why}"),
                }
            }
            Ok(_) => "the core went on with its old configuration".clone_into(&mut last),
            Err(why) => last = why.to_string(),
        }
        sleep_until(until.min(Instant::now() + POLL)).await;
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::block_on;

    /// What comes of a core that answers this, one after the other; the last one again and again. 1 is the old one.
    fn of(answers: &[Result<u32, &'static str>]) -> Result<u32, String> {
        let asked = AtomicUsize::new(0);
        let ask = || async {
            let place = asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            answers[place]
        };
        block_on(comes_up(Duration::from_millis(400), ask, |now| *now != 1, |one, other| one == other))
    }

    #[test]
    fn a_core_has_come_up_when_it_is_another_one_and_stays() {
        assert_eq!(of(&[Ok(1), Err("refused"), Ok(2)]), Ok(2));
        assert_eq!(of(&[Ok(2), Ok(3), Ok(3)]).unwrap(), 3);
    }

    #[test]
    fn why_it_has_not_is_told_by_what_was_seen_last() {
        assert_eq!(of(&[Ok(1)]).unwrap_err(), "the core went on with its old configuration");
        assert_eq!(of(&[Ok(1), Err("refused")]).unwrap_err(), "refused");
    }
}
