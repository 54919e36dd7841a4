//! A core that a test plays, built in only with the feature `faults`: it has no proxy protocol and no clients, moves bytes by
//! script, and otherwise does what [`Core`] promises. So one machine carries more nodes than real cores, and events come in
//! orders that a real core shows once in a million connections.
//!
//! The test listens on `core.api_port`. Each line is a JSON value. The first line of a connection is a call, answered by one
//! line `{"ok": ..}`, or `{"config": why}`, or `{"unreachable": why}`; after `{"watch": null}` events follow until the core is
//! down.

use core::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch as latest};
use tokio::time::sleep;
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use super::silence::Silence;
use super::{Boxed, ConfiguredSlot, ConnectionEvent, Core, CoreError, CoreEvent, Origin, Reload, Written};

const RETRY: Duration = Duration::from_millis(50);

/// See the module's description.
pub struct Scripted {
    port: u16,
    tick: latest::Sender<Duration>,
}

/// What the test says of the core.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Up { incarnation: i64, version: String },
    Connections { reset: bool, events: Vec<Connection> },
    Totals { up: u64, down: u64 },
}

#[derive(Deserialize)]
struct Connection {
    id: String,
    #[serde(default)]
    user: Option<String>,
    /// `address:port` of the client; none is said of one that does not matter.
    #[serde(default)]
    source: String,
    up: u64,
    down: u64,
    #[serde(default)]
    closed: bool,
}

/// What the test answers to a call.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Config(String),
    Unreachable(String),
}

impl From<Connection> for ConnectionEvent {
    fn from(Connection { id, user, source, up, down, closed }: Connection) -> Self {
        let origin =
            user.map(|user| Origin { user, inbound: "script".to_owned(), protocol: "trojan".to_owned(), source });
        Self { id, origin, up, down, closed }
    }
}

fn unreachable(why: &impl ToString) -> CoreError {
    CoreError::Unreachable(why.to_string())
}

fn named(slots: &[ConfiguredSlot]) -> Vec<(&str, bool)> {
    slots.iter().map(|slot| (slot.slot.as_str(), slot.open)).collect()
}

impl Scripted {
    /// A core that a test plays on this port of 127.0.0.1.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port, tick: latest::Sender::new(Duration::from_secs(1)) }
    }

    async fn open(&self, call: &Value) -> Result<Lines<BufReader<TcpStream>>, CoreError> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|why| unreachable(&why))?;
        stream.write_all(format!("{call}\n").as_bytes()).await.map_err(|why| unreachable(&why))?;
        Ok(BufReader::new(stream).lines())
    }

    async fn call(&self, call: Value) -> Result<Value, CoreError> {
        let line = self.open(&call).await?.next_line().await.map_err(|why| unreachable(&why))?;
        let line = line.ok_or_else(|| unreachable(&"the core went away"))?;
        match serde_json::from_str(&line).map_err(|why| unreachable(&why))? {
            Answer::Ok(value) => Ok(value),
            Answer::Config(why) => Err(CoreError::Config(why)),
            Answer::Unreachable(why) => Err(CoreError::Unreachable(why)),
        }
    }

    /// Tells events until the core is down (why), or nobody listens any more.
    async fn session(&self, events: &mpsc::UnboundedSender<CoreEvent>, silence: &mut Silence) -> Option<CoreError> {
        let mut ticks = self.tick.subscribe();
        let tick = ticks.borrow_and_update().as_millis();
        let mut lines = match self.open(&json!({ "watch": null, "tick": tick })).await {
            Ok(lines) => lines,
            Err(why) => return Some(why),
        };
        loop {
            let line = tokio::select! {
                () = events.closed() => return None,
                line = lines.next_line() => line,
                Ok(()) = ticks.changed() => {
                    let tick = ticks.borrow_and_update().as_millis();
                    let line = format!("{}\n", json!({ "tick": tick }));
                    match lines.get_mut().write_all(line.as_bytes()).await {
                        Ok(()) => continue,
                        Err(why) => return Some(unreachable(&why)),
                    }
                }
            };
            let told = match line {
                Ok(Some(line)) => serde_json::from_str::<Told>(&line).map_err(|why| unreachable(&why)),
                Ok(None) => Err(unreachable(&"the core went away")),
                Err(why) => Err(unreachable(&why)),
            };
            let event = match told {
                Ok(Told::Up { incarnation, version }) => {
                    silence.end();
                    CoreEvent::Up { incarnation, version }
                }
                Ok(Told::Connections { reset, events }) => {
                    CoreEvent::Connections { reset, events: events.into_iter().map(Into::into).collect() }
                }
                Ok(Told::Totals { up, down }) => CoreEvent::Totals { up, down },
                Err(why) => return Some(why),
            };
            if events.send(event).is_err() {
                return None;
            }
        }
    }
}

impl Core for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn watch(&self, events: mpsc::UnboundedSender<CoreEvent>) -> Boxed<'_, ()> {
        Box::pin(async move {
            let mut silence = Silence::default();
            while let Some(why) = self.session(&events, &mut silence).await {
                if !silence.tell(why, &events) {
                    return;
                }
                sleep(RETRY).await;
            }
        })
    }

    fn set_tick(&self, tick: Duration) {
        self.tick.send_if_modified(|held| core::mem::replace(held, tick) != tick);
    }

    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(async move { self.call(json!({ "gate": [slot, open] })).await.map(drop) })
    }

    fn close<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(async move { self.call(json!({ "close": id })).await.map(drop) })
    }

    fn write<'a>(&'a self, slots: &'a [ConfiguredSlot], forget_choices: bool) -> Boxed<'a, Result<Written, CoreError>> {
        Box::pin(async move {
            self.call(json!({ "write": named(slots), "forget": forget_choices })).await.map(|_| Written::Whole)
        })
    }

    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>> {
        #[derive(Deserialize)]
        struct Done {
            incarnation: i64,
            cut: u32,
        }
        Box::pin(async move {
            kept.await;
            let done = self.call(json!({ "reload": named(slots) })).await?;
            let Done { incarnation, cut } = serde_json::from_value(done).map_err(|why| unreachable(&why))?;
            Ok(Reload { incarnation, cut })
        })
    }

    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>> {
        Box::pin(async move {
            let gates = self.call(json!({ "gates": null })).await?;
            serde_json::from_value(gates).map_err(|why| unreachable(&why))
        })
    }

    fn inbounds(&self) -> Result<Vec<Inbound>, CoreError> {
        Ok(Vec::new())
    }

    fn bypasses(&self) -> Vec<String> {
        Vec::new()
    }

    fn by_header(&self) -> Vec<String> {
        Vec::new()
    }
}
