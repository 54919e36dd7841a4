//! A core's api for tests, true to the protocol of V2Ray, Xray and sing-box: gRPC over HTTP/2 on loopback, with the services and
//! the names of each.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Bytes;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::messages::{GetStatsRequest, IpList, QueryStatsRequest, QueryStatsResponse, Stat, SysStats};
use super::{AddUser, AlterInbound, Altered, RemoveUser, TypedMessage};

/// Whose api it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plays {
    V2Ray,
    Xray,
    /// It reads `patterns` and not `pattern`, and has no `HandlerService`.
    SingBox,
    /// It has no `StatsService`.
    Nothing,
}

#[derive(Default)]
pub(crate) struct State {
    /// Both directions of each user.
    pub(crate) counters: BTreeMap<String, (i64, i64)>,
    /// Counters of other things.
    pub(crate) others: BTreeMap<String, i64>,
    pub(crate) uptime: u32,
    /// How late the next answers are sent that say for how long it has run, the last one first.
    pub(crate) late: Vec<Duration>,
    /// By inbound and name.
    pub(crate) users: BTreeMap<(String, String), TypedMessage>,
    pub(crate) inbounds: Vec<String>,
    pub(crate) online: BTreeMap<String, BTreeMap<String, i64>>,
    /// It has the method that tells addresses.
    pub(crate) tells_addresses: bool,
    /// Every request to reset, which nobody must make.
    pub(crate) resets: usize,
    /// Changes of users, by their operation's name.
    pub(crate) changes: Vec<String>,
}

/// A running api.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

const UNKNOWN: &str = "2";
const UNIMPLEMENTED: &str = "12";

type Answer = Result<Vec<u8>, (&'static str, String)>;

impl Server {
    pub(crate) async fn start(plays: Plays) -> Self {
        Self::start_on(plays, 0).await
    }

    /// On a port that was free a moment ago.
    pub(crate) async fn start_on(plays: Plays, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let mut connection = h2::server::handshake(socket).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(serve(plays, Arc::clone(&state), request, respond));
                    }
                });
            }
        });
        Self { address, state, accepting }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap())
    }

    /// Its end, as `kill -9` brings it: every connection breaks.
    pub(crate) async fn kill(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
    }
}

async fn serve(
    plays: Plays,
    state: Arc<Mutex<State>>,
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let path = request.uri().path().to_owned();
    assert_eq!(request.headers()["content-type"], "application/grpc");
    let mut body = request.into_body();
    let mut sent = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        sent.extend_from_slice(&chunk);
    }
    assert_eq!(sent[0], 0, "not compressed");
    let answer = answer(plays, &mut state.lock().unwrap(), &path, &sent[5..]);
    if answer.is_ok() && path.ends_with("GetSysStats") {
        let late = state.lock().unwrap().late.pop().unwrap_or_default();
        tokio::time::sleep(late).await;
    }
    let head = Response::builder().header("content-type", "application/grpc");
    match answer {
        Ok(message) => {
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            let mut frame = vec![0];
            frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
            frame.extend_from_slice(&message);
            stream.send_data(frame.into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            stream.send_trailers(trailers).unwrap();
        }
        Err((code, why)) => {
            let head = head.header("grpc-status", code).header("grpc-message", why).body(()).unwrap();
            respond.send_response(head, true).unwrap();
        }
    }
}

fn answer(plays: Plays, state: &mut State, path: &str, message: &[u8]) -> Answer {
    // As the programs themselves name them; sing-box took V2Ray's name over.
    let (root, handler) = match plays {
        Plays::V2Ray => ("v2ray.core", true),
        Plays::Xray => ("xray", true),
        Plays::SingBox => ("v2ray.core", false),
        Plays::Nothing => ("nothing", true),
    };
    let figures = format!("/{root}.app.stats.command.StatsService/");
    let alter = format!("/{root}.app.proxyman.command.HandlerService/AlterInbound");
    let unimplemented = || Err((UNIMPLEMENTED, format!("unknown method {path}")));
    match path.strip_prefix(&figures) {
        Some("GetSysStats") => Ok(SysStats { uptime: state.uptime }.encode_to_vec()),
        Some("QueryStats") => Ok(query(plays, state, message).encode_to_vec()),
        Some("GetStatsOnlineIpList") if plays == Plays::Xray && state.tells_addresses => {
            let name = GetStatsRequest::decode(message).unwrap().name;
            match state.online.get(&name) {
                Some(ips) => Ok(IpList { name, ips: ips.clone() }.encode_to_vec()),
                None => Err((UNKNOWN, format!("{name} not found."))),
            }
        }
        _ if path == alter && handler => change(root, state, &AlterInbound::decode(message).unwrap()),
        _ => unimplemented(),
    }
}

fn query(plays: Plays, state: &mut State, message: &[u8]) -> QueryStatsResponse {
    let request = QueryStatsRequest::decode(message).unwrap();
    state.resets += usize::from(request.reset);
    let wanted = |name: &str| match plays {
        Plays::SingBox => request.patterns.iter().any(|pattern| name.contains(pattern.as_str())),
        _ => name.contains(request.pattern.as_str()),
    };
    let users = state.counters.iter().flat_map(|(user, (up, down))| {
        let name = |direction| format!("user>>>{user}>>>traffic>>>{direction}");
        [(name("uplink"), *up), (name("downlink"), *down)]
    });
    let others = state.others.iter().map(|(name, value)| (name.clone(), *value));
    let stat = users.chain(others).filter(|(name, _)| wanted(name)).map(|(name, value)| Stat { name, value }).collect();
    QueryStatsResponse { stat }
}

/// As V2Ray and Xray do it: the operation is looked at first, then the inbound.
fn change(root: &str, state: &mut State, request: &AlterInbound) -> Answer {
    let operation = request.operation.as_ref().unwrap();
    let name = operation.name.strip_prefix(&format!("{root}.app.proxyman.command.")).unwrap_or("unknown");
    if !state.inbounds.contains(&request.tag) {
        return Err((UNKNOWN, format!("failed to get handler: {} > handler not found: {}", request.tag, request.tag)));
    }
    state.changes.push(name.to_owned());
    match name {
        "AddUserOperation" => {
            let user = AddUser::decode(operation.value.as_slice()).unwrap().user.unwrap();
            let key = (request.tag.clone(), user.email.clone());
            if state.users.contains_key(&key) {
                return Err((UNKNOWN, format!("User {} already exists.", user.email)));
            }
            state.users.insert(key, user.account.unwrap());
        }
        "RemoveUserOperation" => {
            let email = RemoveUser::decode(operation.value.as_slice()).unwrap().email;
            if state.users.remove(&(request.tag.clone(), email.clone())).is_none() {
                return Err((UNKNOWN, format!("User {email} not found.")));
            }
        }
        other => return Err((UNKNOWN, format!("unknown operation {other}"))),
    }
    Ok(Altered {}.encode_to_vec())
}
