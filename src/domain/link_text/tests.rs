//! Each link is read back by a parser written from the standards and not from the writer.

use std::collections::HashMap;

use super::*;
use crate::domain::percent::decode;

/// What a client has in hand after reading a link.
#[derive(Debug, Default, PartialEq)]
struct Read {
    scheme: String,
    login: String,
    host: String,
    port: u16,
    parameters: HashMap<String, String>,
    name: String,
}

fn read(link: &str) -> Read {
    assert!(link.bytes().all(|byte| byte.is_ascii_graphic()), "{link}");
    let (scheme, rest) = link.split_once("://").unwrap();
    let (rest, name) = rest.split_once('#').unwrap();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, place) = rest.split_once('@').unwrap();
    let (host, port) = place.trim_end_matches('/').rsplit_once(':').unwrap();
    let pairs: Vec<_> =
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap()).collect();
    let parameters: HashMap<String, String> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), decode(value).unwrap())).collect();
    assert_eq!(parameters.len(), pairs.len(), "a parameter comes twice: {link}");
    Read {
        scheme: scheme.into(),
        login: login.into(),
        host: host.into(),
        port: port.parse().unwrap(),
        parameters,
        name: decode(name).unwrap(),
    }
}

const NAME: &str = "Zürich 🚀 #1 100% a+b vless";
const UUID: &str = "4a451ae6-90da-4f80-a0f2-cdb4a4a2d5f2";
const PASSWORD: &str = "SjtHdsIEBkBrayuEVCHVfA";

fn link(access: Access, tls: Option<Tls>) -> Link {
    Link { name: NAME.into(), address: "2001:db8::1".to_owned().try_into().unwrap(), port: 8443, tls, access }
}

fn self_signed() -> Tls {
    Tls { server_name: Some("weir.test".into()), insecure: true }
}

/// Reads back a link of the URL form, and checks what all of them share.
fn back(access: Access, tls: Option<Tls>) -> Read {
    let read = read(&link(access, tls).text());
    assert_eq!((read.host.as_str(), read.port, read.name.as_str()), ("[2001:db8::1]", 8443, NAME));
    read
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

#[test]
fn trojan_and_vless_name_their_stream_and_certificate() {
    let certificate = [("sni", "weir.test"), ("allowInsecure", "1"), ("type", "tcp"), ("security", "tls")];
    let trojan = back(Access::Trojan(PASSWORD.into()), Some(self_signed()));
    assert_eq!((trojan.scheme.as_str(), trojan.login.as_str()), ("trojan", PASSWORD));
    assert_eq!(trojan.parameters, map(&certificate));

    let vless = back(Access::Vless(UUID.into()), Some(self_signed()));
    assert_eq!((vless.scheme.as_str(), vless.login.as_str()), ("vless", UUID));
    let mut expected = map(&certificate);
    expected.insert("encryption".into(), "none".into());
    assert_eq!(vless.parameters, expected);

    let plain = back(Access::Vless(UUID.into()), None);
    assert_eq!(plain.parameters, map(&[("encryption", "none"), ("type", "tcp"), ("security", "none")]));
    let trusted = back(Access::Trojan(PASSWORD.into()), Some(Tls::default()));
    assert_eq!(trusted.parameters, map(&[("type", "tcp"), ("security", "tls")]));
}

#[test]
fn vmess_is_the_json_of_v2rayn() {
    let read = |tls| {
        let text = link(Access::Vmess(UUID.into()), tls).text();
        let json = STANDARD.decode(text.strip_prefix("vmess://").unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&json).unwrap()
    };
    let plain = read(None);
    for (key, value) in [
        ("v", "2"),
        ("ps", NAME),
        ("add", "2001:db8::1"),
        ("port", "8443"),
        ("id", UUID),
        ("aid", "0"),
        ("net", "tcp"),
        ("tls", ""),
        ("insecure", "0"),
    ] {
        assert_eq!(plain[key], value, "{key}");
    }
    let tls = read(Some(self_signed()));
    for (key, value) in [("tls", "tls"), ("sni", "weir.test"), ("insecure", "1")] {
        assert_eq!(tls[key], value, "{key}");
    }
}

#[test]
fn shadowsocks_2022_is_not_base64_and_keeps_both_keys() {
    let keys = "2HB313pz5FgUJYz7Ti7QNA==:oMeG/Q4qWfhln5hn+tkXBA==";
    let read = back(Access::Shadowsocks("2022-blake3-aes-128-gcm".into(), keys.into()), None);
    let (method, password) = read.login.split_once(':').unwrap();
    assert_eq!((read.scheme.as_str(), method), ("ss", "2022-blake3-aes-128-gcm"));
    assert_eq!(decode(password).as_deref(), Some(keys));
    assert!(!password.contains([':', '/', '+', '=']), "{password}");
    assert_eq!(read.parameters, map(&[]));
}

#[test]
fn older_shadowsocks_is_base64() {
    let read = back(Access::Shadowsocks("aes-256-gcm".into(), PASSWORD.into()), None);
    let login = URL_SAFE_NO_PAD.decode(read.login).unwrap();
    assert_eq!(String::from_utf8(login).unwrap(), format!("aes-256-gcm:{PASSWORD}"));
}

#[test]
fn the_quic_protocols_and_anytls_say_how_to_check_the_certificate() {
    let hysteria2 = back(Access::Hysteria2(PASSWORD.into()), Some(self_signed()));
    assert_eq!((hysteria2.scheme.as_str(), hysteria2.login.as_str()), ("hysteria2", PASSWORD));
    assert_eq!(hysteria2.parameters, map(&[("sni", "weir.test"), ("insecure", "1")]));

    let anytls = back(Access::Anytls(PASSWORD.into()), Some(Tls { insecure: false, ..self_signed() }));
    assert_eq!((anytls.scheme.as_str(), anytls.login.as_str()), ("anytls", PASSWORD));
    assert_eq!(anytls.parameters, map(&[("sni", "weir.test")]));

    let tuic = back(Access::Tuic(UUID.into(), PASSWORD.into()), Some(self_signed()));
    assert_eq!((tuic.scheme.as_str(), tuic.login), ("tuic", format!("{UUID}:{PASSWORD}")));
    let expected = [("congestion_control", "bbr"), ("alpn", "h3"), ("sni", "weir.test"), ("allow_insecure", "1")];
    assert_eq!(tuic.parameters, map(&expected));
}

#[test]
fn proxies_with_a_login_carry_it() {
    let login = ("abcd2345".to_owned(), PASSWORD.to_owned());
    let plain = format!("abcd2345:{PASSWORD}");
    let naive = back(Access::Naive(login.0.clone(), login.1.clone()), Some(Tls::default()));
    assert_eq!((naive.scheme.as_str(), &naive.login), ("naive+https", &plain));
    let socks = back(Access::Socks(login.0.clone(), login.1.clone()), None);
    assert_eq!(socks.scheme, "socks");
    assert_eq!(String::from_utf8(URL_SAFE_NO_PAD.decode(socks.login).unwrap()).unwrap(), plain);
    for (tls, scheme) in [(None, "http"), (Some(Tls::default()), "https")] {
        let http = back(Access::Http(login.0.clone(), login.1.clone()), tls);
        assert_eq!((http.scheme.as_str(), &http.login), (scheme, &plain));
    }
}

#[test]
fn a_name_can_end_no_line_and_begin_no_parameter() {
    let odd = Link { name: "a\n#b?c=d&e".into(), ..link(Access::Trojan(PASSWORD.into()), None) };
    assert_eq!(read(&odd.text()).name, odd.name);
}
