//! The shape of the traffic: who is there, who connects when, for how long and how fast. Assumptions, each a named constant.

use crate::args::Args;
use crate::dice::Dice;
use crate::number::{real, whole};

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

const GIB: u64 = 1 << 30;
/// Plans as they are built in, in GiB a month; 0 is unlimited.
const QUOTAS: [u64; 4] = [10, 100, 500, 0];
/// A user's bytes on a day on which he is connected: the median, how heavy the tail is, and the most.
const DAILY_MEDIAN: u64 = 400 << 20;
const DAILY_SIGMA: f64 = 1.5;
const DAILY_MOST: u64 = 200 * GIB;
/// How much one user's days differ.
const DAY_SIGMA: f64 = 0.6;
/// Whoever has this much of a quota for what he needs buys it: from less than he needs to much more.
const BOUGHT: (f64, f64) = (0.3, 2.0);
/// Of all users: on one node, on two; the rest on three.
const ON_ONE: f64 = 0.55;
const ON_TWO: f64 = 0.30;
/// Sessions of a user and node on a day, besides the first.
const MORE_SESSIONS: f64 = 2.0;
const SESSION_MEDIAN: u64 = 20 * MINUTE;
const SESSION_SIGMA: f64 = 1.0;
const SESSION_MOST: u64 = 10 * HOUR;
/// Between two sessions of the same user on the same node.
const PAUSE: u64 = MINUTE;
/// 100 Mbit/s.
const FASTEST: u64 = 12_500_000;
/// Sessions that begin in each hour, of a thousand: few at night, most in the evening.
const DIURNAL: [u64; 24] =
    [36, 24, 15, 10, 8, 10, 18, 30, 38, 40, 42, 44, 46, 46, 46, 46, 48, 52, 58, 66, 74, 78, 71, 54];

/// What a user is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    /// Bytes on a day on which he is connected, on average.
    pub(crate) daily: u64,
    /// Bytes a month, 0 = unlimited.
    pub(crate) quota: u64,
    /// From 1 to 3.
    pub(crate) nodes: u32,
    pub(crate) always_on: bool,
}

impl Person {
    pub(crate) fn draw(dice: &mut Dice, args: &Args) -> Self {
        let daily = whole(real(DAILY_MEDIAN) * dice.log_normal(DAILY_SIGMA)).min(DAILY_MOST);
        let needs = real(daily) * 30.0 * args.active;
        let wants = needs * (BOUGHT.0 + dice.part() * (BOUGHT.1 - BOUGHT.0));
        let quota = QUOTAS.iter().find(|quota| **quota == 0 || real(**quota * GIB) >= wants).copied().unwrap_or(0);
        let on = dice.part();
        let nodes = if on < ON_ONE {
            1
        } else if on < ON_ONE + ON_TWO {
            2
        } else {
            3
        };
        Self { daily, quota: quota * GIB, nodes: nodes.min(args.nodes), always_on: dice.happens(args.always_on) }
    }
}

/// One connection's time on one node, at a steady rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Session {
    /// Milliseconds since the first day's begin.
    pub(crate) from: u64,
    pub(crate) line: u32,
    pub(crate) until: u64,
    /// Bytes per second.
    pub(crate) rate: u64,
}

/// A moment of the day at which something is begun.
pub(crate) fn moment(dice: &mut Dice) -> u64 {
    let mut left = dice.below(DIURNAL.iter().sum());
    for (hour, weight) in (0..).zip(DIURNAL) {
        if left < weight {
            return hour * HOUR + dice.below(HOUR);
        }
        left -= weight;
    }
    0
}

/// The sessions of one user on the day that begins at `midnight`; `lines` are his numbers on his nodes.
pub(crate) fn sessions(
    person: &Person,
    lines: core::ops::Range<u32>,
    midnight: u64,
    dice: &mut Dice,
    out: &mut Vec<Session>,
) {
    let volume = (real(person.daily) * dice.log_normal(DAY_SIGMA)).min(real(DAILY_MOST));
    let begin = out.len();
    let mut weights = 0.0;
    for line in lines {
        if person.always_on && weights == 0.0 {
            weights += 1.0;
            out.push(Session { from: midnight, line, until: midnight + DAY, rate: 0 });
            continue;
        }
        // The second and third node are not used every day.
        if weights > 0.0 && dice.happens(0.4) {
            continue;
        }
        let count = 1 + whole(dice.exponential() * MORE_SESSIONS).min(20);
        let mut starts: Vec<u64> = (0..count).map(|_| moment(dice)).collect();
        starts.sort_unstable();
        for (index, from) in starts.iter().enumerate() {
            let wanted = whole(real(SESSION_MEDIAN) * dice.log_normal(SESSION_SIGMA)).clamp(MINUTE, SESSION_MOST);
            let next = starts.get(index + 1).copied().unwrap_or(DAY);
            let until = (from + wanted).min(next.saturating_sub(PAUSE));
            if until > *from {
                weights += 1.0;
                out.push(Session { from: midnight + from, line, until: midnight + until, rate: 0 });
            }
        }
    }
    let share = volume / f64::max(weights, 1.0);
    for session in out.iter_mut().skip(begin) {
        let seconds = real(session.until - session.from) / 1_000.0;
        session.rate = whole(share * dice.exponential() / seconds).clamp(1, FASTEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evening_has_many_times_the_sessions_of_the_night() {
        let mut dice = Dice::new(7);
        let mut hours = [0_u32; 24];
        for _ in 0..20_000 {
            hours[usize::try_from(moment(&mut dice) / HOUR).unwrap()] += 1;
        }
        assert!(hours[21] > 6 * hours[4], "{hours:?}");
    }

    #[test]
    fn volumes_have_a_heavy_tail() {
        let args = Args::new(10_000, 25, 1);
        let mut dice = Dice::new(7);
        let mut daily: Vec<u64> = (0..10_000).map(|_| Person::draw(&mut dice, &args).daily).collect();
        daily.sort_unstable_by(|a, b| b.cmp(a));
        let sum = |of: &[u64]| of.iter().sum::<u64>();
        let share = real(sum(&daily[..1_000])) / real(sum(&daily));
        assert!((0.4..0.7).contains(&share), "a tenth of the users moves {share} of the bytes");
    }

    #[test]
    fn sessions_of_one_user_on_one_node_follow_each_other() {
        let args = Args::new(10, 5, 1);
        let mut dice = Dice::new(3);
        for _ in 0..1_000 {
            let person = Person::draw(&mut dice, &args);
            let mut out = Vec::new();
            sessions(&person, 0..person.nodes, DAY, &mut dice, &mut out);
            assert!(!out.is_empty() || person.nodes == 0 || out.len() < 2);
            for line in 0..person.nodes {
                let own: Vec<_> = out.iter().filter(|session| session.line == line).collect();
                assert!(own.windows(2).all(|pair| pair[0].until < pair[1].from));
                assert!(own.iter().all(|one| one.from >= DAY && one.until <= 2 * DAY && one.rate > 0));
            }
        }
    }
}
