//! A real sing-box on free ports of loopback, steered by the adapter, with an echo server behind it.
#![expect(dead_code, unreachable_pub, reason = "each test file uses its own part of the rig")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::net::TcpListener as Probe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use weir_agent::cores::singbox::{Settings, SingBox};
use weir_agent::cores::{Boxed, ConfiguredSlot, Core, CoreEvent};
use weir_wire::SlotName;
use weir_wire::credential::SlotSecret;

/// Ten times what any step here takes; only a hang reaches it.
pub const HANG: Duration = Duration::from_secs(20);

pub fn binary() -> PathBuf {
    let path = std::env::var_os("SING_BOX_BIN").map(PathBuf::from);
    path.expect("these tests run a real sing-box >= 1.14: set SING_BOX_BIN to its path")
}

/// A port that was free a moment ago, for TCP.
pub fn free_port() -> u16 {
    Probe::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn slot(name: &str, open: bool) -> ConfiguredSlot {
    let slot: SlotName = name.parse().unwrap();
    ConfiguredSlot {
        credentials: SlotSecret::derive(b"slot-key-of-the-tests", &slot).into(),
        ways: None,
        slot,
        open,
        slow: false,
    }
}

/// For a reload that waits for no ledger.
pub fn at_once() -> Boxed<'static, ()> {
    Box::pin(async {})
}

pub fn alice_and_bob() -> Vec<ConfiguredSlot> {
    vec![slot("alice234", true), slot("bob23456", true)]
}

/// One sing-box with its files; stopped when dropped.
pub struct Rig {
    pub core: SingBox,
    pub dir: TempDir,
    pub mixed: u16,
    pub echo: u16,
    pub api: u16,
    echoing: JoinHandle<()>,
}

impl Rig {
    /// A rig whose template has a mixed inbound and whatever `more` adds.
    pub async fn new(more: impl FnOnce(&mut Value)) -> Self {
        let dir = TempDir::new().unwrap();
        let (mixed, api) = (free_port(), free_port());
        let (echo, echoing) = echo_server().await;
        let mut template = json!({
            "log": { "level": "info" },
            "inbounds": [{ "type": "mixed", "tag": "in-mixed", "listen": "127.0.0.1", "listen_port": mixed }],
            "outbounds": [{ "type": "direct", "tag": "direct" }],
            "route": { "rules": [{ "action": "sniff", "timeout": "20ms" }] },
        });
        more(&mut template);
        std::fs::write(dir.path().join("template"), template.to_string()).unwrap();
        let core = SingBox::new(settings(dir.path(), api)).unwrap();
        Self { core, dir, mixed, echo, api, echoing }
    }

    /// A rig that runs, with alice's and bob's gates open.
    pub async fn running() -> Self {
        let rig = Self::new(|_| ()).await;
        rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
        rig
    }

    /// A rig that runs, whose core never collects garbage: with each collection it forgets the connections that have ended.
    pub async fn remembering() -> Self {
        let rig = Self::new(|_| ()).await;
        let start = rig.dir.path().join("start");
        let script = std::fs::read_to_string(&start).unwrap();
        std::fs::write(start, format!("export GOGC=off\n{script}")).unwrap();
        rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
        rig
    }

    /// Another adapter over the same files, as after a restart of the agent.
    pub fn another_adapter(&self) -> SingBox {
        SingBox::new(settings(self.dir.path(), self.api)).unwrap()
    }

    pub fn change_template(&self, change: impl FnOnce(&mut Value)) {
        let path = self.dir.path().join("template");
        let mut template = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut template);
        std::fs::write(path, template.to_string()).unwrap();
    }

    pub fn output(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join("core/config.json")).unwrap()
    }

    pub fn pid(&self) -> Option<i32> {
        std::fs::read_to_string(self.dir.path().join("pid")).ok()?.trim().parse().ok()
    }

    /// `kill -9`, as a lack of memory would.
    pub fn kill(&self) {
        if let Some(pid) =
            self.pid().filter(|pid| is_of(*pid, self.dir.path())).and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }

    /// Starts the core as the operator's unit would, with whatever file there is.
    pub async fn start(&self) {
        let status = tokio::process::Command::new("sh").arg(self.dir.path().join("start")).status().await.unwrap();
        assert!(status.success());
    }

    /// A connection of a user through the mixed inbound to the echo server.
    pub async fn connect(&self, user: &ConfiguredSlot) -> std::io::Result<TcpStream> {
        socks(self.mixed, user.slot.as_str(), &user.credentials.proxy_password(), self.echo).await
    }

    /// Sends `bytes` and reads them back.
    pub async fn echo_once(&self, user: &ConfiguredSlot, bytes: usize) -> std::io::Result<()> {
        let mut stream = self.connect(user).await?;
        exchange(&mut stream, bytes).await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
        self.echoing.abort();
    }
}

/// Whether the process is a core of this rig, so that a number that was given out again is left alone.
fn is_of(pid: i32, dir: &Path) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&*dir.to_string_lossy())
}

fn settings(dir: &Path, api_port: u16) -> Settings {
    let core = dir.join("core");
    std::fs::create_dir_all(&core).unwrap();
    let start = dir.join("start");
    let script = format!(
        // A killed core that nobody has waited for yet still has a number, but no command line.
        "test -f {pid} && grep -aqF {core} /proc/$(cat {pid})/cmdline 2>/dev/null && exit 0\n\
         {binary} --disable-color -D {core} -c {core}/config.json run >>{log} 2>&1 &\necho $! >{pid}\n",
        binary = binary().display(),
        core = core.display(),
        log = dir.join("log").display(),
        pid = dir.join("pid").display(),
    );
    std::fs::write(&start, script).unwrap();
    Settings {
        binary: binary(),
        template: dir.join("template"),
        output: core.join("config.json"),
        staging_dir: None,
        state_dir: dir.join("state"),
        cache_file: dir.join("state/cache.db"),
        working_dir: Some(core),
        api_port,
        relay: None,
        marks: false,
        reload: ["kill", "-HUP", "{pid}"].map(str::to_owned).to_vec(),
        start: vec!["sh".into(), start.to_string_lossy().into_owned()],
        pid_file: Some(dir.join("pid")),
        start_limit: Duration::from_secs(4),
    }
}

async fn echo_server() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                // A client that goes away is no failure of the server's.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (port, serving)
}

/// A SOCKS5 connection with a password to a port of loopback.
pub async fn socks(proxy: u16, user: &str, password: &str, port: u16) -> std::io::Result<TcpStream> {
    let refused = |step: &str| std::io::Error::other(format!("refused at {step}"));
    let mut stream = TcpStream::connect(("127.0.0.1", proxy)).await?;
    stream.write_all(&[5, 1, 2]).await?;
    let mut two = [0; 2];
    stream.read_exact(&mut two).await?;
    if two != [5, 2] {
        return Err(refused("method"));
    }
    let mut login = vec![1, u8::try_from(user.len()).unwrap()];
    login.extend(user.as_bytes());
    login.push(u8::try_from(password.len()).unwrap());
    login.extend(password.as_bytes());
    stream.write_all(&login).await?;
    stream.read_exact(&mut two).await?;
    if two[1] != 0 {
        return Err(refused("login"));
    }
    let [high, low] = port.to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low]).await?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await?;
    if reply[1] == 0 { Ok(stream) } else { Err(refused("connect")) }
}

pub async fn exchange(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let (mut from, mut to) = stream.split();
    let sending = async { to.write_all(&vec![0x5a; bytes]).await };
    let mut back = vec![0; bytes];
    let reading = async { from.read_exact(&mut back).await.map(drop) };
    timeout(HANG, async { tokio::try_join!(sending, reading).map(drop) }).await?
}

/// What a connection came to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub user: String,
    pub up: u64,
    pub down: u64,
    pub closed: bool,
}

/// Everything that the core told so far.
pub struct Watcher {
    events: mpsc::UnboundedReceiver<CoreEvent>,
    watching: JoinHandle<()>,
    pub incarnations: Vec<i64>,
    pub downs: Vec<String>,
    pub resets: usize,
    pub connections: HashMap<String, Seen>,
    pub totals: (u64, u64),
}

impl Watcher {
    pub fn new(core: &SingBox) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let core = core.clone();
        let watching = tokio::spawn(async move { core.watch(sender).await });
        let (incarnations, downs, connections) = (Vec::new(), Vec::new(), HashMap::new());
        Self { events, watching, incarnations, downs, resets: 0, connections, totals: (0, 0) }
    }

    fn take(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::Up { incarnation, .. } => self.incarnations.push(incarnation),
            CoreEvent::Down { reason } => self.downs.push(reason),
            // Of a core that tells no connections: whatever is awaited here will not come.
            CoreEvent::Counters { .. } | CoreEvent::Online { .. } => {}
            CoreEvent::Totals { up, down } => self.totals = (up, down),
            CoreEvent::Connections { reset, events } => {
                self.resets += usize::from(reset);
                for event in events {
                    let seen = self.connections.entry(event.id).or_default();
                    // Finished is finished: the core repeats itself, with a last chunk at most.
                    if seen.closed {
                        (seen.up, seen.down) = (seen.up.max(event.up), seen.down.max(event.down));
                        continue;
                    }
                    if let Some(origin) = event.origin {
                        seen.user = origin.user;
                    }
                    (seen.up, seen.down, seen.closed) = (event.up, event.down, event.closed);
                }
            }
        }
    }

    /// Reads until what was told satisfies the condition.
    pub async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !enough(self) {
                let event = self.events.recv().await.expect("the watch goes on");
                self.take(event);
            }
        };
        let came = timeout(HANG, waiting).await.is_ok();
        assert!(came, "never: {what}; totals {:?}, downs {:?}", self.totals, self.downs);
    }

    /// Reads what comes in this time.
    pub async fn for_a_while(&mut self, time: Duration) {
        let _ = timeout(time, async {
            while let Some(event) = self.events.recv().await {
                self.take(event);
            }
        })
        .await;
    }

    pub fn of(&self, user: &ConfiguredSlot) -> (u64, u64) {
        let own = self.connections.values().filter(|seen| seen.user == user.slot.as_str());
        own.fold((0, 0), |(up, down), seen| (up + seen.up, down + seen.down))
    }

    pub fn live(&self) -> usize {
        self.connections.values().filter(|seen| !seen.closed).count()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Waits until an asynchronous condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(HANG, waiting).await.is_ok(), "never: {what}");
}
