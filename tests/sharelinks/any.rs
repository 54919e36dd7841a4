//! Endpoints of every protocol with anything in them that a link can say.

use proptest::option;
use proptest::prelude::*;
use weir::domain::endpoint::{
    Anytls, Camouflage, Endpoint, Host, Http, Hysteria2, Login, Naive, Obfs, ObfsKind, Plugin, Ports, Protocol,
    Reality, Realm, Security, Shadowsocks, Socks, Stream, Tls, Transport, Trojan, Tuic, Vless, Vmess, Wireguard,
    WireguardKey,
};

/// Any text that is not empty, control characters included.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_-]{1,20}",
        prop::collection::vec(any::<char>(), 1..12).prop_map(|letters| letters.into_iter().collect::<String>()),
        "[%#?&=@:/,;+ \"\\\\]{1,8}",
    ]
}

fn maybe(some: impl Strategy<Value = String>) -> impl Strategy<Value = Option<String>> {
    option::of(some)
}

fn name() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned())
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        Just("vpn.weir.test".to_owned()),
        Just("under_score.weir.test".to_owned()),
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ]
    .prop_map(|text| Host::read(&text).unwrap())
}

fn json_text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["{}", r#"{"a":[1,2.50,"x&y"]}"#, "[]", "1e40"]).prop_map(str::to_owned)
}

fn tls() -> impl Strategy<Value = Tls> {
    let alpn = prop::collection::vec("[a-z0-9./-]{1,8}", 0..3);
    (maybe(text()), alpn, maybe(text()), any::<bool>(), maybe(text()), maybe(text()), maybe(text())).prop_map(
        |(server_name, alpn, fingerprint, insecure, pin, verify_name, ech)| Tls {
            server_name,
            alpn,
            fingerprint,
            insecure,
            pin,
            verify_name,
            ech,
        },
    )
}

fn reality() -> impl Strategy<Value = Reality> {
    let key = Just("m0ZvP2qkVHHKTVQyPJvO3jS7PjCoXlXyWmE4uQxN0Tg".to_owned());
    let id = prop::sample::select(vec!["08", "00ff", "0123456789abcdef"]).prop_map(str::to_owned);
    (maybe(text()), maybe(text()), key, maybe(id), maybe(text()), maybe(text())).prop_map(
        |(server_name, fingerprint, public_key, short_id, spider, verify_key)| Reality {
            server_name,
            fingerprint,
            public_key,
            short_id,
            spider,
            verify_key,
        },
    )
}

fn transport() -> impl Strategy<Value = Transport> {
    let pair = || (maybe(text()), maybe(text()));
    // The word for "nothing" cannot be told from nothing.
    let word = || maybe(text().prop_filter("none is nothing", |text| text != "none"));
    prop_oneof![
        Just(Transport::Tcp(None)),
        (maybe(text()), maybe(text()), maybe(text()))
            .prop_map(|(host, path, method)| Transport::Tcp(Some(Camouflage { host, path, method }))),
        pair().prop_map(|(host, path)| Transport::Ws { host, path }),
        pair().prop_map(|(host, path)| Transport::HttpUpgrade { host, path }),
        pair().prop_map(|(host, path)| Transport::Http2 { host, path }),
        (maybe(text()), word(), maybe(text())).prop_map(|(service, mode, authority)| Transport::Grpc {
            service,
            mode,
            authority
        }),
        (maybe(text()), maybe(text()), word(), maybe(json_text()))
            .prop_map(|(host, path, mode, extra)| Transport::Xhttp { host, path, mode, extra }),
        (word(), maybe(text()), option::of(any::<u32>()), option::of(any::<u32>()))
            .prop_map(|(header, seed, mtu, tti)| Transport::Kcp { header, seed, mtu, tti }),
    ]
}

fn stream() -> impl Strategy<Value = Stream> {
    let security =
        prop_oneof![Just(Security::None), tls().prop_map(Security::Tls), reality().prop_map(Security::Reality)];
    (transport(), security, maybe(json_text())).prop_map(|(transport, security, final_mask)| Stream {
        transport,
        security,
        final_mask,
    })
}

fn login() -> impl Strategy<Value = Login> {
    (text(), prop_oneof![Just(String::new()), text()]).prop_map(|(username, password)| Login { username, password })
}

fn shadowsocks() -> impl Strategy<Value = Shadowsocks> {
    let key = |bytes: usize| prop::collection::vec(any::<u8>(), bytes).prop_map(|bytes| base64(&bytes));
    let credentials = prop_oneof![
        ("[a-z0-9-]{2,20}".prop_filter("those have keys", |method| !method.starts_with("2022-")), text()),
        (Just("2022-blake3-aes-128-gcm".to_owned()), (key(16), key(16)).prop_map(|(one, two)| format!("{one}:{two}"))),
        (Just("2022-blake3-aes-256-gcm".to_owned()), key(32)),
    ];
    let plugin = ("[a-z0-9-]{1,16}", prop_oneof![Just(String::new()), text()])
        .prop_map(|(name, options)| Plugin { name, options });
    (credentials, option::of(plugin), any::<bool>())
        .prop_map(|((method, password), plugin, udp_over_tcp)| Shadowsocks { method, password, plugin, udp_over_tcp })
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn hysteria2() -> impl Strategy<Value = Hysteria2> {
    let range = (1..u16::MAX, 0..100_u16).prop_map(|(first, more)| (first, first.saturating_add(more)));
    let ports = prop::collection::vec(range, 1..4).prop_map(|ranges| {
        let text: Vec<String> = ranges
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        Ports::read(&text.join(",")).unwrap()
    });
    let kind = prop::sample::select(vec![ObfsKind::Salamander, ObfsKind::Gecko]);
    let obfs = (kind, text()).prop_map(|(kind, password)| Obfs { kind, password });
    let number = || option::of(1..u32::MAX);
    let auth = prop_oneof![Just(String::new()), text()];
    (auth, option::of(ports), number(), option::of(obfs), number(), number(), tls()).prop_map(
        |(auth, ports, hop_interval, obfs, up, down, tls)| Hysteria2 { auth, ports, hop_interval, obfs, up, down, tls },
    )
}

fn wireguard() -> impl Strategy<Value = Wireguard> {
    let key = || any::<[u8; 32]>().prop_map(WireguardKey::new);
    let v4 = (any::<std::net::Ipv4Addr>(), option::of(0..=32_u8))
        .prop_map(|(address, length)| length.map_or(address.to_string(), |length| format!("{address}/{length}")));
    let v6 = (any::<std::net::Ipv6Addr>(), 0..=128_u8).prop_map(|(address, length)| format!("{address}/{length}"));
    let addresses = prop::collection::vec(prop_oneof![v4, v6], 1..3);
    (key(), key(), option::of(key()), addresses, option::of(any::<[u8; 3]>()), option::of(any::<u16>())).prop_map(
        |(private_key, public_key, preshared_key, addresses, reserved, mtu)| Wireguard {
            private_key,
            public_key,
            preshared_key,
            addresses,
            reserved,
            mtu,
        },
    )
}

fn protocol() -> impl Strategy<Value = Protocol> {
    let flow = || maybe(text().prop_filter("none is nothing", |text| text != "none"));
    prop_oneof![
        (text(), text(), flow(), maybe(text()), stream()).prop_map(
            |(uuid, encryption, flow, packet_encoding, stream)| {
                Protocol::Vless(Vless { uuid, encryption, flow, packet_encoding, stream })
            }
        ),
        (text(), any::<u16>(), text(), maybe(text()), stream()).prop_map(
            |(uuid, alter_id, cipher, packet_encoding, stream)| {
                Protocol::Vmess(Vmess { uuid, alter_id, cipher, packet_encoding, stream })
            }
        ),
        (text(), stream()).prop_map(|(password, stream)| Protocol::Trojan(Trojan { password, stream })),
        shadowsocks().prop_map(Protocol::Shadowsocks),
        hysteria2().prop_map(Protocol::Hysteria2),
        (prop_oneof![Just(String::new()), text()], "[a-z0-9-]{1,20}", prop_oneof![Just(String::new()), text()], tls())
            .prop_map(|(token, realm, auth, tls)| Protocol::Realm(Realm { token, realm, auth, tls })),
        (text(), text(), maybe(text()), maybe(text()), any::<bool>(), any::<bool>(), tls()).prop_map(
            |(uuid, password, congestion_control, udp_relay_mode, disable_sni, zero_rtt, tls)| {
                Protocol::Tuic(Tuic { uuid, password, congestion_control, udp_relay_mode, disable_sni, zero_rtt, tls })
            }
        ),
        (text(), tls()).prop_map(|(password, tls)| Protocol::Anytls(Anytls { password, tls })),
        (login(), any::<bool>(), tls()).prop_map(|(login, quic, tls)| Protocol::Naive(Naive { login, quic, tls })),
        wireguard().prop_map(Protocol::Wireguard),
        option::of(login()).prop_map(|login| Protocol::Socks(Socks { login })),
        (login(), option::of(tls())).prop_map(|(login, tls)| Protocol::Http(Http { login, tls })),
    ]
}

/// An endpoint as a reader makes it.
pub(crate) fn endpoint() -> impl Strategy<Value = Endpoint> {
    let unknown = prop::collection::btree_map("x-[a-z]{1,8}", prop_oneof![Just(String::new()), text()], 0..3);
    (name(), host(), 1..=u16::MAX, protocol(), unknown).prop_map(|(name, server, port, protocol, unknown)| Endpoint {
        name,
        server,
        port,
        protocol,
        unknown: unknown.into_iter().collect(),
    })
}
