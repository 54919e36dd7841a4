use super::speed::Holder;
use super::*;

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(Config::parse(""), Ok(Config::default()));
}

#[test]
fn every_field_is_read() {
    let text = r#"
        panel = "https://panel.example"
        proxy = "http://user:secret@proxy.example:3128"
        pins = ["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
        monitor = "[::1]:9469"
        state_dir = "/srv/weir"
        on_panel_loss = "open"
        reload_every_seconds = 60
        log = "debug"
        [core]
        kind = "sing-box"
        binary = "/opt/sing-box"
        template = "/srv/template.json"
        output = "/srv/config.json"
        reload_command = ["kill", "-HUP", "1"]
        start_command = ["true"]
        pid_file = "/run/sing-box.pid"
        cache_file = "/srv/cache.db"
        working_dir = "/srv"
        api_port = 9000
        [addresses]
        behind_proxy = ["vless-ws"]
        [speed]
        limits = false
        relay_port = 9001
        back_port = 9002
    "#;
    let config = Config::parse(text).unwrap();
    assert_eq!(config.on_panel_loss, OnPanelLoss::Open);
    assert_eq!(config.core.api_port, 9000);
    assert_eq!(config.addresses.behind_proxy, ["vless-ws"]);
    assert_eq!(config.speed, SpeedConfig { limits: false, by: Holder::Relay, relay_port: 9001, back_port: 9002 });
    assert_eq!(config.sing_box().relay, None);
    assert_eq!(config.ledger(), Path::new("/srv/weir/ledger.redb"));
}

const EXAMPLE: &str = include_str!("../../packaging/agent.toml");

/// The example with the keys that have no default as well.
fn whole_example() -> String {
    let set = |line: &str| {
        line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']) && rest.contains(" = ")).map(str::to_owned)
    };
    EXAMPLE.lines().map(|line| set(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_example_means_the_defaults() {
    assert_eq!(Config::parse(EXAMPLE), Ok(Config::default()));
    let whole = Config::parse(&whole_example()).unwrap();
    assert!(whole.panel.is_some() && whole.core.pid_file.is_some() && whole.proxy.is_some() && whole.monitor.is_some());
}

#[test]
fn the_example_names_every_key_with_a_comment_above_it() {
    // What is unknown is refused with a list of all that is known.
    let known = |text: &str| {
        let told = Config::parse(text).unwrap_err().to_string();
        let list = told.split("expected one of ").nth(1).unwrap().to_owned();
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let (top, core) = (known("nonsense = 1"), known("core.nonsense = 1"));
    let speed = known("speed.nonsense = 1");
    assert!(top.len() == 11 && core.len() == 10 && speed.len() == 4, "{top:?} {core:?} {speed:?}");
    let example = whole_example();
    for key in top.iter().chain(&core).chain(&speed) {
        let is_table = matches!(key.as_str(), "core" | "addresses" | "speed");
        let start = if is_table { format!("[{key}]") } else { format!("{key} = ") };
        let place = example.lines().position(|line| line.starts_with(&start));
        let place = place.unwrap_or_else(|| panic!("the example lacks {key}"));
        assert!(example.lines().nth(place - 1).unwrap().starts_with("# "), "{key} is not explained");
    }
}

#[test]
fn a_named_file_must_exist_and_the_default_one_need_not() {
    assert!(Config::load(Some(Path::new("/nonexistent/agent.toml"))).is_err());
}
