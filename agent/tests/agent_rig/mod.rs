//! The real program beside a real sing-box, and a panel of plain HTTP that answers by the rules of the model.
#![expect(dead_code, unreachable_pub, reason = "each test file uses its own part of the rig")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]
#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

pub mod crew;
pub mod disk;
#[path = "../../src/node/tests/panel.rs"]
pub mod panel;

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::Disk;
use flate2::read::GzDecoder;
use panel::Panel;
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use weir_wire::status::NodeStatus;
use weir_wire::sync::SyncRequest;
use weir_wire::{Bytes, Second};

use crate::singbox_rig::{HANG, Rig, binary, free_port};

/// What the panel was told, and what it will say.
pub struct Heard {
    pub panel: Panel,
    pub syncs: Vec<SyncRequest>,
}

impl Heard {
    fn answer(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let time = Second::clamped(clock_gettime(ClockId::Realtime).tv_sec);
        match path {
            "/agent/v1/enroll" => (200, json!({ "node": 7, "name": "paris", "panel": "a database", "time": time })),
            "/agent/v1/sync" => {
                let request: SyncRequest = serde_json::from_value(body.clone()).unwrap();
                let answer = self.panel.answer(&request, time);
                self.syncs.push(request);
                match answer {
                    Ok(reply) => (200, serde_json::to_value(reply).unwrap()),
                    Err(refusal) => (409, serde_json::to_value(refusal).unwrap()),
                }
            }
            _ => (404, json!({})),
        }
    }
}

async fn serve(stream: TcpStream, heard: Arc<Mutex<Heard>>) -> Option<()> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    loop {
        let mut line = String::new();
        from.read_line(&mut line).await.ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let (mut length, mut packed) = (0, false);
        loop {
            let mut header = String::new();
            from.read_line(&mut header).await.ok()?;
            let Some((name, value)) = header.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "content-encoding" => packed = value == "gzip",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).await.ok()?;
        if packed {
            let mut inflated = Vec::new();
            GzDecoder::new(body.as_slice()).read_to_end(&mut inflated).unwrap();
            body = inflated;
        }
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = heard.lock().unwrap().answer(&path, &body);
        let answer = answer.to_string();
        let whole = format!(
            "HTTP/1.1 {status} .\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        to.write_all(whole.as_bytes()).await.ok()?;
    }
}

/// The program, its core, and its panel; all are stopped when this is dropped.
pub struct Agent {
    // Before the folder that it lies in.
    disk: Option<Disk>,
    pub rig: Rig,
    pub heard: Arc<Mutex<Heard>>,
    address: SocketAddr,
    relay_ports: (u16, u16),
    serving: JoinHandle<()>,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Agent {
    /// An enrolled agent that does not run yet. Its panel polls it every second.
    pub async fn enrolled() -> Self {
        Self::enrolled_on(None).await.expect("nothing is mounted")
    }

    /// The same with its state on a disk of this size, if one is named. `None` where nobody may mount.
    pub async fn enrolled_on(size: Option<&str>) -> Option<Self> {
        let rig = Rig::new(|_| ()).await;
        let disk = match size {
            Some(size) => Some(Disk::under(&rig.dir.path().join("state"), size)?),
            None => None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut panel = Panel::new();
        panel.policy.interval = 1;
        panel.policy.floor = Bytes::mib(1);
        let heard = Arc::new(Mutex::new(Heard { panel, syncs: Vec::new() }));
        let shared = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let agent = Self {
            disk,
            rig,
            heard,
            address,
            relay_ports: (free_port(), free_port()),
            serving,
            child: None,
            log: Arc::default(),
        };
        agent.write_settings();
        let (good, said) = agent.run_once(&["enroll", &agent.url(), "a-token"]).await;
        assert!(good && said.contains("enrolled as node 7 (\"paris\")"), "{said}");
        Some(agent)
    }

    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.rig.dir.path().join(name)
    }

    fn write_settings(&self) {
        let text = |name: &str| json!(self.path(name)).to_string();
        let settings = format!(
            "state_dir = {state}\nreload_every_seconds = 0\n[core]\nbinary = {binary}\ntemplate = {template}\n\
             output = {output}\npid_file = {pid}\nstart_command = [\"sh\", {start}]\ncache_file = {cache}\n\
             working_dir = {core}\napi_port = {api}\n[speed]\nrelay_port = {relay}\nback_port = {back}\n",
            state = text("state"),
            binary = json!(binary()),
            template = text("template"),
            output = text("core/config.json"),
            pid = text("pid"),
            start = text("start"),
            cache = text("cache.db"),
            core = text("core"),
            api = self.rig.api,
            relay = self.relay_ports.0,
            back = self.relay_ports.1,
        );
        fs::write(self.path("agent.toml"), settings).unwrap();
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let config = self.path("agent.toml").to_string_lossy().into_owned();
        ["--config".to_owned(), config].into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect()
    }

    /// Runs the program to its end. Returns whether it was content, and what it said.
    pub async fn run_once(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-agent"));
        let command = command.args(self.arguments(words)).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(HANG, command.output()).await.expect("it ends").unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// Starts `weir-agent run`. A file that grows too large is an error for it and not its end, as a full disk is.
    pub fn start(&mut self) {
        let mut command = Command::new("sh");
        let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_weir-agent")]).args(self.arguments(&["run"]));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::clone(&self.log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                log.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        self.child = Some(child);
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id().unwrap()
    }

    async fn end(&mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ended = timeout(HANG, self.child.as_mut().unwrap().wait()).await.expect("it ends").unwrap();
        self.child = None;
        ended
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) {
        let ended = self.end(Signal::TERM).await;
        assert!(ended.success(), "{ended}: {}", self.log());
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// The largest size in bytes that a file of the running agent may have.
    pub async fn limit_files(&self, bytes: &str) {
        let pid = self.pid().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().await.unwrap();
        assert!(done.success());
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut Heard) -> T) -> T {
        work(&mut self.heard.lock().unwrap())
    }

    /// The status of the last sync.
    pub fn status(&self) -> NodeStatus {
        self.with(|heard| heard.syncs.last().and_then(|sync| sync.status.clone()).unwrap_or_default())
    }

    /// Waits until a sync from now on satisfies the condition.
    pub async fn hears(&self, what: &str, enough: impl Fn(&SyncRequest) -> bool) -> SyncRequest {
        let from = self.with(|heard| heard.syncs.len());
        let waiting = async {
            loop {
                let found = self.with(|heard| heard.syncs.iter().skip(from).find(|sync| enough(sync)).cloned());
                if let Some(sync) = found {
                    return sync;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(HANG, waiting).await {
            Ok(sync) => sync,
            Err(late) => panic!("{late}: never: {what}; {:?}\n{}", self.status(), self.log()),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
