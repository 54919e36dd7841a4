//! A real sing-box on free ports of loopback, steered by the adapter, with an echo server behind it.
#![expect(dead_code, unreachable_pub, reason = "each test file uses its own part of the rig")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

mod clients;
mod watcher;

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use weir_agent::cores::singbox::{Settings, SingBox};
use weir_agent::cores::{Boxed, ConfiguredSlot, Core};
use weir_wire::SlotName;
use weir_wire::credential::SlotSecret;

use self::clients::echo_server;
pub use self::clients::{exchange, socks};
pub use self::watcher::Watcher;

/// Ten times what any step here takes; only a hang reaches it.
pub const HANG: Duration = Duration::from_secs(20);

pub fn binary() -> PathBuf {
    let path = std::env::var_os("SING_BOX_BIN").map(PathBuf::from);
    path.expect("these tests run a real sing-box >= 1.14: set SING_BOX_BIN to its path")
}

/// Below 32768, where Linux begins to take the local ports of outgoing connections by default (`net.ipv4.ip_local_port_range`): one from
/// that range could be gone again before its server binds it.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A port that was free a moment ago, for TCP and UDP. It stays unbound until its server starts, so none is found twice.
pub fn free_port() -> u16 {
    static FOUND: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Programs that run at the same time look at different places.
    let first = std::process::id().wrapping_mul(251) % count;
    (0..count)
        .map(|_| (first + FOUND.fetch_add(1, Ordering::Relaxed)) % count)
        .map(|place| PORTS.start + u16::try_from(place).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

pub fn slot(name: &str, open: bool) -> ConfiguredSlot {
    let slot: SlotName = name.parse().unwrap();
    ConfiguredSlot {
        credentials: SlotSecret::derive(b"slot-key-of-the-tests", &slot).into(),
        ways: None,
        closed: Vec::new(),
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
        Self::new(|_| ()).await.started().await
    }

    async fn started(self) -> Self {
        self.core.reload(&alice_and_bob(), at_once()).await.unwrap();
        self
    }

    /// The same whose core never collects garbage: with each collection it forgets the connections that have ended.
    pub async fn remembering() -> Self {
        let rig = Self::new(|_| ()).await;
        let start = rig.dir.path().join("start");
        let script = std::fs::read_to_string(&start).unwrap();
        std::fs::write(start, format!("export GOGC=off\n{script}")).unwrap();
        rig.started().await
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

/// Waits until an asynchronous condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(HANG, waiting).await.is_ok(), "never: {what}");
}
