//! The language that a reader understands best, and how numbers are written in it.

use weir_wire::Bytes;

use crate::domain::notice::texts::Language;
use crate::domain::size::size;

/// Every language, by its code and by its own name.
pub const LANGUAGES: [(Language, &str, &str); 4] = [
    (Language::En, "en", "English"),
    (Language::Zh, "zh", "中文"),
    (Language::Ru, "ru", "Русский"),
    (Language::Fa, "fa", "فارسی"),
];

/// The language of a code.
#[must_use]
pub fn named(code: &str) -> Option<Language> {
    LANGUAGES.iter().find(|(_, other, _)| other.eq_ignore_ascii_case(code)).map(|(language, _, _)| *language)
}

/// A language's code.
#[must_use]
pub fn code(language: Language) -> &'static str {
    LANGUAGES.iter().find(|(other, _, _)| *other == language).map_or("en", |(_, code, _)| code)
}

/// The best of an `Accept-Language` (RFC 9110, 12.5.4): the highest weight, the first of several that are alike. English when
/// the reader names none that there is.
#[must_use]
pub fn preferred(accepted: &str) -> Language {
    let mut best = (0, Language::En);
    for range in accepted.split(',') {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1_000, thousandths);
        let Some(language) = named(tag.split('-').next().unwrap_or_default()) else { continue };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

/// `0.8` as 800; what is no weight is none.
fn thousandths(weight: &str) -> u32 {
    let (whole, rest) = weight.split_once('.').unwrap_or((weight, ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    let whole: Option<u32> = whole.parse().ok();
    whole
        .zip(digits.parse().ok())
        .map_or(0, |(whole, rest): (u32, u32)| whole.saturating_mul(1_000).saturating_add(rest))
}

/// Digits as the language's readers write them.
#[must_use]
pub fn digits(text: &str, language: Language) -> String {
    let persian = |c: char| match c {
        '0'..='9' => char::from_u32(u32::from('۰') + u32::from(c) - u32::from('0')).unwrap_or(c),
        '.' => '٫',
        other => other,
    };
    if language == Language::Fa { text.chars().map(persian).collect() } else { text.to_owned() }
}

/// A size in the language's units, such as `12,3 ГБ`.
#[must_use]
pub fn written(bytes: Bytes, language: Language) -> String {
    let plain = size(bytes);
    let (number, unit) = plain.split_once(' ').unwrap_or((&plain, ""));
    match language {
        Language::En | Language::Zh => plain,
        Language::Ru => {
            let unit = match unit {
                "KB" => "КБ",
                "MB" => "МБ",
                "GB" => "ГБ",
                "TB" => "ТБ",
                "PB" => "ПБ",
                _ => "Б",
            };
            format!("{} {unit}", number.replace('.', ","))
        }
        Language::Fa => {
            let unit = match unit {
                "KB" => "کیلوبایت",
                "MB" => "مگابایت",
                "GB" => "گیگابایت",
                "TB" => "ترابایت",
                "PB" => "پتابایت",
                _ => "بایت",
            };
            format!("{} {unit}", digits(number, language))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_language_that_there_is_wins() {
        for (accepted, language) in [
            ("fa-IR,fa;q=0.9,en;q=0.8", Language::Fa),
            ("de-DE,de;q=0.9,ru;q=0.5,en;q=0.4", Language::Ru),
            ("en;q=0.2, zh-Hans-CN;q=0.9", Language::Zh),
            ("en,ru", Language::En),
            ("ru;q=0, en;q=0.1", Language::En),
            ("*", Language::En),
            ("", Language::En),
            ("ru;q=x,zh;q=0.001", Language::Zh),
            (";;,=,\u{0}", Language::En),
        ] {
            assert_eq!(preferred(accepted), language, "{accepted}");
        }
    }

    #[test]
    fn sizes_are_written_as_readers_write_them() {
        let bytes = Bytes::saturating(13_207_024_640);
        let texts: Vec<String> = LANGUAGES.iter().map(|(language, _, _)| written(bytes, *language)).collect();
        assert_eq!(texts, ["12.3 GB", "12.3 GB", "12,3 ГБ", "۱۲٫۳ گیگابایت"]);
        assert_eq!(digits("3 of 5", Language::En), "3 of 5");
    }
}
