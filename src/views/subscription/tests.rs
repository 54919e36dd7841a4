use super::*;
use crate::domain::user::Hold;

const NOW: Second = Second::clamped(1_795_910_400); // 2026-11-29T00:00:00Z

fn facts(standing: &Standing, language: Language) -> Facts<'_> {
    Facts {
        title: "My <VPN>",
        user: "ann",
        plan: Some("premium"),
        standing,
        period_end: Second::clamped(1_796_083_200),
        zone: Zone::UTC,
        now: NOW,
        language,
        url: "https://example.com/sub/AbC",
        support_url: Some("https://example.com/help"),
        platform: Some(Platform::Ios),
        days: &[],
        links: vec![("Wien".into(), "trojan://x@h:1#Wien".into())],
    }
}

fn page(standing: &Standing, language: Language) -> String {
    Page::new(facts(standing, language)).render().unwrap()
}

fn quota(month: u64, quota: u64) -> Standing {
    Standing { month: Bytes::gib(month), monthly_quota: Bytes::gib(quota), ..Standing::default() }
}

#[test]
fn names_are_text_and_nothing_is_inline() {
    let html = page(&quota(1, 10), Language::En);
    assert!(html.contains("My &#60;VPN&#62;"), "{html}");
    for inline in ["style=", "<style", "onclick", "javascript:", "<script>"] {
        assert!(!html.contains(inline), "{inline}");
    }
}

#[test]
fn the_ring_shows_the_share_and_says_when_it_runs_low() {
    let zone = Say { words: words::of(Language::En), language: Language::En, zone: Zone::UTC, now: NOW };
    let ring = |used, most| {
        let standing = quota(used, most);
        let ring = zone.ring(allowance(&standing), status(&standing, NOW));
        (ring.percent, ring.class, ring.of)
    };
    assert_eq!(ring(3, 10), (30, "", "of 10 GB".into()));
    assert_eq!(ring(8, 10), (80, "high", "of 10 GB".into()));
    assert_eq!(ring(12, 10), (100, "full", "of 10 GB".into()));
    assert_eq!(ring(12, 0), (0, "", "unlimited".into()));
}

#[test]
fn whoever_may_not_pass_reads_why_and_what_comes_next() {
    let shut = |standing: Standing| page(&standing, Language::En);
    assert!(shut(quota(10, 10)).contains("New traffic comes on 1 December 2026."));
    let total = Standing { total_quota: Bytes::gib(1), lifetime: Bytes::gib(1), ..Standing::default() };
    assert!(shut(total).contains("Ask your provider for more traffic."));
    let expired = Standing { expires_at: Some(NOW.plus(-DAY)), ..Standing::default() };
    assert!(shut(expired).contains("It ended on 28 November 2026."));
    let disabled = Standing { disabled: true, ..Standing::default() };
    assert!(shut(disabled).contains("Only they can switch it on again."));
    let sharing = Standing { suspended_until: Some(NOW.plus(1_500)), ..Standing::default() };
    assert!(shut(sharing).contains("It opens by itself: in 25 minutes."));
    let waits = Standing { hold: Some(Hold { seconds: 30 * DAY, until: None }), ..Standing::default() };
    assert!(shut(waits).contains("It starts with your first connection and lasts 30 days."));
    assert!(!shut(quota(1, 10)).contains("class=\"why"));
}

#[test]
fn every_language_is_whole_and_persian_runs_from_the_right_in_its_own_digits() {
    for (language, code, _) in LANGUAGES {
        let html = page(&quota(10, 10), language);
        assert!(html.contains(&format!("<html lang=\"{code}\" dir=")), "{code}");
        for hole in ["{date}", "{quota}", "{left}", "{span}", "{time}"] {
            assert!(!html.contains(hole), "{code}: {hole}");
        }
    }
    let html = page(&quota(3, 10), Language::Fa);
    assert!(
        html.contains("dir=\"rtl\"")
            && html.contains("۳ گیگابایت")
            && html.contains("۱۰ آذر ۱۴۰۵")
            && html.contains("۳۰٪"),
        "{html}"
    );
}

#[test]
fn the_reader_s_platform_comes_first_and_open() {
    let html = page(&quota(1, 10), Language::En);
    assert!(html.contains("<details open>\n<summary>iPhone · iPad</summary>"), "{html}");
    assert!(html.find("iPhone").unwrap() < html.find("Android</summary>").unwrap());
}

#[test]
fn each_day_has_a_bar_as_high_as_its_share_of_the_largest() {
    let day = |back: i64, bytes: u64| Bucket {
        start: NOW.plus(-back * DAY),
        node: None,
        up: Bytes::ZERO,
        down: Bytes::saturating(bytes),
    };
    let chart = chart(&[day(29, 50), day(3, 1), day(0, 100)], NOW, Language::En).unwrap();
    let high: Vec<(i64, u64, u64)> =
        chart.bars.iter().filter(|bar| bar.height > 0).map(|bar| (bar.x, bar.y, bar.height)).collect();
    assert_eq!(high, [(0, 50, 50), (260, 98, 2), (290, 0, 100)]);
    assert_eq!(chart.bars.len(), 30);
    assert_eq!((chart.first.as_str(), chart.last.as_str()), ("31 October", "29 November"));
    assert_eq!(chart.table.first().unwrap().0, "29 November");
}

#[test]
fn without_traffic_there_is_no_chart() {
    assert!(chart(&[], NOW, Language::En).is_none());
}
