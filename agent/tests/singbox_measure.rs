//! Figures, not promises: `cargo test --release -p weir-agent --test singbox_measure -- --ignored --nocapture`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod singbox_rig;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustix::time::{ClockId, clock_gettime};
use singbox_rig::{Rig, Watcher, alice_and_bob, at_once, exchange, slot, socks};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep};
use weir_agent::cores::{ConfiguredSlot, Core as _};

fn many(count: u32) -> Vec<ConfiguredSlot> {
    (0..count).map(|number| slot(&format!("slot{number:05}"), true)).collect()
}

fn milliseconds(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
    format!("median {:.2} ms, p95 {:.2} ms, worst {:.2} ms", at(50), at(95), at(100))
}

fn resident(pid: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

#[tokio::test]
#[ignore = "measures"]
async fn from_the_gate_s_switch_to_the_cut() {
    for count in [2, 2_000, 10_000] {
        let rig = Rig::new(|_| ()).await;
        let slots = many(count);
        let began = Instant::now();
        rig.core.reload(&slots, at_once()).await.unwrap();
        let loading = began.elapsed();
        let mut watcher = Watcher::new(&rig.core);
        let began = Instant::now();
        watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
        let learning = began.elapsed();
        let last = &slots[slots.len() - 1];
        let (mut answers, mut cuts) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            let mut stream = rig.connect(last).await.unwrap();
            exchange(&mut stream, 100).await.unwrap();
            watcher.for_a_while(Duration::from_millis(5)).await;
            let began = Instant::now();
            let mut byte = [0];
            let (answer, cut) = tokio::join!(
                async {
                    rig.core.set_gate(&last.slot, false).await.unwrap();
                    began.elapsed()
                },
                async {
                    let _ = stream.read(&mut byte).await;
                    began.elapsed()
                }
            );
            answers.push(answer);
            cuts.push(cut);
            rig.core.set_gate(&last.slot, true).await.unwrap();
        }
        println!("{count} slots: written, checked, started in {loading:?}; learnt in {learning:?}");
        println!("  set_gate to cut: {}; to answer: {}", milliseconds(cuts), milliseconds(answers));
        let began = Instant::now();
        rig.core.reload(&slots, at_once()).await.unwrap();
        println!("  reload with {:.1} MB core: {:?}", resident(&rig.pid().unwrap().to_string()), began.elapsed());
        let began = Instant::now();
        rig.core.write(&slots, false).await.unwrap();
        println!("  write alone: {:?}; agent RSS {:.1} MB", began.elapsed(), resident("self"));
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn bytes_lost_at_a_reload_under_load() {
    let source = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = source.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in source.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || while stream.write_all(&vec![0x5a; 65_536]).is_ok() {});
        }
    });
    let mut worst = 0.0_f64;
    for round in 0..5 {
        let rig = Rig::running().await;
        let alice = &alice_and_bob()[0];
        let mut watcher = Watcher::new(&rig.core);
        watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
        let read = Arc::new(AtomicU64::new(0));
        let mut readers = Vec::new();
        for _ in 0..4 {
            let stream =
                socks(rig.mixed, alice.slot.as_str(), &alice.credentials.proxy_password(), port).await.unwrap();
            let mut stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let read = Arc::clone(&read);
            readers.push(thread::spawn(move || {
                let mut buffer = vec![0; 65_536];
                while let Ok(some @ 1..) = stream.read(&mut buffer) {
                    read.fetch_add(u64::try_from(some).unwrap(), Ordering::Relaxed);
                }
            }));
        }
        watcher.for_a_while(Duration::from_millis(2_350)).await;
        // What the core runs already is not loaded again.
        rig.change_template(|template| template["log"]["level"] = "warn".into());
        let began = Instant::now();
        let core = rig.core.clone();
        let reload = tokio::spawn(async move { core.reload(&alice_and_bob(), at_once()).await.unwrap() });
        watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
        let reload = reload.await.unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
        let (read, told) = (read.load(Ordering::Relaxed), watcher.of(alice).1);
        let missing = i128::from(read) - i128::from(told);
        let share = missing as f64 / read as f64 * 100.0;
        worst = worst.max(share);
        println!(
            "round {round}: clients read {read}, told {told}, missing {missing} ({share:.4} %), cut {}, took {:?}",
            reload.cut,
            began.elapsed()
        );
    }
    println!("worst {worst:.4} %");
}

#[test]
#[ignore = "measures"]
fn reading_500_connections_a_second() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rig = runtime.block_on(Rig::running());
    let (mixed, alice) = (rig.mixed, alice_and_bob().remove(0));
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in target.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 1_000];
            // One message and its echo, then the end.
            let _ = stream.read_exact(&mut buffer).and_then(|()| stream.write_all(&buffer));
        }
    });
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..10_u64)
        .map(|_| {
            let (stop, made, alice) = (Arc::clone(&stop), Arc::clone(&made), alice.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let began = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
                    once(mixed, &alice, port);
                    made.fetch_add(1, Ordering::Relaxed);
                    let took = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().saturating_sub(began);
                    thread::sleep(Duration::from_millis(20).saturating_sub(took));
                }
            })
        })
        .collect();
    for tick in [1_000, 100] {
        runtime.block_on(async {
            rig.core.set_tick(Duration::from_millis(tick));
            let mut watcher = Watcher::new(&rig.core);
            watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
            let cpu = || {
                let time = clock_gettime(ClockId::ThreadCPUTime);
                time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
            };
            let (before, connections, memory) = (cpu(), made.load(Ordering::Relaxed), resident("self"));
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(10) {
                watcher.for_a_while(Duration::from_millis(500)).await;
                // What counts forgets finished connections; so does this.
                watcher.connections.retain(|_, seen| !seen.closed);
            }
            let took = began.elapsed().as_secs_f64();
            println!(
                "tick {tick} ms: {:.0} conn/s, {:.2} % of one core, RSS {:.1} -> {:.1} MB",
                (made.load(Ordering::Relaxed) - connections) as f64 / took,
                (cpu() - before) / took * 100.0,
                memory,
                resident("self"),
            );
            drop(watcher);
            sleep(Duration::from_millis(100)).await;
        });
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    runtime.block_on(async { drop(rig) });
}

fn once(proxy: u16, user: &ConfiguredSlot, port: u16) {
    let runtime = || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", proxy))?;
        stream.write_all(&[5, 1, 2])?;
        let mut two = [0; 2];
        stream.read_exact(&mut two)?;
        let (name, password) = (user.slot.as_str(), user.credentials.proxy_password());
        let mut login = vec![1, u8::try_from(name.len()).unwrap()];
        login.extend(name.as_bytes());
        login.push(u8::try_from(password.len()).unwrap());
        login.extend(password.as_bytes());
        stream.write_all(&login)?;
        stream.read_exact(&mut two)?;
        let [high, low] = port.to_be_bytes();
        stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low])?;
        let mut reply = [0; 10];
        stream.read_exact(&mut reply)?;
        stream.write_all(&[1; 1_000])?;
        let mut echo = [0; 1_000];
        stream.read_exact(&mut echo)
    };
    runtime().expect("a short connection");
}
