//! `weir-agent doctor`: what is on this host, what can be done with it exactly, and what is missing, in sentences.

use core::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Config, CoreKind};
use crate::cores::program::{Family, Program};
use crate::cores::{self, nginx, relayed, stats};
use crate::detect::{Found, Host, TELLS, kind_of};
use crate::node::POLICE;
use crate::node::status::Report;
use crate::{clock, detect, policing};

/// A core on loopback answers at once or not at all.
const ANSWER: Duration = Duration::from_secs(2);
/// The number of that capability.
const CAP_NET_ADMIN: u32 = 12;
/// Milliseconds after which a status file is not that of an agent that runs.
const STATUS_LASTS: i64 = 20_000;

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// As it must be.
    Good(String),
    /// To be known.
    Note(String),
    /// Keeps the node from working, with what to do.
    Missing(String),
}

use Finding::{Good, Missing, Note};

/// Looks at everything. Returns what to print, and whether nothing is missing.
pub(crate) async fn examine(mut config: Config, host: &Host) -> (String, bool) {
    let mut findings = Vec::new();
    let cores = host.cores().await;
    let settled = detect::settle(&mut config, host).await;
    match &settled {
        Ok(()) => {}
        Err(why) => findings.push(Missing(format!("{why}."))),
    }
    if config.core.kind == CoreKind::Nginx {
        findings.push(of_nginx(&config).await);
        findings.extend(nginx_limits());
    } else {
        findings.extend(of_proxy(&config, host, &cores, settled.is_ok()).await);
    }
    findings.extend(of_host(&config));
    if config.speed.is_by_nft() {
        let core = host.named(&config.core.binary).await.ok().and_then(|found| found.pid);
        let by_nft = of_nft(&config).await;
        if matches!(by_nft, Some(Good(_))) {
            findings.extend(core.and_then(of_marks));
        }
        findings.extend(by_nft);
    }
    findings.push(of_agent(&config));
    let good = !findings.iter().any(|finding| matches!(finding, Missing(_)));
    (told(&findings, good), good)
}

/// nginx shows what it is by its figures.
async fn of_nginx(config: &Config) -> Finding {
    match nginx::Nginx::new(config.nginx()).version().await {
        Ok(version) => Good(format!("nginx {version} shows its figures on 127.0.0.1:{}.", config.core.api_port)),
        Err(why) => Missing(format!("{why}: nginx-module-vts must show its figures there (docs/cores.md).")),
    }
}

fn nginx_limits() -> impl Iterator<Item = Finding> {
    nginx::LIMITS.iter().map(|limit| Note((*limit).to_owned()))
}

async fn of_proxy(config: &Config, host: &Host, cores: &[Found], settled: bool) -> Vec<Finding> {
    let named = host.named(&config.core.binary).await;
    let mut findings = of_core(config, named.as_ref().ok(), cores, settled);
    if settled && named.is_ok() {
        findings.extend(of_template(config).await);
        findings.push(of_api(config).await);
    }
    findings
}

fn told(findings: &[Finding], good: bool) -> String {
    let mut said = String::new();
    for finding in findings {
        let (mark, sentence) = match finding {
            Good(sentence) => ("good", sentence),
            Note(sentence) => ("note", sentence),
            Missing(sentence) => ("MISSING", sentence),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(said, "{mark:<8} {sentence}");
    }
    said.push_str(if good { "\nNothing is missing.\n" } else { "\nWhat is marked MISSING must be mended first.\n" });
    said
}

fn of_core(config: &Config, named: Option<&Found>, cores: &[Found], settled: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let Some(found) = named else {
        if settled {
            let binary = config.core.binary.display();
            findings.push(Missing(format!(
                "There is no proxy core at {binary}: install sing-box 1.14 or later (or V2Ray, or Xray), or set core.binary."
            )));
        }
        return findings;
    };
    if !settled {
        return findings;
    }
    let runs = found.pid.map_or_else(|| "does not run now".to_owned(), |pid| format!("runs (process {pid})"));
    findings.push(Good(format!("The core is {found}, and {runs}.")));
    if config.core.kind != kind_of(&found.program) && config.core.kind != CoreKind::Auto {
        findings
            .push(Missing(format!("core.kind names another core than {}: set it to \"auto\".", found.program.family)));
    }
    findings.extend(abilities(&found.program));
    let others = cores.iter().filter(|other| other.binary != found.binary && other.pid.is_some());
    findings.extend(
        others.map(|other| Note(format!("{other} runs as well, and is not counted: one agent serves one core."))),
    );
    findings
}

/// What a core can, as exactly as it can.
fn abilities(program: &Program) -> Vec<Finding> {
    let mut findings = Vec::new();
    match program.family {
        Family::SingBox if program.release() >= TELLS => findings.push(Good(
            "It tells every connection: each user's bytes are counted to the byte, a user is cut within milliseconds without \
             touching anybody else, and devices are counted."
                .into(),
        )),
        Family::SingBox => {
            if program.release() < (1, 12) {
                findings.push(Missing("sing-box 1.12 is the oldest that is known to take what the agent writes.".into()));
            }
            findings.push(Good(
                "A release before 1.14 tells nobody whose bytes a connection moves, so all users go through the agent's relay: \
                 each user's bytes are counted to the byte there, and a user is cut at once without touching anybody else."
                    .into(),
            ));
            findings.extend(relayed::LIMITS.iter().map(|limit| Note((*limit).to_owned())));
            if program.has("with_v2ray_api") {
                findings.push(Note("This build's v2ray_api is not needed, and not used: it counts users, but cannot cut one.".into()));
            }
        }
        Family::V2Ray | Family::Xray => {
            if program.family == Family::V2Ray && program.release() < (4, 34) {
                findings.push(Missing("V2Ray 4.34 is the oldest that is known to count as it must.".into()));
            }
            findings.push(Good(
                "It counts users: each user's bytes are exact up to the last reading (every second) before the core ends, and \
                 users are added and removed without a restart."
                    .into(),
            ));
            findings.push(Note(
                "A user who is cut cannot connect any more, but what he has open goes on until he ends it. That is counted \
                 and shown."
                    .into(),
            ));
        }
    }
    findings
}

async fn of_template(config: &Config) -> Vec<Finding> {
    let template = config.core.template.display();
    if !config.core.template.is_file() {
        return vec![Missing(format!(
            "There is no template {template}: write the core's configuration there, without users."
        ))];
    }
    let looked = match cores::for_a_look(config) {
        Ok(core) => match core.inbounds() {
            Ok(inbounds) => core.try_out().await.map(|()| (inbounds, core.bypasses())),
            Err(why) => Err(why),
        },
        Err(why) => Err(why),
    };
    match looked {
        Err(why) => vec![Missing(format!("{template} cannot be used: {why}."))],
        Ok((inbounds, _)) if inbounds.is_empty() => {
            vec![Missing(format!("{template} has no inbound with users, so nobody can connect."))]
        }
        Ok((inbounds, bypasses)) => {
            let all = inbounds
                .iter()
                .map(|inbound| format!("{} ({} on port {})", inbound.tag, inbound.protocol, inbound.port));
            let all: Vec<String> = all.collect();
            let mut findings =
                vec![Good(format!("{template} is good, and the core takes it. Inbounds: {}.", all.join(", ")))];
            findings.extend(bypasses.into_iter().map(|rule| Note(format!("Bypasses the gate: {rule}."))));
            findings
        }
    }
}

async fn of_api(config: &Config) -> Finding {
    // A core without an api is known by its inbound behind the relay.
    let port = if config.core.kind == CoreKind::Relayed { config.speed.back_port } else { config.core.api_port };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answers = match config.core.kind {
        CoreKind::V2Ray | CoreKind::Xray => stats::connect(address).await.map(drop).map_err(|why| why.to_string()),
        _ => match timeout(ANSWER, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(why)) => Err(format!("{address}: {why}")),
            Err(_) => Err(format!("{address}: no answer")),
        },
    };
    match answers {
        Ok(()) => Good(format!("The core's api answers on {address}.")),
        Err(why) => {
            Note(format!("The core's api does not answer yet ({why}): the agent starts the core with its own file."))
        }
    }
}

fn of_host(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config
        .missing()
        .into_iter()
        .filter(|missing| !missing.starts_with("core.binary") && !missing.starts_with("core.template"))
        .map(|missing| Missing(format!("{missing}.")))
        .collect();
    let commands =
        [("core.reload_command", &config.core.reload_command), ("core.start_command", &config.core.start_command)];
    for (field, argv) in commands {
        if let Some(program) = argv.first().filter(|program| !is_in_path(program)) {
            findings.push(Missing(format!("{field}: there is no program {program:?}.")));
        }
    }
    findings
}

/// Whether the kernel can hold speed limits. The relay does while it cannot, so nothing is missing. `None` for a core whose users have
/// no such limits.
async fn of_nft(config: &Config) -> Option<Finding> {
    let relay = "Users with a speed limit go through the agent's relay";
    let marking = match cores::for_a_look(config) {
        Ok(core) if core.relay().is_none() => return None,
        Ok(core) => core.marking(),
        Err(why) => Err(why.to_string()),
    };
    if let Err(why) = marking {
        return Some(Note(format!("{relay}, not by nft: {why}.")));
    }
    let troubles = running(config).map(|report| report.troubles);
    let refused = |troubles: &Vec<String>| troubles.iter().any(|told| told.contains(POLICE));
    Some(match (policing::look().await, troubles) {
        (_, Some(troubles)) if refused(&troubles) => {
            Note(format!("{relay}: see what the running agent says of it, below."))
        }
        (Ok(version), _) => Good(format!("Speed limits are held by {version}, and this user may change its rules.")),
        // The service has a right that this shell has not.
        (Err(_), Some(_)) => Good("Speed limits are held by nft: the running agent has no trouble with it.".to_owned()),
        (Err(why), None) => Note(format!(
            "{relay} unless the agent may use nft ({why}): install Debian's package nftables or its like, and give the \
             agent's unit CAP_NET_ADMIN (install.sh with --net-admin). The unit may have the right where this shell has not."
        )),
    })
}

/// Whether the core may mark its packets.
fn of_marks(core: u32) -> Option<Finding> {
    let status = std::fs::read_to_string(format!("/proc/{core}/status")).ok()?;
    may_mark(&status).filter(|may| !may).map(|_| {
        Missing(
            "The core has no CAP_NET_ADMIN, without which it sends nothing under a routing mark: users with a speed limit \
             cannot connect. Give it to the core's unit, or set speed.by = \"relay\"."
                .to_owned(),
        )
    })
}

/// Whether a process whose `/proc/PID/status` this is has `CAP_NET_ADMIN`.
fn may_mark(status: &str) -> Option<bool> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let set = u64::from_str_radix(set.trim(), 16).ok()?;
    Some(set & (1 << CAP_NET_ADMIN) != 0)
}

fn is_in_path(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn report(config: &Config) -> Option<Report> {
    let status = std::fs::read_to_string(config.status_file()).ok();
    status.and_then(|text| serde_json::from_str::<Report>(&text).ok())
}

fn is_fresh(report: &Report) -> bool {
    clock::read().wall.saturating_sub(report.written_at) < STATUS_LASTS
}

/// What the agent says that runs now.
fn running(config: &Config) -> Option<Report> {
    report(config).filter(is_fresh)
}

fn of_agent(config: &Config) -> Finding {
    match report(config) {
        Some(report) if is_fresh(&report) => {
            let troubles =
                if report.troubles.is_empty() { String::new() } else { format!(": {}", report.troubles.join("; ")) };
            let sentence = format!(
                "The agent runs (process {}) for node {} of {}{troubles}.",
                report.pid, report.name, report.panel
            );
            if troubles.is_empty() { Good(sentence) } else { Note(sentence) }
        }
        Some(report) => Note(format!("The agent of node {} of {} does not run now.", report.name, report.panel)),
        None => {
            Note("The agent has not run yet: enrol this host with `weir-agent enroll`, then start weir-agent.".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(family: Family, version: &str, tags: &[&str]) -> Program {
        Program { family, version: version.to_owned(), tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }
    }

    #[test]
    fn every_core_is_told_with_what_it_can_and_cannot() {
        let of = |family, version, tags: &[&str]| abilities(&program(family, version, tags));
        assert!(matches!(of(Family::SingBox, "1.14.0", &[]).as_slice(), [Good(_)]));
        assert!(
            matches!(of(Family::SingBox, "1.12.0", &[]).as_slice(), [Good(how), notes @ ..] if how.contains("relay") && notes.len() == relayed::LIMITS.len())
        );
        assert!(
            matches!(of(Family::SingBox, "1.13.9", &["with_v2ray_api"]).as_slice(), [Good(_), .., Note(why)] if why.contains("v2ray_api"))
        );
        assert!(matches!(of(Family::SingBox, "1.11.9", &[]).as_slice(), [Missing(_), Good(_), ..]));
        assert!(matches!(of(Family::V2Ray, "4.34.0", &[]).as_slice(), [Good(_), Note(_)]));
        assert!(matches!(of(Family::V2Ray, "4.20.0", &[]).as_slice(), [Missing(_), Good(_), Note(_)]));
        assert!(matches!(of(Family::Xray, "25.1.30", &[]).as_slice(), [Good(_), Note(_)]));
    }

    #[test]
    fn a_core_without_the_capability_is_known_by_its_status() {
        let with = |set: &str| may_mark(&format!("Name:\tsing-box\nCapPrm:\t0\nCapEff:\t{set}\n"));
        assert_eq!(with("0000000000003400"), Some(true));
        assert_eq!(with("0000000000002400"), Some(false));
        assert_eq!(may_mark("Name:\tsing-box\n"), None);
    }

    #[test]
    fn one_thing_missing_is_enough_to_say_so() {
        let said = told(&[Good("A.".into()), Note("B.".into())], true);
        assert_eq!(said, "good     A.\nnote     B.\n\nNothing is missing.\n");
        assert!(told(&[Missing("C.".into())], false).starts_with("MISSING  C.\n"));
    }
}
