//! Beside an Xray that is played true to its wire format.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tokio::sync::mpsc::UnboundedReceiver;
use weir_wire::credential::SlotSecret;

use super::*;
use crate::cores::stats::server::{Plays, Server};
use crate::cores::testing::slot;
use crate::cores::{Counter, Fallen};
use crate::testing::block_on;

const TEMPLATE: &str = r#"{"inbounds": [
    {"tag": "vless-in", "protocol": "vless", "port": 10001},
    {"tag": "ss-in", "protocol": "shadowsocks", "port": 10002, "settings": {"method": "aes-128-gcm"}}
]}"#;

struct Rig {
    _dir: tempfile::TempDir,
    core: V2Ray,
    server: Server,
}

impl Rig {
    async fn new() -> Self {
        let server = Server::start(Plays::Xray).await;
        server.with(|state| state.inbounds = vec!["vless-in".to_owned(), "ss-in".to_owned()]);
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("template.json"), TEMPLATE).unwrap();
        let core = V2Ray::new(Settings {
            family: Family::Xray,
            binary: path("none"),
            template: path("template.json"),
            output: path("config.json"),
            state_dir: path("state"),
            working_dir: None,
            api_port: server.address.port(),
            restart: vec!["true".to_owned()],
            start: vec!["true".to_owned()],
            start_limit: Duration::from_millis(300),
        })
        .unwrap();
        Self { _dir: dir, core, server }
    }

    fn watch(&self) -> UnboundedReceiver<CoreEvent> {
        let (sender, events) = mpsc::unbounded_channel();
        let core = self.core.clone();
        core.set_tick(Duration::from_millis(10));
        tokio::spawn(async move { core.watch(sender).await });
        events
    }

    /// The core ends, and another one of its kind answers.
    async fn restart(self, uptime: u32) -> Self {
        let port = self.server.address.port();
        self.server.kill().await;
        let server = Server::start_on(Plays::Xray, port).await;
        server.with(|state| {
            state.inbounds = vec!["vless-in".to_owned(), "ss-in".to_owned()];
            state.uptime = uptime;
        });
        Self { server, ..self }
    }

    fn users(&self) -> Vec<String> {
        self.server.with(|state| state.users.keys().map(|(tag, user)| format!("{user}@{tag}")).collect())
    }
}

async fn incarnation(events: &mut UnboundedReceiver<CoreEvent>) -> i64 {
    loop {
        if let CoreEvent::Up { incarnation, .. } = events.recv().await.unwrap() {
            return incarnation;
        }
    }
}

#[test]
fn users_are_brought_into_every_inbound_with_its_own_account_and_kept_out_again() {
    block_on(async {
        let rig = Rig::new().await;
        let why = rig.core.bring(&[]).await.unwrap_err();
        assert!(matches!(&why, CoreError::Config(why) if why.contains("is not the agent's")), "{why:?}");
        let slots = [slot("alice", true), slot("bobby", false)];
        rig.core.write(&slots, false).await.unwrap();
        assert_eq!(
            rig.core.bring(&slots).await.unwrap(),
            [(slots[0].slot.clone(), true), (slots[1].slot.clone(), false)]
        );
        assert_eq!(rig.users(), ["alice@ss-in", "alice@vless-in"]);
        let kinds: Vec<String> =
            rig.server.with(|state| state.users.values().map(|account| account.name.clone()).collect());
        assert_eq!(kinds, ["xray.proxy.shadowsocks.Account", "xray.proxy.vless.Account"]);
        rig.core.set_gate(&slots[1].slot, true).await.unwrap();
        rig.core.set_gate(&slots[0].slot, false).await.unwrap();
        assert_eq!(rig.users(), ["bobby@ss-in", "bobby@vless-in"]);
        let gates = rig.core.gates().await.unwrap();
        assert_eq!(gates, [(slots[0].slot.clone(), false), (slots[1].slot.clone(), true)]);
        assert!(matches!(rig.core.set_gate(&slot("carol", true).slot, true).await, Err(CoreError::Config(_))));
    });
}

#[test]
fn whoever_is_there_already_or_gone_already_is_no_error_and_new_credentials_replace_old_ones() {
    block_on(async {
        let rig = Rig::new().await;
        let slots = [slot("alice", true)];
        rig.core.write(&slots, false).await.unwrap();
        rig.core.bring(&slots).await.unwrap();
        // Another agent process, which knows nothing of what was done.
        rig.core.0.forget_users().await;
        rig.core.bring(&slots).await.unwrap();
        let old = rig.server.with(|state| state.users.values().next().cloned()).unwrap();
        let other =
            ConfiguredSlot { credentials: SlotSecret::derive(b"other", &slots[0].slot).into(), ..slots[0].clone() };
        rig.core.bring(&[other]).await.unwrap();
        let new = rig.server.with(|state| state.users.values().next().cloned()).unwrap();
        assert_ne!(old, new);
        // Who is in no roster any more is in the file that the core was started with.
        rig.core.0.forget_users().await;
        rig.core.bring(&[slot("bobby", true)]).await.unwrap();
        assert_eq!(rig.users(), ["bobby@ss-in", "bobby@vless-in"]);
    });
}

#[test]
fn an_inbound_for_other_plans_has_nobody_without_one_of_them_and_changes_with_the_plan() {
    block_on(async {
        let rig = Rig::new().await;
        let without = |tags: &[&str]| {
            let closed = tags.iter().map(|tag| (*tag).to_owned()).collect();
            [ConfiguredSlot { closed, ..slot("alice", true) }, slot("bobby", true)]
        };
        rig.core.write(&without(&["ss-in"]), false).await.unwrap();
        let file = fs::read_to_string(&rig.core.0.settings.output).unwrap();
        assert_eq!((file.matches("alice").count(), file.matches("bobby").count()), (1, 2), "the core's next start");
        rig.core.bring(&without(&["ss-in"])).await.unwrap();
        assert_eq!(rig.users(), ["bobby@ss-in", "alice@vless-in", "bobby@vless-in"]);
        rig.core.bring(&without(&["vless-in"])).await.unwrap();
        assert_eq!(rig.users(), ["alice@ss-in", "bobby@ss-in", "bobby@vless-in"]);
        rig.core.bring(&without(&[])).await.unwrap();
        assert_eq!(rig.users(), ["alice@ss-in", "bobby@ss-in", "alice@vless-in", "bobby@vless-in"]);
    });
}

#[test]
fn whoever_has_not_an_inbound_is_in_the_others_alone() {
    block_on(async {
        let rig = Rig::new().await;
        let with = |json: &str| ConfiguredSlot { ways: serde_json::from_str(json).unwrap(), ..slot("alice", true) };
        let vless = [with(r#"{"vless":[],"shadowsocks":["ss-in"]}"#)];
        rig.core.write(&[slot("alice", true)], false).await.unwrap();
        rig.core.bring(&[slot("alice", true)]).await.unwrap();
        let before = rig.server.with(|state| state.users.clone());
        rig.core.bring(&vless).await.unwrap();
        assert_eq!(rig.users(), ["alice@vless-in"]);
        rig.core.bring(&[with(r#"{"shadowsocks":[]}"#)]).await.unwrap();
        assert_eq!(rig.users(), ["alice@ss-in"]);
        rig.core.bring(&[slot("alice", true)]).await.unwrap();
        assert_eq!(rig.server.with(|state| state.users.clone()), before);
        // The next process does not know who is where.
        rig.core.0.forget_users().await;
        rig.core.bring(&vless).await.unwrap();
        assert_eq!(rig.users(), ["alice@vless-in"]);
        rig.core.set_gate(&vless[0].slot, false).await.unwrap();
        rig.core.set_gate(&vless[0].slot, true).await.unwrap();
        assert_eq!(rig.users(), ["alice@vless-in"]);
        rig.core.write(&vless, false).await.unwrap();
        let file = fs::read_to_string(&rig.core.0.settings.output).unwrap();
        assert_eq!(file.matches(r#""email":"alice""#).count(), 1, "{file}");
    });
}

#[test]
fn a_core_that_lacks_an_inbound_of_the_file_was_started_with_something_else() {
    block_on(async {
        let rig = Rig::new().await;
        rig.core.write(&[slot("alice", true)], false).await.unwrap();
        rig.server.with(|state| state.inbounds = vec!["vless-in".to_owned()]);
        let why = rig.core.bring(&[slot("alice", true)]).await.unwrap_err();
        assert!(matches!(&why, CoreError::Config(why) if why.contains("ss-in")), "{why:?}");
    });
}

#[test]
fn counters_are_told_as_they_are_and_one_start_has_one_name() {
    block_on(async {
        let rig = Rig::new().await;
        rig.server.with(|state| {
            state.uptime = 100;
            state.counters.insert("alice".to_owned(), (3, 4));
        });
        let mut events = rig.watch();
        let first = incarnation(&mut events).await;
        let told = events.recv().await.unwrap();
        let users = vec![Counter { user: "alice".to_owned(), up: 3, down: 4 }];
        assert_eq!(told, CoreEvent::Counters { users, fallen: Fallen::Zero });
        drop(events);
        // The next process of the agent is told what the ledger knows; a second more or less is the same start.
        rig.core.resume(Some(first));
        rig.server.with(|state| state.uptime = 101);
        assert_eq!(incarnation(&mut rig.watch()).await, first);
        // The same core over a new connection: it has broken, and that is told.
        let mut events = rig.watch();
        assert_eq!(incarnation(&mut events).await, first);
        let rig = rig.restart(0).await;
        let next = incarnation(&mut events).await;
        assert_ne!(next, first);
        assert_eq!(rig.server.with(|state| state.resets), 0);
    });
}

#[test]
fn a_host_that_stands_still_during_the_answer_makes_no_running_core_new() {
    block_on(async {
        let rig = Rig::new().await;
        rig.server.with(|state| state.uptime = 100);
        let first = incarnation(&mut rig.watch()).await;
        rig.server.with(|state| state.late = vec![Duration::from_millis(3_200)]);
        let (mut events, mut asked) = (rig.watch(), false);
        // By the time it is asked again it has run for longer.
        while !asked {
            tokio::time::sleep(Duration::from_millis(50)).await;
            asked = rig.server.with(|state| state.late.is_empty());
        }
        rig.server.with(|state| state.uptime = 103);
        assert_eq!(incarnation(&mut events).await, first);
    });
}

#[test]
fn a_reading_that_is_wanted_now_is_told_before_whoever_wants_it_goes_on() {
    block_on(async {
        let rig = Rig::new().await;
        let mut events = rig.watch();
        incarnation(&mut events).await;
        rig.core.set_tick(Duration::from_hours(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
        while events.try_recv().is_ok() {}
        rig.server.with(|state| state.counters.insert("alice".to_owned(), (9, 9)));
        rig.core.0.read_once_more().await;
        let users = vec![Counter { user: "alice".to_owned(), up: 9, down: 9 }];
        assert_eq!(events.try_recv(), Ok(CoreEvent::Counters { users, fallen: Fallen::Zero }));
    });
}

#[test]
fn a_saved_template_goes_into_the_file_of_a_core_that_is_down_once_its_program_takes_it() {
    block_on(async {
        let Rig { _dir, core, server } = Rig::new().await;
        let settings = &core.0.settings;
        let program = |ends: &str| {
            let new = settings.binary.with_extension("new");
            let script = format!("#!/bin/sh\n[ \"$1\" = -version ] && echo 'Xray 25.1.1 (Xray)' && exit\n{ends}\n");
            fs::write(&new, script).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(&new, &settings.binary).unwrap();
        };
        let slots = [slot("alice", true)];
        core.write(&slots, false).await.unwrap();
        let old = fs::read(&settings.output).unwrap();
        fs::write(&settings.template, TEMPLATE.replace("10001", "10003")).unwrap();
        program("exit 0");
        assert_eq!(core.renew(&slots, false).await, Ok(Written::GatesAlone(None)), "the core answers");
        server.kill().await;
        assert_eq!(core.write(&slots, false).await, Ok(Written::GatesAlone(None)));
        program("echo 'unknown field'; exit 1");
        let refused = core.renew(&slots, false).await.unwrap();
        assert!(matches!(&refused, Written::GatesAlone(Some(CoreError::Config(why))) if why.contains("unknown field")));
        assert_eq!(fs::read(&settings.output).unwrap(), old);
        program("exit 0");
        assert_eq!(core.renew(&slots, false).await, Ok(Written::Whole));
        assert!(fs::read_to_string(&settings.output).unwrap().contains("10003"));
        fs::write(&settings.output, "{}").unwrap();
        assert_eq!(core.renew(&slots, false).await, Ok(Written::GatesAlone(None)), "it is the operator's");
    });
}

#[test]
fn a_file_that_the_operator_wrote_is_left_alone_until_a_reload_is_proven() {
    block_on(async {
        let rig = Rig::new().await;
        let own = r#"{"inbounds": []}"#;
        fs::write(&rig.core.0.settings.output, own).unwrap();
        let written = rig.core.write(&[slot("alice", true)], false).await.unwrap();
        assert_eq!(written, Written::GatesAlone(None));
        assert_eq!(fs::read_to_string(&rig.core.0.settings.output).unwrap(), own);
        let why = rig.core.reload(&[], Box::pin(async {})).await.unwrap_err();
        assert!(matches!(why, CoreError::Config(_)), "its program is not there: {why:?}");
        assert_eq!(fs::read_to_string(&rig.core.0.settings.output).unwrap(), own);
    });
}
