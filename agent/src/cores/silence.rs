//! A core that does not answer: it is asked again after pauses that grow, and said once to be down.

use core::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::{CoreError, CoreEvent};

/// After a reload the new incarnation must be seen at once, or short connections go unseen.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How long a core has been silent, in pauses, and what was told of it.
pub(super) struct Silence {
    pause: Duration,
    told: Option<CoreError>,
}

impl Default for Silence {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, told: None }
    }
}

impl Silence {
    /// It has answered.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Tells that the core is down, unless that was told last for the same reason. Returns whether anybody listens, as far as is
    /// known.
    pub(super) fn tell(&mut self, why: CoreError, events: &UnboundedSender<CoreEvent>) -> bool {
        if self.told.as_ref() == Some(&why) {
            return true;
        }
        let heard = events.send(CoreEvent::Down { reason: why.to_string() }).is_ok();
        self.told = Some(why);
        heard
    }

    /// The pause before it is asked again; the next one is twice as long, up to two seconds.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = LAST_PAUSE.min(pause * 2);
        pause
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn why(reason: &str) -> CoreError {
        CoreError::Unreachable(reason.to_owned())
    }

    #[test]
    fn each_reason_is_told_once_in_a_row_and_again_after_an_answer() {
        let (sender, mut events) = unbounded_channel();
        let mut silence = Silence::default();
        for reason in ["refused", "refused", "hangs", "refused"] {
            assert!(silence.tell(why(reason), &sender));
        }
        silence.end();
        assert!(silence.tell(why("refused"), &sender));
        let mut told = Vec::new();
        while let Ok(CoreEvent::Down { reason }) = events.try_recv() {
            told.push(reason);
        }
        let down = |reason: &str| why(reason).to_string();
        assert_eq!(told, [down("refused"), down("hangs"), down("refused"), down("refused")]);
        drop(events);
        assert!(!silence.tell(why("hangs"), &sender), "nobody listens");
    }

    #[test]
    fn pauses_grow_up_to_two_seconds_and_begin_anew_after_an_answer() {
        let mut silence = Silence::default();
        let pauses: Vec<u128> = (0..8).map(|_| silence.pause().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        silence.end();
        assert_eq!(silence.pause(), FIRST_PAUSE);
    }
}
