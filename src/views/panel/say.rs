//! Numbers, sizes and times in the reader's language.

use weir_wire::{Bytes, Second};

use super::super::format::{Moment, count};
use super::words::{self, Unit, Words};
use crate::domain::notice::texts::Language;
use crate::domain::page::calendar;
use crate::domain::page::language::{digits, written};
use crate::domain::zone::Zone;

/// What every page needs to speak.
#[derive(Clone, Copy)]
pub(crate) struct Say {
    /// The words.
    pub(crate) words: &'static Words,
    /// Their language.
    pub(crate) language: Language,
    /// The deployment's time zone, in which dates are told.
    pub(crate) zone: Zone,
    /// The instant of the page.
    pub(crate) now: Second,
}

impl Say {
    /// In this language.
    pub(crate) fn new(language: Language, zone: Zone, now: Second) -> Self {
        Self { words: words::of(language), language, zone, now }
    }

    /// A size, such as `12,3 ГБ`.
    pub(crate) fn size(&self, bytes: Bytes) -> String {
        written(bytes, self.language)
    }

    /// A size a second.
    pub(crate) fn rate(&self, bytes: u64) -> String {
        let second = match self.language {
            Language::En | Language::Zh => "s",
            Language::Ru => "с",
            Language::Fa => "ثانیه",
        };
        format!("{}/{second}", self.size(Bytes::saturating(bytes)))
    }

    /// A number with its thousands apart.
    pub(crate) fn count(&self, number: u64) -> String {
        let plain = count(number);
        match self.language {
            Language::En | Language::Zh => plain,
            Language::Ru => plain.replace(',', "\u{a0}"),
            Language::Fa => digits(&plain.replace(',', "٬"), self.language),
        }
    }

    /// A day with its year.
    pub(crate) fn date(&self, at: Second) -> String {
        calendar::written(self.zone.date(at), self.language)
    }

    /// An hour of a day, such as `1 Dec, 14:00`.
    pub(crate) fn clock(&self, at: Second) -> String {
        let (day, second) = (calendar::short(self.zone.date(at), self.language), self.zone.second_of_day(at));
        let time = format!("{:02}:{:02}", second / 3_600, second / 60 % 60);
        format!("{day}, {}", digits(&time, self.language))
    }

    /// A length of time in its largest whole unit, in seconds.
    pub(crate) fn span(&self, seconds: i64) -> String {
        let (number, unit) = match seconds {
            ..60 => (seconds, Unit::Second),
            60..3_600 => (seconds / 60, Unit::Minute),
            3_600..172_800 => (seconds / 3_600, Unit::Hour),
            _ => (seconds / 86_400, Unit::Day),
        };
        digits(&(self.words.span)(number, unit), self.language)
    }

    /// An instant as seen from now, with the exact time behind.
    pub(crate) fn moment(&self, at: Second) -> Moment {
        let apart = self.now.since(at);
        let span = self.span(apart.saturating_abs());
        let words = match apart {
            -4..=4 => self.words.just_now.to_owned(),
            ..-4 => self.words.after.replace("{span}", &span),
            _ => self.words.ago.replace("{span}", &span),
        };
        Moment { words, ..Moment::new(at, self.now) }
    }

    /// A word with an instant in its `{time}`.
    pub(crate) fn timed(&self, words: &str, at: Second) -> String {
        words.replace("{time}", &self.moment(at).words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::page::language::LANGUAGES;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn each(say: impl Fn(Say) -> String) -> [String; 4] {
        LANGUAGES.map(|(language, _, _)| say(Say::new(language, Zone::UTC, NOW)))
    }

    #[test]
    fn numbers_are_written_as_readers_write_them() {
        assert_eq!(each(|say| say.count(1_234_567)), ["1,234,567", "1,234,567", "1\u{a0}234\u{a0}567", "۱٬۲۳۴٬۵۶۷"]);
        assert_eq!(each(|say| say.rate(2048)), ["2 KB/s", "2 KB/s", "2 КБ/с", "۲ کیلوبایت/ثانیه"]);
    }

    #[test]
    fn times_are_told_from_now() {
        assert_eq!(each(|say| say.moment(NOW.plus(-7_200)).words), ["2 h ago", "2 小时前", "2 ч назад", "۲ ساعت پیش"]);
        assert_eq!(
            each(|say| say.moment(NOW.plus(600)).words),
            ["in 10 min", "10 分钟后", "через 10 мин", "۱۰ دقیقه دیگر"]
        );
        assert_eq!(each(|say| say.timed(say.words.resets, NOW)).first().unwrap(), "resets just now");
    }
}
