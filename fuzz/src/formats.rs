//! Links of others in every format of a subscription: whoever reads a format finds every server that is in it, one entry for each, and
//! nothing that the links smuggled in.
//!
//! An input is a list of links; of a longer one the first six are taken.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use weir::domain::endpoint::{Endpoint, Protocol};
use weir::domain::format::{About, Format, Rendered, Ways};
use weir::domain::source::ladder::Body;

use super::links;

const ABOUT: About<'static> = About { url: "https://weir.test/sub/t", update_hours: 12, used: 3, quota: 10 };
/// Links of one input.
const MOST: usize = 6;
/// What ends a line, by Unicode's rules: apps that read lines go by them.
const LINE_ENDS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Writes links in every format and reads each as its clients do.
///
/// # Panics
/// A client would find something else than what was written.
pub fn check(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let read = |line| Endpoint::read(&links::line(line)).ok().flatten();
    let endpoints: Vec<Endpoint> = text.split('\n').filter_map(read).take(MOST).collect();
    if endpoints.is_empty() {
        return;
    }
    let names = Format::names();
    // Each by its own name: the others are the same format again.
    let formats = names.split(", ").filter_map(Format::named).map(Format::name).collect::<HashSet<_>>();
    for format in formats.into_iter().filter_map(Format::named) {
        let rendered = format.render(Ways::Open(&endpoints), ABOUT);
        assert_eq!(rendered.served + rendered.left_out.len(), endpoints.len(), "{format:?} loses some without a word");
        // An empty list has one entry, which says so.
        let entries = rendered.served.max(1);
        match format {
            Format::Links => lines(&rendered.body, entries),
            Format::Base64 => base64(&rendered.body, &endpoints),
            Format::Clash(_) => clash(&rendered.body, entries),
            Format::SingBox(_) => sing_box(&rendered.body, &rendered),
            Format::Xray => assert_eq!(json(&rendered.body).as_array().map(Vec::len), Some(entries)),
            Format::Outline => assert!(json(&rendered.body).is_object()),
            Format::Sip008 => assert_eq!(json(&rendered.body)["servers"].as_array().map(Vec::len), Some(entries)),
            Format::Surge | Format::Surfboard => profile(&rendered.body, entries),
            Format::Loon | Format::QuanX => plain(&rendered.body, entries),
        }
        for endpoint in &endpoints {
            read_again(format, endpoint);
        }
    }
}

/// What is read of a configuration that holds one server is that server.
fn read_again(format: Format, endpoint: &Endpoint) {
    if !matches!(format, Format::Clash(_) | Format::SingBox(_) | Format::Xray | Format::Sip008) {
        return;
    }
    let rendered = format.render(Ways::Open(core::slice::from_ref(endpoint)), ABOUT);
    if rendered.served == 0 {
        return;
    }
    let body = Body::read(rendered.body.as_bytes()).expect("we read what we write");
    let found: Vec<Endpoint> =
        body.entries().into_iter().filter_map(|entry| entry.read().ok().flatten()).map(|link| link.endpoint).collect();
    assert!(found.len() <= 1, "{format:?}: one became several: {}", rendered.body);
    for found in found {
        let place = |endpoint: &Endpoint| (endpoint.server.as_str().to_owned(), endpoint.port, login(endpoint));
        assert_eq!(place(&found), place(endpoint), "{format:?}: {}", rendered.body);
    }
}

/// Protocol and credentials.
fn login(endpoint: &Endpoint) -> [String; 3] {
    let parts: [&str; 3] = match &endpoint.protocol {
        Protocol::Vless(vless) => ["vless", &vless.uuid, &vless.encryption],
        Protocol::Vmess(vmess) => ["vmess", &vmess.uuid, &vmess.cipher],
        Protocol::Trojan(trojan) => ["trojan", &trojan.password, ""],
        Protocol::Shadowsocks(shadowsocks) => ["ss", &shadowsocks.method, &shadowsocks.password],
        Protocol::Hysteria2(hysteria2) => ["hysteria2", &hysteria2.auth, ""],
        Protocol::Realm(realm) => ["realm", &realm.token, &realm.auth],
        Protocol::Tuic(tuic) => ["tuic", &tuic.uuid, &tuic.password],
        Protocol::Anytls(anytls) => ["anytls", &anytls.password, ""],
        Protocol::Naive(naive) => ["naive", &naive.login.username, &naive.login.password],
        Protocol::Wireguard(wireguard) => ["wg", wireguard.private_key.as_str(), wireguard.public_key.as_str()],
        Protocol::Socks(socks) => {
            socks.login.as_ref().map_or(["socks", "", ""], |login| ["socks", &login.username, &login.password])
        }
        Protocol::Http(http) => ["http", &http.login.username, &http.login.password],
    };
    parts.map(str::to_owned)
}

fn lines(body: &str, entries: usize) {
    plain(body, entries);
    let mut names = HashSet::new();
    for line in body.lines() {
        let endpoint = Endpoint::read(line).expect("a line of a list reads").expect("a line is a link");
        assert!(names.insert(endpoint.name), "two of a name: {body}");
    }
}

fn base64(body: &str, endpoints: &[Endpoint]) {
    let lines = Format::Links.render(Ways::Open(endpoints), ABOUT).body;
    assert_eq!(STANDARD.decode(body).as_deref(), Ok(lines.as_bytes()));
}

/// mihomo's reader descends from libyaml, as this one does.
fn clash(body: &str, entries: usize) {
    let file: serde_yaml_ng::Value = serde_yaml_ng::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let text = |value: &serde_yaml_ng::Value| value.as_str().expect("names are texts").to_owned();
    let proxies = file["proxies"].as_sequence().expect("there are proxies");
    let names: HashSet<String> = proxies.iter().map(|proxy| text(&proxy["name"])).collect();
    assert_eq!((proxies.len(), names.len()), (entries, entries), "{body}");
    for group in file["proxy-groups"].as_sequence().expect("there are groups") {
        let known = |name: &String| names.contains(name) || matches!(name.as_str(), "Auto" | "DIRECT");
        let members = group["proxies"].as_sequence().expect("a group has members");
        assert!(members.iter().map(text).all(|name| known(&name)), "{body}");
    }
}

fn sing_box(body: &str, rendered: &Rendered) {
    let file = json(body);
    let all = ["outbounds", "endpoints"].into_iter().filter_map(|key| file[key].as_array()).flatten();
    let mut tags = HashSet::new();
    for outbound in all {
        let tag = outbound["tag"].as_str().expect("every outbound has a tag");
        assert!(tags.insert(tag.to_owned()), "two of a tag: {body}");
    }
    assert!(tags.len() >= rendered.served, "{body}");
}

fn json(body: &str) -> Value {
    assert!(!body.contains('\n'), "{body}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// One line a server, whatever one takes for the end of a line.
fn plain(body: &str, entries: usize) {
    assert_eq!(body.split(LINE_ENDS).filter(|line| !line.is_empty()).count(), entries, "{body:?}");
    assert!(body.ends_with('\n'), "{body:?}");
}

fn profile(body: &str, entries: usize) {
    let section = |begin: &str, end: &str| {
        let behind = body.split_once(begin).expect("the section is there").1;
        behind.split_once(end).expect("it ends").0.to_owned()
    };
    let proxies = section("[Proxy]\n", "\n[Proxy Group]\n");
    plain(&proxies, entries);
    let names: Vec<&str> = proxies.lines().map(|line| line.split_once(" = ").expect("a line has a name").0).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), entries, "{body}");
    let groups = section("\n[Proxy Group]\n", "\n[Rule]\n");
    assert_eq!(groups.split(LINE_ENDS).filter(|line| !line.is_empty()).count(), 2, "{body}");
    let members: Vec<&str> = groups.lines().next().unwrap_or_default().split(", ").collect();
    assert_eq!(members.get(1..members.len().saturating_sub(1)).map(|middle| &middle[1..]), Some(&names[..]), "{body}");
    assert_eq!(body.split(LINE_ENDS).filter(|line| line.starts_with('[')).count(), 4, "{body}");
}
