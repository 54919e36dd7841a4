//! An endpoint's fields by the names of the vectors.

use serde_json::{Map, Value, json};
use weir::domain::endpoint::{
    Camouflage, Endpoint, Login, Ports, Protocol, Reality, Security, Stream, Tls, Transport, WireguardKey,
    split_early_data,
};

/// All that is set; what is empty, false or absent is left out.
pub(crate) fn of(endpoint: &Endpoint) -> Map<String, Value> {
    let mut fields = json!({ "name": endpoint.name, "server": endpoint.server.as_str(), "port": endpoint.port });
    add(&mut fields, protocol(&endpoint.protocol));
    let unknown: Map<String, Value> =
        endpoint.unknown.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    if !unknown.is_empty() {
        add(&mut fields, json!({ "unknown": unknown }));
    }
    fields.as_object().unwrap().clone()
}

fn add(fields: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("fields are an object") };
    let fields = fields.as_object_mut().unwrap();
    for (key, value) in more {
        // An empty text says something where the vectors have it.
        let is_set = !value.is_null() && value != json!(false) && value != json!([]);
        if is_set {
            assert!(fields.insert(key.clone(), value).is_none(), "{key} comes twice");
        }
    }
}

fn protocol(protocol: &Protocol) -> Value {
    match protocol {
        Protocol::Vless(vless) => {
            let mut fields = json!({
                "protocol": "vless", "uuid": vless.uuid, "encryption": vless.encryption, "flow": vless.flow,
                "packet_encoding": vless.packet_encoding,
            });
            add(&mut fields, stream(&vless.stream));
            fields
        }
        Protocol::Vmess(vmess) => {
            let mut fields = json!({
                "protocol": "vmess", "uuid": vmess.uuid, "alter_id": vmess.alter_id, "cipher": vmess.cipher,
                "packet_encoding": vmess.packet_encoding,
            });
            add(&mut fields, stream(&vmess.stream));
            fields
        }
        Protocol::Trojan(trojan) => {
            let mut fields = json!({ "protocol": "trojan", "password": trojan.password });
            add(&mut fields, stream(&trojan.stream));
            fields
        }
        Protocol::Shadowsocks(ss) => json!({
            "protocol": "ss", "method": ss.method, "password": ss.password, "udp_over_tcp": ss.udp_over_tcp,
            "plugin": ss.plugin.as_ref().map(|plugin| &plugin.name),
            "plugin_opts": ss.plugin.as_ref().map(|plugin| &plugin.options),
        }),
        Protocol::Hysteria2(hy2) => with_tls(
            json!({
                "protocol": "hysteria2", "password": hy2.auth, "ports": hy2.ports.as_ref().map(Ports::text),
                "hop_interval": hy2.hop_interval, "obfs": hy2.obfs.as_ref().map(|obfs| obfs.kind.name()),
                "obfs_password": hy2.obfs.as_ref().map(|obfs| &obfs.password), "up": hy2.up, "down": hy2.down,
            }),
            &hy2.tls,
        ),
        Protocol::Realm(realm) => with_tls(
            json!({
                "protocol": "hysteria2-realm", "token": realm.token, "realm": realm.realm, "password": realm.auth,
            }),
            &realm.tls,
        ),
        Protocol::Tuic(tuic) => with_tls(
            json!({
                "protocol": "tuic", "uuid": tuic.uuid, "password": tuic.password, "zero_rtt": tuic.zero_rtt,
                "congestion_control": tuic.congestion_control, "udp_relay_mode": tuic.udp_relay_mode,
                "disable_sni": tuic.disable_sni,
            }),
            &tuic.tls,
        ),
        Protocol::Anytls(anytls) => with_tls(json!({ "protocol": "anytls", "password": anytls.password }), &anytls.tls),
        Protocol::Naive(naive) => {
            let mut fields = login(Some(&naive.login));
            add(&mut fields, json!({ "protocol": "naive", "quic": naive.quic }));
            with_tls(fields, &naive.tls)
        }
        Protocol::Wireguard(wireguard) => json!({
            "protocol": "wireguard", "private_key": wireguard.private_key.as_str(),
            "public_key": wireguard.public_key.as_str(), "address": wireguard.addresses, "mtu": wireguard.mtu,
            "preshared_key": wireguard.preshared_key.as_ref().map(WireguardKey::as_str), "reserved": wireguard.reserved,
        }),
        Protocol::Socks(socks) => {
            let mut fields = login(socks.login.as_ref());
            add(&mut fields, json!({ "protocol": "socks" }));
            fields
        }
        Protocol::Http(http) => {
            let mut fields = login(Some(&http.login));
            add(&mut fields, json!({ "protocol": "http", "security": http.tls.as_ref().map(|_| "tls") }));
            http.tls.as_ref().map_or(fields.clone(), |tls| with_tls(fields, tls))
        }
    }
}

fn login(login: Option<&Login>) -> Value {
    json!({ "username": login.map(|login| &login.username), "password": login.map(|login| &login.password) })
}

fn with_tls(mut fields: Value, tls: &Tls) -> Value {
    add(
        &mut fields,
        json!({
            "sni": tls.server_name, "alpn": tls.alpn, "fp": tls.fingerprint, "insecure": tls.insecure,
            "pin_sha256": tls.pin, "verify_name": tls.verify_name, "ech": tls.ech,
        }),
    );
    fields
}

fn stream(stream: &Stream) -> Value {
    let mut fields = transport(&stream.transport);
    add(&mut fields, json!({ "network": stream.transport.name() }));
    let mask: Option<Value> = stream.final_mask.as_deref().map(|text| serde_json::from_str(text).unwrap());
    add(&mut fields, json!({ "fm": mask }));
    match &stream.security {
        Security::None => add(&mut fields, json!({ "security": "none" })),
        Security::Tls(tls) => {
            add(&mut fields, json!({ "security": "tls" }));
            fields = with_tls(fields, tls);
        }
        Security::Reality(Reality { server_name, fingerprint, public_key, short_id, spider, verify_key }) => add(
            &mut fields,
            json!({
                "security": "reality", "sni": server_name, "fp": fingerprint, "pbk": public_key, "sid": short_id,
                "spx": spider, "pqv": verify_key,
            }),
        ),
    }
    fields
}

fn transport(transport: &Transport) -> Value {
    match transport {
        Transport::Tcp(None) => json!({}),
        Transport::Tcp(Some(Camouflage { host, path, method })) => {
            json!({ "header_type": "http", "host": host, "path": path, "http_method": method })
        }
        Transport::Ws { host, path } => {
            let (clash_path, early) = split_early_data(path.as_deref().unwrap_or_default());
            let clash_path = early.map(|_| clash_path);
            json!({ "host": host, "path": path, "early_data": early, "clash_path": clash_path })
        }
        Transport::HttpUpgrade { host, path } | Transport::Http2 { host, path } => {
            json!({ "host": host, "path": path })
        }
        Transport::Grpc { service, mode, authority } => {
            json!({ "service_name": service, "mode": mode, "authority": authority })
        }
        Transport::Xhttp { host, path, mode, extra } => {
            json!({ "host": host, "path": path, "mode": mode, "extra": extra })
        }
        Transport::Kcp { header, seed, mtu, tti } => {
            json!({ "header_type": header, "seed": seed, "mtu": mtu, "tti": tti })
        }
    }
}
