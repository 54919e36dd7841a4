//! Small texts of strangers: headers, names, templates, rules of clients. What is kept of each is bounded, printable where it is shown,
//! and the same when it is read again.
//!
//! An input is one text, which is read as each of them.

use weir::domain::devices::{Hwid, told};
use weir::domain::fetch::{family, is_news};
use weir::domain::format::{Extra, Given, Rules};
use weir::domain::link::{decoded, lenient, lenient_text};
use weir::domain::name::{Email, HttpPath, NodeAddress, PlanName, Remark, ServerName, UserName};
use weir::domain::notice::channel::fill as fill_template;
use weir::domain::page::apps::{Platform, imports};
use weir::domain::page::language::{LANGUAGES, code, digits, named, preferred};
use weir::domain::page::qr::Qr;
use weir::domain::percent::{decode, encode, form_field};
use weir::domain::remark::{Account, Place, fill};
use weir::domain::source::userinfo::{Userinfo, cut};
use weir::domain::user::{Hold, Standing};
use weir::domain::zone::Zone;
use weir_wire::{Bytes, Second};

const NOW: Second = Second::clamped(1_795_867_200);

/// Reads a text as whatever strangers write.
///
/// # Panics
/// What is made of it does not hold.
pub fn check(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    headers(text);
    encodings(text);
    names(text);
    remark(text);
    rules(text);
    zone(text);
    page(text);
}

fn headers(text: &str) {
    let printable = |text: &str, most: usize| !text.contains(char::is_control) && text.chars().count() <= most;
    let kept = cut(text);
    assert!(printable(&kept, 300) && cut(&kept) == kept);
    let info = Userinfo::read(text);
    let written = |key: &str, value: Option<u64>| value.map_or(String::new(), |value| format!("{key}={value};"));
    let again = [
        written("upload", info.upload),
        written("download", info.download),
        written("total", info.total),
        written("expire", info.expire),
    ];
    assert_eq!(Userinfo::read(&again.concat()), info);

    assert!(printable(&told(Some(text)), 64));
    if let Some(id) = Hwid::read(text) {
        assert!(id.hash(b"key", 1).len() == 32 && id.hash(b"key", 1) != id.hash(b"key", 2));
    }
    let family = family(text);
    assert!((1..=24).contains(&family.len()) && family.bytes().all(|byte| byte.is_ascii_graphic()));
    let logged = serde_json::to_string(&[(&family, "base64", 0)]).expect("a log is JSON");
    assert!(!is_news(Some(&logged), &family));
    let _ = is_news(Some(text), &family);
    let language = preferred(text);
    assert_eq!(named(code(language)), Some(language));
    for (language, ..) in LANGUAGES {
        assert_eq!(digits(text, language).chars().count(), text.chars().count());
    }
}

fn encodings(text: &str) {
    assert_eq!(decode(&encode(text)).as_deref(), Some(text));
    let plain = decoded(text);
    assert!(decode(text).is_none_or(|other| other == plain));
    if let Some(bytes) = lenient(text) {
        assert_eq!(lenient_text(text).map(String::into_bytes), String::from_utf8(bytes.clone()).ok().map(|_| bytes));
    }
    let form = format!("a=1&{}={}&b=2", encode("password"), encode(text));
    assert_eq!(form_field(&form, "password").as_deref(), Some(text));
    let _ = form_field(text, "password");
}

fn names(text: &str) {
    if let Ok(address) = NodeAddress::try_from(text.to_owned()) {
        let url = url::Url::parse(&format!("https://{}:443/", address.in_url()));
        let url = url.unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert!(url.username().is_empty() && url.path() == "/" && url.host().is_some(), "{text:?}");
    }
    for fits in [
        UserName::try_from(text.to_owned()).is_ok(),
        PlanName::try_from(text.to_owned()).is_ok(),
        ServerName::try_from(text.to_owned()).is_ok(),
        HttpPath::try_from(text.to_owned()).is_ok(),
        Email::try_from(text.to_owned()).is_ok(),
    ] {
        assert!(!fits || (text.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= 256), "{text:?}");
    }
}

fn remark(text: &str) {
    let gib = |count: u64| Bytes::saturating(count << 30);
    let used = Standing { monthly_quota: gib(10), month: gib(4), expires_at: Some(NOW), ..Standing::default() };
    let waits = Standing { hold: Some(Hold { seconds: i64::MAX, until: None }), ..Standing::default() };
    let endless = Standing { expires_at: Some(Second::LAST), lifetime: gib(1 << 20), ..Standing::default() };
    for standing in [&used, &waits, &endless] {
        let account = Account {
            name: "{USERNAME}",
            plan: None,
            standing,
            next_reset: Some(Second::LAST),
            zone: Zone::UTC,
            now: NOW,
        };
        let place = Place {
            node: "{NODE}",
            address: "192.0.2.1",
            country: None,
            inbound: "{",
            protocol: "vless",
            transport: "ws",
            port: 8443,
        };
        let filled = fill(text, &account, &place);
        assert!(text.contains('{') || filled == text.trim(), "{text:?}: {filled:?}");
        assert!(filled.len() <= 8 * text.len(), "{text:?}: {filled:?}");
        if Remark::try_from(text.to_owned()).is_ok() {
            assert!(!filled.contains(char::is_control), "{text:?}: {filled:?}");
        }
    }
    let template = serde_json::json!({ "a": [text, { text: text }] });
    let filled = fill_template(&template, &[("text", "{x}"), ("x", "\"y")]);
    assert!(filled["a"].as_array().is_some_and(|items| items.len() == 2), "{filled}");
}

fn rules(text: &str) {
    if let Ok(rules) = Rules::read(text) {
        let written = serde_json::to_string(&rules).expect("rules are JSON");
        assert_eq!(Rules::read(&written).as_ref(), Ok(&rules), "{written}");
        for agent in ["", "sing-box 1.11.4", "clash-verge/v2.4.0", text] {
            let found = rules.find(|_| Some(agent.to_owned()));
            if let Some((_, rule)) = found {
                assert_eq!(Given::named(rule.format.name()), Some(rule.format));
                extra(&rule.headers);
            }
        }
    }
    if let Ok(headers) = serde_json::from_str::<Extra>(text) {
        extra(&headers);
    }
    if let Ok(built_in) = Rules::built_in() {
        assert!(
            built_in
                .find(|header| (header == "user-agent").then(|| text.to_owned()))
                .is_none_or(|(place, _)| place < 100)
        );
    }
}

/// Headers that an answer may carry are one line each.
fn extra(headers: &Extra) {
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'), "{name:?}");
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
    }
}

fn zone(text: &str) {
    let Ok(zone) = text.parse::<Zone>() else { return };
    assert_eq!(zone.to_string().parse(), Ok(zone));
    for at in [Second::EPOCH, NOW, Second::clamped(4_000_000_000)] {
        let midnight = zone.midnight(zone.date(at));
        assert!(midnight <= at && at.since(midnight) < 90_000, "{text}: {at}");
        // Its name is written as the database has it, however it was said.
        assert!((0..86_400).contains(&zone.second_of_day(at)) && zone.written(at).contains(&zone.to_string()));
    }
    let _ = (zone.date(Second::LAST), zone.written(Second::LAST), zone.second_of_day(Second::LAST));
}

fn page(text: &str) {
    let platform = Platform::of(text).unwrap_or(Platform::Linux);
    for import in imports(platform, "https://weir.test/sub/t", text) {
        assert!(import.url.bytes().all(|byte| byte.is_ascii_graphic()), "{import:?}");
    }
    // A picture takes long to draw.
    if text.len() <= 8 {
        assert!(Qr::of(text).is_some_and(|picture| picture.svg().starts_with("<svg")));
    }
}
