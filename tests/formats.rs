//! Formats as real programs read them: links of every kind become files that mihomo and sing-box load whole.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use weir::domain::endpoint::{Endpoint, Protocol};
use weir::domain::format::{About, Format, Rendered, Ways};
use weir::domain::source::ladder::Body;

const ABOUT: About<'static> = About { url: "https://weir.test/sub/t", update_hours: 12, used: 0, quota: 0 };
const UUID: &str = "3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30";
const PBK: &str = "m0ZvP2qkVHHKTVQyPJvO3jS7PjCoXlXyWmE4uQxN0Tg";
const PIN: &str = "0BADCAFE0BADCAFE0BADCAFE0BADCAFE0BADCAFE0BADCAFE0BADCAFE0BADCAFE";

/// Links of every protocol over everything that it runs over.
fn links() -> Vec<String> {
    let vectors: Value = serde_json::from_str(include_str!("vectors/sharelinks.json")).unwrap();
    let readable = vectors["vectors"].as_array().unwrap().iter();
    let mut links: Vec<String> = readable
        .filter(|vector| matches!(vector["verdict"].as_str(), Some("valid" | "tolerate")))
        .map(|vector| vector["link"].as_str().unwrap().to_owned())
        .collect();
    let transports = [
        "type=tcp",
        "type=ws&path=%2Fw%3Fed%3D2048&host=h.weir.test",
        "type=grpc&serviceName=s&mode=gun",
        "type=httpupgrade&path=%2Fu&host=h.weir.test",
        "type=http&path=%2F2&host=h.weir.test,i.weir.test",
        "type=xhttp&path=%2Fx&host=h.weir.test&mode=auto",
        "type=kcp&mtu=1350",
    ];
    let securities = [
        "security=none".to_owned(),
        "security=tls&sni=s.weir.test&alpn=h2,http/1.1&allowInsecure=1".to_owned(),
        format!("security=tls&sni=s.weir.test&fp=chrome&pcs={PIN}"),
        format!("security=reality&sni=s.weir.test&fp=firefox&pbk={PBK}&sid=08"),
    ];
    for transport in transports {
        for security in &securities {
            links.push(format!("vless://{UUID}@a.weir.test:443?{transport}&{security}#vless"));
            links.push(format!("trojan://p%40ss%3A1@a.weir.test:443?{transport}&{security}#trojan"));
            let vmess = Endpoint::read(&format!("vmess://{UUID}@a.weir.test:443?{transport}&{security}#vmess"));
            links.push(vmess.unwrap().unwrap().link());
        }
    }
    let methods = [
        "none",
        "aes-128-gcm",
        "aes-192-gcm",
        "aes-256-gcm",
        "chacha20-ietf-poly1305",
        "xchacha20-ietf-poly1305",
        "aes-128-cfb",
        "aes-192-cfb",
        "aes-256-cfb",
        "aes-128-ctr",
        "aes-192-ctr",
        "aes-256-ctr",
        "rc4-md5",
        "chacha20-ietf",
        "xchacha20",
        "bf-cfb",
        "no-such-method",
    ];
    links.extend(methods.map(|method| format!("ss://{method}:p%3Aw@a.weir.test:8388#{method}")));
    links.extend(
        [
            "ss://2022-blake3-aes-128-gcm:AAAAAAAAAAAAAAAAAAAAAA%3D%3D:AAAAAAAAAAAAAAAAAAAAAA%3D%3D@a.weir.test:1#two",
            "ss://2022-blake3-chacha20-poly1305:m0ZvP2qkVHHKTVQyPJvO3jS7PjCoXlXyWmE4uQxN0Tg%3D@a.weir.test:1#cc",
            "ss://YWVzLTI1Ni1nY206cHc@a.weir.test:1?plugin=simple-obfs%3Bobfs%3Dtls%3Bobfs-host%3Dh.weir.test#obfs",
            "ss://YWVzLTI1Ni1nY206cHc@a.weir.test:1?plugin=v2ray-plugin%3Btls%3Bhost%3Dh.weir.test%3Bpath%3D%2Fw#v2",
            "ss://YWVzLTI1Ni1nY206cHc@a.weir.test:1?plugin=shadow-tls%3Bhost%3Dh.weir.test%3Bpassword%3Dx%3Bversion%3D3#st",
            "ss://YWVzLTI1Ni1nY206cHc@a.weir.test:1?uot=1#uot",
            "hysteria2://a:b@a.weir.test:443,5000-6000/?obfs=salamander&obfs-password=o&hop-interval=30&upmbps=50&sni=s.weir.test&insecure=1#hop",
            "hysteria2://@a.weir.test/?alpn=h3&ech=AEX%2BDQBBWwAgACBrqzJxBnTbUQIQYoZ8Iu8SAUO25oxp64ovXHHUvZwdXQAEAAEAAQASY292ZXIud2Vpci50ZXN0AAA%3D#ech",
            "hysteria2://x@a.weir.test/?pinSHA256=short#badpin",
            "tuic://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30:p@a.weir.test:1?congestion_control=cubic&udp_relay_mode=quic&fp=chrome#tuic",
            "tuic://not-a-uuid:p@a.weir.test:1#tuic-id",
            "tuic://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30:p@a.weir.test:1?congestion_control=magic#tuic-cc",
            "vless://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30@a.weir.test:1?flow=xtls-rprx-vision&security=tls#vision",
            "vless://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30@a.weir.test:1?flow=xtls-rprx-direct&security=tls#flow",
            "vless://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30@a.weir.test:1?security=tls&fp=netscape#fp",
            "anytls://p@a.weir.test/?insecure=1&alpn=h2&fp=chrome#anytls",
            "socks://a.weir.test:1080#open",
            "http://u:p@a.weir.test:80#DIRECT",
            "trojan://p@a.weir.test:443#Auto",
            "trojan://p@a.weir.test:443#%20null%20",
        ]
        .map(str::to_owned),
    );
    links
}

fn endpoints() -> Vec<Endpoint> {
    links().iter().map(|link| Endpoint::read(link).unwrap().unwrap()).collect()
}

fn render(format: &str, endpoints: &[Endpoint]) -> Rendered {
    let rendered = Format::named(format).unwrap().render(Ways::Open(endpoints), ABOUT);
    assert_eq!(rendered.served + rendered.left_out.len(), endpoints.len(), "{format} loses some without a word");
    rendered
}

/// A program that the set-up installed, by the variable that names it.
fn engine(variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = fs::read_to_string(root.join(".weir/env")).unwrap_or_else(|_| panic!("run dev/setup first"));
    let start = format!("export {variable}=\"");
    let line = environment.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"'));
    line.unwrap_or_else(|| panic!("{variable} is not set: run dev/setup")).into()
}

/// What a program says of a file, if it refuses it.
fn refusal(program: &Path, text: &str, name: &str, arguments: &[&str]) -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("file");
    fs::write(&file, text).unwrap();
    let arguments = arguments.iter().map(|argument| match *argument {
        "FILE" => file.as_os_str(),
        "FOLDER" => folder.as_os_str(),
        other => other.as_ref(),
    });
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { None } else { Some(String::from_utf8_lossy(&said).into_owned()) }
}

/// Every endpoint that the program refuses in a file of its own.
fn culprits(format: &str, refused: impl Fn(&Rendered) -> Option<String>) -> Vec<String> {
    let endpoints = endpoints();
    let all = render(format, &endpoints);
    if refused(&all).is_none() {
        assert!(all.served > 35, "{format} serves {}", all.served);
        return Vec::new();
    }
    let one = |endpoint: &Endpoint| {
        let rendered = render(format, std::slice::from_ref(endpoint));
        refused(&rendered).map(|why| format!("{}: {why}", endpoint.link()))
    };
    let found: Vec<String> = endpoints.iter().filter_map(one).collect();
    if found.is_empty() { vec![format!("all at once: {}", refused(&all).unwrap())] } else { found }
}

#[test]
fn mihomo_loads_every_dialect_of_clash_whole() {
    let mihomo = engine("MIHOMO_BIN");
    for format in ["mihomo", "stash", "clash"] {
        let refused = |rendered: &Rendered| {
            refusal(&mihomo, &rendered.body, &format!("formats-{format}"), &["-t", "-d", "FOLDER", "-f", "FILE"])
        };
        assert_eq!(culprits(format, refused), Vec::<String>::new(), "{format}");
    }
}

#[test]
fn sing_box_checks_its_file_whole() {
    let sing_box = engine("SING_BOX_BIN");
    // The packaged build has no uTLS, without which it decodes such a node and goes no further: so it decodes the file as
    // it is, and checks a copy without.
    let refused = |rendered: &Rendered| {
        let mut file: Value = serde_json::from_str(&rendered.body).unwrap();
        let decoded = refusal(&sing_box, &rendered.body, "formats-sing-box", &["format", "-c", "FILE"]);
        for outbound in file["outbounds"].as_array_mut().unwrap() {
            if let Some(tls) = outbound.get_mut("tls").and_then(Value::as_object_mut) {
                tls.remove("utls");
                tls.remove("reality");
            }
        }
        decoded.or_else(|| refusal(&sing_box, &file.to_string(), "formats-sing-box-check", &["check", "-c", "FILE"]))
    };
    assert_eq!(culprits("sing-box", refused), Vec::<String>::new());
}

#[test]
fn the_judges_refuse_a_file_for_one_bad_entry() {
    let list = [Endpoint::read("ss://aes-128-gcm:p@a.weir.test:1#one").unwrap().unwrap()];
    for (format, variable, arguments) in [
        ("mihomo", "MIHOMO_BIN", ["-t", "-d", "FOLDER", "-f", "FILE"].as_slice()),
        ("sing-box", "SING_BOX_BIN", ["check", "-c", "FILE"].as_slice()),
    ] {
        let (engine, body) = (engine(variable), render(format, &list).body);
        assert_eq!(refusal(&engine, &body, &format!("judge-{format}"), arguments), None);
        let bad = body.replace("aes-128-gcm", "no-such-method");
        assert!(refusal(&engine, &bad, &format!("judge-{format}"), arguments).is_some(), "{format}");
    }
}

#[test]
fn every_member_of_a_group_is_there_and_every_name_is_its_own() {
    for format in ["sing-box", "sing-box-legacy"] {
        let file: Value = serde_json::from_str(&render(format, &endpoints()).body).unwrap();
        let entries: Vec<&Value> =
            ["outbounds", "endpoints"].iter().filter_map(|key| file.get(key)?.as_array()).flatten().collect();
        let mut tags: Vec<&str> = entries.iter().map(|entry| entry["tag"].as_str().unwrap()).collect();
        for member in entries.iter().filter_map(|entry| entry.get("outbounds")?.as_array()).flatten() {
            assert!(tags.contains(&member.as_str().unwrap()), "{format}: {member} is not there");
        }
        let all = tags.len();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), all, "{format}");
    }
}

#[test]
fn the_legacy_file_holds_nothing_that_came_with_1_12() {
    let text = render("sing-box-legacy", &endpoints()).body;
    for newer in
        ["anytls", "default_domain_resolver", "\"action\"", "server_ports", "\"endpoints\"", "\"type\":\"https\""]
    {
        assert!(!text.contains(newer), "{newer}");
    }
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["dns"]["servers"][0]["address"], "https://1.1.1.1/dns-query");
}

#[test]
fn a_line_of_a_text_format_has_as_many_fields_as_it_was_given() {
    for (format, between) in [("surge", " = "), ("surfboard", " = "), ("loon", " = "), ("quanx", "=")] {
        let rendered = render(format, &endpoints());
        let lines: Vec<&str> = match rendered.body.split_once("[Proxy]\n") {
            Some((_, rest)) => rest.split_once("\n\n").unwrap().0.lines().collect(),
            None => rendered.body.lines().collect(),
        };
        assert_eq!(lines.len(), rendered.served, "{format}");
        assert!(rendered.served >= 15, "{format} serves {}", rendered.served);
        for line in lines {
            assert!(line.contains(between) && !line.ends_with(','), "{format}: {line}");
        }
    }
}

#[test]
fn the_list_of_links_holds_what_mihomo_loads_and_what_it_passes_over() {
    let rendered = render("links", &endpoints());
    let left_out: Vec<&str> = rendered.left_out.iter().map(|left| left.name.as_str()).collect();
    for name in ["no-such-method", "badpin", "flow"] {
        assert!(left_out.contains(&name), "{name} costs the whole list: {left_out:?}");
    }
    assert!(rendered.body.contains("naive+quic://") && rendered.body.contains("hysteria2+realm://"));
}

#[test]
fn a_configuration_is_read_back_as_what_writes_the_same_again() {
    let mut endpoints = endpoints();
    // What a strict client refuses is not taken from others, though another client's file may hold it.
    endpoints.retain(|endpoint| weir::domain::format::refused(endpoint).is_none());
    // sing-box has them in a list of their own, which is read last.
    endpoints.sort_by_key(|endpoint| matches!(endpoint.protocol, Protocol::Wireguard(_)));
    for (format, kind) in [
        ("mihomo", "clash"),
        ("sing-box", "sing-box"),
        ("sing-box-legacy", "sing-box"),
        ("xray", "xray"),
        ("sip008", "sip008"),
        ("base64", "base64"),
    ] {
        let rendered = render(format, &endpoints);
        let body = Body::read(rendered.body.as_bytes()).unwrap();
        assert_eq!(body.format.name(), kind);
        let (mut read, mut refused) = (Vec::<Endpoint>::new(), Vec::new());
        for entry in body.entries() {
            match entry.read() {
                Ok(link) => read.extend(link.map(|link| link.endpoint)),
                Err(reason) => refused.push(format!("{format}: {reason}")),
            }
        }
        assert_eq!(refused, Vec::<String>::new());
        assert_eq!(read.len(), rendered.served, "{format}");
        let again = render(format, &read);
        let differ = rendered.body.split("},{").zip(again.body.split("},{")).filter(|(one, other)| one != other);
        assert_eq!(differ.collect::<Vec<_>>(), [], "{format}");
        assert_eq!(rendered.body, again.body, "{format}");
    }
}
