//! What holds for every format.

use super::*;

const ABOUT: About<'static> = About { url: "https://weir.example/sub/t", update_hours: 12, used: 3, quota: 10 };

fn read(link: &str) -> Endpoint {
    Endpoint::read(link).unwrap().unwrap()
}

#[test]
fn each_format_is_there_once() {
    let names: Vec<&str> = Format::all().map(Format::name).collect();
    let kinds: std::collections::BTreeSet<&str> = NAMES.iter().map(|(_, format)| format.name()).collect();
    assert_eq!(names.len(), kinds.len());
    assert_eq!(kinds, names.into_iter().collect());
}

fn all() -> impl Iterator<Item = (&'static str, Format)> {
    NAMES.into_iter()
}

#[test]
fn a_format_has_a_name_and_only_that() {
    assert_eq!(Format::named("mihomo"), Some(Format::Clash(Clash::Mihomo)));
    assert_eq!(Format::named("Mihomo"), None);
    assert!(Format::names().contains("sing-box-legacy"));
}

#[test]
fn base64_is_the_padded_standard_form_of_the_lines() {
    let list = [read("trojan://a@b.example:1#one"), read("trojan://a@b.example:1#one")];
    let lines = Format::Links.render(Ways::Open(&list), ABOUT).body;
    assert_eq!(lines.lines().map(|line| line.split('#').next_back().unwrap()).collect::<Vec<_>>(), ["one", "one%202"]);
    assert!(lines.ends_with('\n'));
    assert_eq!(STANDARD.decode(Format::Base64.render(Ways::Open(&list), ABOUT).body).unwrap(), lines.as_bytes());
}

#[test]
fn who_may_not_pass_gets_one_entry_in_every_format() {
    for (name, format) in all() {
        let rendered = format.render(Ways::Barred("Traffic used up"), ABOUT);
        let text = if format == Format::Base64 {
            String::from_utf8(STANDARD.decode(&rendered.body).unwrap()).unwrap()
        } else {
            rendered.body
        };
        assert!(text.contains("Traffic used up") || text.contains("Traffic%20used%20up"), "{name}: {text}");
        assert_eq!((rendered.served, rendered.left_out), (0, Vec::new()), "{name}");
    }
}

#[test]
fn a_list_can_be_empty_and_is_then_still_one() {
    let empty = |format: Format| format.render(Ways::None, ABOUT).body;
    for (name, format) in all().filter(|(_, format)| format.is_list()) {
        let body = empty(format);
        match format {
            Format::Xray => assert_eq!(body.trim(), "[]"),
            Format::Sip008 => assert!(body.contains(r#""servers":[]"#), "{body}"),
            _ => assert_eq!(body, "", "{name}"),
        }
    }
}

#[test]
fn what_a_format_cannot_carry_is_left_out_with_the_reason_and_costs_nothing_else() {
    let naive = read("naive+https://u:p@n.example:443#naive");
    // A protocol that every format knows.
    let other = read("ss://YWVzLTI1Ni1nY206cHc@b.example:443#other");
    for (name, format) in all().filter(|(_, format)| !matches!(format, Format::Links | Format::Base64)) {
        let rendered = format.render(Ways::Open(&[naive.clone(), other.clone()]), ABOUT);
        assert_eq!(rendered.left_out, [LeftOut { name: "naive".into(), why: Unfit::Protocol }], "{name}");
        assert_eq!(rendered.served, 1, "{name}");
        let alone = format.render(Ways::Open(std::slice::from_ref(&naive)), ABOUT);
        assert!(alone.body.contains("No server here works with this app"), "{name}: {}", alone.body);
        assert_eq!((alone.served, alone.left_out.len()), (0, 1), "{name}");
    }
}
