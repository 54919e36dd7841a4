use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::status::tests::{recorded, zone};
use super::*;
use crate::cores::testing::slot;
use crate::testing::block_on;

/// An nginx that answers with what was recorded, one document after the other; the last one stays.
struct Stub {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Stub {
    async fn start(documents: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 1_024];
                let length = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                assert!(request.starts_with("GET /status/format/json HTTP/1.1\r\n"), "{request}");
                let place = counted.fetch_add(1, Ordering::Relaxed).min(documents.len() - 1);
                let body = &documents[place];
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        Self { port, asked }
    }
}

struct Rig {
    dir: tempfile::TempDir,
    nginx: Nginx,
}

impl Rig {
    fn new(port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // It fails while there is a file `broken`; while there is one `slow`, nginx reads the map after a while only.
        let reload = "echo . >>tries; if test -e broken; then exit 1; fi; if test -e slow; then sleep 0.3; fi; \
                      cp users.map loaded; echo . >>reloads";
        let reload = format!("cd {} && {{ {reload}; }}", dir.path().display());
        let nginx = Nginx::new(Settings {
            output: dir.path().join("users.map"),
            port,
            reload: ["sh", "-c", &reload].map(str::to_owned).to_vec(),
            start: vec!["true".to_owned()],
            start_limit: Duration::from_secs(1),
        });
        Self { dir, nginx }
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// What is on the disk.
    fn map(&self) -> Vec<String> {
        self.lines("users.map")
    }

    /// What nginx has read.
    fn loaded(&self) -> Vec<String> {
        self.lines("loaded")
    }

    /// Reloads that have succeeded.
    fn reloads(&self) -> usize {
        self.lines("reloads").len()
    }

    fn mark(&self, name: &str, there: bool) {
        let path = self.dir.path().join(name);
        if there { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[test]
fn the_map_lets_in_whose_gate_is_open_and_nobody_else() {
    block_on(async {
        let rig = Rig::new(1);
        let slots = [slot("alice", true), slot("bobby", false)];
        let gates = rig.nginx.bring(&slots).await.unwrap();
        assert_eq!(gates.iter().map(|(_, open)| *open).collect::<Vec<_>>(), [true, false]);
        assert_eq!((rig.map(), rig.reloads()), (vec!["alice 0;".to_owned()], 1));
        rig.nginx.bring(&slots).await.unwrap();
        assert_eq!(rig.reloads(), 1, "nothing is new");
        rig.nginx.set_gate(&slots[0].slot, false).await.unwrap();
        assert_eq!((rig.map().len(), rig.reloads()), (0, 2));
    });
}

#[test]
fn changes_that_come_at_once_share_a_reload() {
    block_on(async {
        let rig = Rig::new(1);
        let slots: Vec<_> = (0..50).map(|number| slot(&format!("user{number}"), false)).collect();
        rig.nginx.bring(&slots).await.unwrap();
        let all = slots.iter().map(|slot| rig.nginx.set_gate(&slot.slot, true));
        for outcome in futures_util::future::join_all(all).await {
            outcome.unwrap();
        }
        assert_eq!((rig.map().len(), rig.reloads()), (50, 2));
    });
}

#[test]
fn a_map_whose_reload_failed_is_loaded_when_it_is_tried_again() {
    block_on(async {
        let rig = Rig::new(1);
        let alice = slot("alice", true);
        rig.nginx.bring(std::slice::from_ref(&alice)).await.unwrap();
        rig.mark("broken", true);
        let why = rig.nginx.set_gate(&alice.slot, false).await.unwrap_err();
        assert!(matches!(&why, CoreError::Unreachable(why) if why.contains("not reloaded")), "{why:?}");
        assert_eq!((rig.map().len(), rig.loaded().len()), (0, 1));
        rig.mark("broken", false);
        rig.nginx.set_gate(&alice.slot, false).await.unwrap();
        assert_eq!((rig.loaded().len(), rig.reloads()), (0, 2), "it is on the disk already, and nginx has not read it");
    });
}

#[test]
fn a_gate_that_moves_back_after_a_failed_reload_is_loaded_anew() {
    block_on(async {
        let rig = Rig::new(1);
        let alice = slot("alice", true);
        rig.nginx.bring(std::slice::from_ref(&alice)).await.unwrap();
        rig.mark("broken", true);
        rig.nginx.set_gate(&alice.slot, false).await.unwrap_err();
        rig.mark("broken", false);
        rig.nginx.set_gate(&alice.slot, true).await.unwrap();
        assert_eq!(rig.reloads(), 2, "what failed may have been read all the same, or at a start since then");
    });
}

#[test]
fn changes_that_come_at_once_share_a_reload_that_fails() {
    block_on(async {
        let rig = Rig::new(1);
        let slots: Vec<_> = (0..50).map(|number| slot(&format!("user{number}"), false)).collect();
        rig.mark("broken", true);
        let all = slots.iter().map(|slot| rig.nginx.set_gate(&slot.slot, true));
        for outcome in futures_util::future::join_all(all).await {
            outcome.unwrap_err();
        }
        assert_eq!(rig.lines("tries").len(), 1);
        rig.mark("broken", false);
        rig.nginx.set_gate(&slots[0].slot, true).await.unwrap();
        assert_eq!((rig.lines("tries").len(), rig.loaded().len()), (2, 50), "whoever comes later tries again");
    });
}

#[test]
fn a_change_that_was_written_without_a_reload_is_loaded_by_the_next_one() {
    block_on(async {
        let rig = Rig::new(1);
        let (open, shut) = ([slot("alice", true)], [slot("alice", false)]);
        rig.nginx.bring(&open).await.unwrap();
        let writing = async {
            sleep(BATCH / 4).await;
            rig.nginx.write(&shut, false).await.unwrap();
            assert_eq!((rig.map().len(), rig.reloads()), (0, 1));
        };
        let (cut, ()) = tokio::join!(rig.nginx.set_gate(&shut[0].slot, false), writing);
        cut.unwrap();
        assert_eq!((rig.loaded().len(), rig.reloads()), (0, 2));
        // nginx may be restarted by anybody, and then has what was written last.
        rig.nginx.write(&open, false).await.unwrap();
        rig.nginx.bring(&shut).await.unwrap();
        assert_eq!((rig.map().len(), rig.reloads()), (0, 3));
    });
}

#[test]
fn nothing_is_written_while_nginx_reads_the_map() {
    block_on(async {
        let rig = Rig::new(1);
        let (open, shut) = ([slot("alice", true)], [slot("alice", false)]);
        rig.nginx.bring(&open).await.unwrap();
        rig.mark("slow", true);
        let writing = async {
            sleep(BATCH + Duration::from_millis(100)).await;
            rig.nginx.write(&open, false).await.unwrap();
        };
        let (cut, ()) = tokio::join!(rig.nginx.set_gate(&shut[0].slot, false), writing);
        cut.unwrap();
        assert_eq!((rig.loaded().len(), rig.map().len()), (0, 1));
    });
}

#[test]
fn what_nginx_tells_is_read_again_and_again_and_its_silence_is_told_once() {
    block_on(async {
        let document = |up: u64| recorded(&format!(r#""weir::a":{{{}}}"#, zone("alice", up, 1)));
        let stub = Stub::start(vec![document(10), document(25)]).await;
        let rig = Rig::new(stub.port);
        rig.nginx.set_tick(Duration::from_millis(10));
        let (sender, mut events) = mpsc::unbounded_channel();
        let nginx = rig.nginx.clone();
        let watching = tokio::spawn(async move { nginx.watch(sender).await });
        assert!(matches!(events.recv().await, Some(CoreEvent::Up { version, .. }) if version.contains("1.22.1")));
        for expected in [10, 25, 25] {
            match events.recv().await {
                Some(CoreEvent::Counters { users, fallen: Fallen::Earlier }) => assert_eq!(users[0].up, expected),
                other => panic!("{other:?}"),
            }
        }
        assert!(stub.asked.load(Ordering::Relaxed) >= 3);
        watching.abort();
        let rig = Rig::new(1);
        let (sender, mut events) = mpsc::unbounded_channel();
        let watching = tokio::spawn(async move { rig.nginx.watch(sender).await });
        assert!(
            matches!(events.recv().await, Some(CoreEvent::Down { reason }) if reason.contains("/status/format/json"))
        );
        watching.abort();
    });
}
