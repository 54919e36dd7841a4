//! The relay between a client that speaks as the core does and a back door that echoes.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

const PASSWORD: &str = "of the relay";
const BACK_PASSWORD: &str = "of the back";
const ALICE: &str = "alice";
/// Ten times what any step takes.
const HANG: Duration = Duration::from_secs(30);

struct Scene {
    plan: RelayPlan,
    speeds: Speeds,
    tasks: JoinSet<()>,
}

/// What the core's inbound does, with an echo behind it: it refuses connections to port 1.
async fn back_door(mut stream: TcpStream) -> io::Result<()> {
    assert_eq!(socks::welcome(&mut stream, BACK_PASSWORD).await?, RelayPlan::BACK_USER);
    let request = Request::read(&mut stream).await?;
    if request.command == Command::Connect && request.bytes.ends_with(&[0, 1]) {
        return socks::write(&mut stream, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socks::write(&mut stream, &socks::bound_at(socket.local_addr()?)).await?;
    if request.command == Command::Connect {
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await?;
        return to.shutdown().await;
    }
    let mut datagram = vec![0; 2_000];
    loop {
        let (length, from) = socket.recv_from(&mut datagram).await?;
        socket.send_to(&datagram[..length], from).await?;
    }
}

impl Scene {
    async fn new(speed: u64) -> Self {
        Self::with(speed, None).await
    }

    async fn with(speed: u64, meter: Option<meter::Meter>) -> Self {
        let back = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let plan = RelayPlan {
            listen: listener.local_addr().unwrap(),
            password: PASSWORD.to_owned(),
            back: back.local_addr().unwrap(),
            back_password: BACK_PASSWORD.to_owned(),
            meter,
        };
        let speeds = Speeds::default();
        speeds.set(&ALICE.parse().unwrap(), speed);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = back.accept().await {
                tokio::spawn(back_door(stream));
            }
        });
        let (serving, limits) = (Arc::new(plan.clone()), speeds.clone());
        tasks.spawn(async move { accept(&listener, &serving, &limits, &Arc::new(Semaphore::new(400))).await });
        Self { plan, speeds, tasks }
    }

    async fn log_in(&self, name: &str, password: &str) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.plan.listen).await?;
        socks::log_in(&mut stream, name, password).await?;
        Ok(stream)
    }

    async fn request(&self, bytes: &[u8]) -> io::Result<(TcpStream, socks::Reply)> {
        let mut stream = self.log_in(ALICE, PASSWORD).await?;
        socks::write(&mut stream, bytes).await?;
        let reply = socks::read_reply(&mut stream).await?;
        Ok((stream, reply))
    }

    async fn connect(&self) -> TcpStream {
        let (stream, reply) = self.request(&[5, 1, 0, 3, 4, b'e', b'c', b'h', b'o', 0, 7]).await.unwrap();
        assert!(reply.is_good());
        stream
    }
}

/// Sends `bytes`, ends its half, and reads until the end.
async fn exchange(stream: TcpStream, bytes: usize) -> usize {
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        to.write_all(&vec![0x77; bytes]).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut back = Vec::new();
    timeout(HANG, from.read_to_end(&mut back)).await.unwrap().unwrap();
    sending.await.unwrap();
    back.len()
}

#[tokio::test]
async fn only_who_knows_the_password_passes_and_only_in_the_name_of_a_user_with_a_limit() {
    let scene = Scene::new(0).await;
    assert!(scene.log_in(ALICE, "guessed").await.is_err());
    assert!(scene.request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 7]).await.is_err(), "no limit was ever set");
    scene.speeds.set(&ALICE.parse().unwrap(), 1 << 20);
    assert!(scene.request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 7]).await.is_ok());
    let stranger = async {
        let mut stream = scene.log_in("bobby", PASSWORD).await?;
        socks::write(&mut stream, &[5, 1, 0, 1, 127, 0, 0, 1, 0, 7]).await?;
        socks::read_reply(&mut stream).await
    };
    assert!(stranger.await.is_err());
    scene.speeds.forget(&ALICE.parse().unwrap());
    assert!(scene.request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 7]).await.is_err());
}

#[tokio::test]
async fn a_connection_passes_whole_and_each_half_ends_by_itself() {
    let scene = Scene::new(1 << 40).await;
    assert_eq!(exchange(scene.connect().await, 3_000_000).await, 3_000_000);
}

#[tokio::test]
async fn what_the_core_refuses_is_refused_in_its_own_words() {
    let scene = Scene::new(1 << 20).await;
    let (_, reply) = scene.request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 1]).await.unwrap();
    assert_eq!(reply.bytes, [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn all_connections_of_a_user_together_are_as_fast_as_he_may_be() {
    let speed = 500_000;
    let scene = Scene::new(speed).await;
    let start = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..8 {
        connections.spawn(exchange(scene.connect().await, 100_000));
    }
    let passed: usize = connections.join_all().await.into_iter().sum();
    assert_eq!(passed, 800_000);
    // A tenth of a second may come at once, and a chunk of each.
    let least = Duration::from_secs_f64(0.8 / 0.5 - 0.1 - 8.0 / 50.0);
    assert!(start.elapsed() >= least, "{passed} bytes in {:?}", start.elapsed());
}

#[tokio::test]
async fn a_limit_that_is_raised_or_taken_away_counts_at_once_in_what_is_under_way() {
    let scene = Scene::new(1_000).await;
    let connection = tokio::spawn(exchange(scene.connect().await, 1_000_000));
    sleep(Duration::from_millis(50)).await;
    assert!(!connection.is_finished(), "a quarter of an hour");
    scene.speeds.set(&ALICE.parse().unwrap(), 0);
    assert_eq!(connection.await.unwrap(), 1_000_000);
}

#[tokio::test]
async fn datagrams_go_on_as_they_come_at_the_speed_of_their_user() {
    let speed = 100_000;
    let scene = Scene::new(speed).await;
    let (control, reply) = scene.request(&socks::associate()).await.unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(reply.bound().unwrap()).await.unwrap();
    let start = Instant::now();
    let mut datagram = vec![0, 0, 0, 3, 4, b'e', b'c', b'h', b'o', 0, 7];
    datagram.resize(11 + 1_000, 0x77);
    for number in 0..60_u8 {
        datagram[11] = number;
        socket.send(&datagram).await.unwrap();
        let mut answer = vec![0; 2_000];
        let length = timeout(HANG, socket.recv(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer[..length], datagram);
    }
    // 60 kB in each direction, a tenth of a second of which may come at once.
    assert!(start.elapsed() >= Duration::from_millis(480), "{:?}", start.elapsed());
    // Another process of the host has nothing to say here.
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    other.send_to(&datagram, reply.bound().unwrap()).await.unwrap();
    socket.send(&datagram).await.unwrap();
    let mut answer = vec![0; 2_000];
    timeout(HANG, socket.recv(&mut answer)).await.unwrap().unwrap();
    assert!(other.try_recv(&mut answer).is_err());
    drop(control);
    // The association ends with its connection.
    let ended = async {
        while socket.send(&datagram).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(HANG, ended).await.unwrap();
    drop(scene.tasks);
}

#[tokio::test]
async fn a_relay_that_keeps_an_account_lets_in_whose_gate_is_open_and_counts_him_to_the_byte() {
    const BYTES: usize = 1_000_000;
    let (meter, alice) = (meter::Meter::new("relay".into()), ALICE.parse().unwrap());
    let scene = Scene::with(0, Some(meter.clone())).await;
    assert!(scene.request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 7]).await.is_err(), "shut until somebody opens it");
    meter.set(&alice, true);
    assert_eq!(exchange(scene.connect().await, BYTES).await, BYTES);
    meter.drained().await;
    let ended = meter.tell(false);
    assert_eq!(
        ended.iter().map(|event| (event.up, event.down, event.closed)).collect::<Vec<_>>(),
        [(1_000_000, 1_000_000, true)]
    );
    // A limit that comes later holds for what is open, and a gate that shuts ends it.
    let mut stream = scene.connect().await;
    scene.speeds.set(&alice, 1_000);
    stream.write_all(&[1; 10]).await.unwrap();
    stream.read_exact(&mut [0; 10]).await.unwrap();
    meter.set(&alice, false);
    assert!(timeout(HANG, stream.read(&mut [0; 1])).await.unwrap().is_ok_and(|read| read == 0));
    meter.drained().await;
    assert_eq!(meter.totals(), (1_000_010, 1_000_010));
    assert!(scene.request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 7]).await.is_err());
}
