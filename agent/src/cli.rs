//! The command line.

use core::fmt::Write as _;
use core::time::Duration;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Config, Log};
use crate::detect::Host;
use crate::egress::Egress;
use crate::enroll::enroll;
use crate::ledger::{self, Ledger};
use crate::panel_url::PanelUrl;
use crate::{VERSION, clock, cores, detect, doctor, health, run};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const HELP: &str = "\
weir-agent counts and gates every user of a proxy core, for the Weir panel.

  weir-agent enroll URL TOKEN [--abandon]   make this host a node of the panel at URL; the token is shown once,
                                            where the node was added. --abandon gives up what another node's
                                            ledger has not reported
  weir-agent run                            count, report and gate until SIGTERM
  weir-agent doctor                         what is on this host, what can be counted and cut exactly, and what is missing
  weir-agent --check                        look for mistakes in the settings and the core's template
  weir-agent status [--json]                how a running agent is
  weir-agent health                         0 if a running agent is well, otherwise 1 and why not
  weir-agent set-ledger-aside               keep a ledger that cannot be used under another name, so that this host
                                            can be enrolled anew

  --config FILE   the settings, instead of /etc/weir/agent.toml
  --version, --help
";

/// How long the agent's end waits for what is under way in other threads.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What the command line wants.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Help,
    Version,
    Check,
    Doctor,
    Run,
    Status { json: bool },
    Health,
    SetLedgerAside,
    Enroll { url: String, token: String, abandon: bool },
}

/// Does what the program's arguments say.
#[must_use]
pub fn main() -> ExitCode {
    let (wanted, config) = match parse(std::env::args_os().skip(1)) {
        Ok(parsed) => parsed,
        Err(why) => return fail(2, &format!("{why}; weir-agent --help lists what there is")),
    };
    match obey(&wanted, config.as_deref()) {
        Ok(said) => {
            // A reader that has gone away (`| head -1`) is no error of ours.
            let _ = io::stdout().write_all(said.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => fail(1, &why),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "weir-agent: {why}");
    ExitCode::from(code)
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<(Wanted, Option<PathBuf>), String> {
    use lexopt::prelude::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_args(args);
    let (mut words, mut config, mut json, mut abandon, mut check) = (Vec::new(), None, false, false, false);
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Long("help") | Short('h') => return Ok((Wanted::Help, None)),
            Long("version") | Short('V') => return Ok((Wanted::Version, None)),
            Long("config") | Short('c') => {
                config = Some(PathBuf::from(parser.value().map_err(|error| error.to_string())?));
            }
            Long("check") => check = true,
            Long("json") => json = true,
            Long("abandon") => abandon = true,
            Value(word) => words.push(word.into_string().map_err(|word| format!("{} is no UTF-8", word.display()))?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wanted = match words.as_slice() {
        [] if check => Wanted::Check,
        ["run"] => Wanted::Run,
        ["doctor"] => Wanted::Doctor,
        ["status"] => Wanted::Status { json },
        ["health"] => Wanted::Health,
        ["set-ledger-aside"] => Wanted::SetLedgerAside,
        ["enroll", url, token] => Wanted::Enroll { url: (*url).to_owned(), token: (*token).to_owned(), abandon },
        ["enroll", ..] => return Err("enroll needs the panel's URL and a token".to_owned()),
        [] => Wanted::Help,
        [word, ..] => return Err(format!("there is no command {word:?}")),
    };
    Ok((wanted, config))
}

fn obey(wanted: &Wanted, config: Option<&std::path::Path>) -> Result<String, String> {
    match wanted {
        Wanted::Help => return Ok(HELP.to_owned()),
        Wanted::Version => return Ok(format!("weir-agent {VERSION}\n")),
        _ => {}
    }
    let config = Config::load(config).map_err(|wrong| wrong.to_string())?;
    ledger::tell_damage_apart(config.ledger());
    match wanted {
        Wanted::Help | Wanted::Version => Ok(String::new()),
        Wanted::Check => block_on(async { check(&settled(config).await?).await })?,
        Wanted::Doctor => doctor(config),
        Wanted::SetLedgerAside => {
            let aside = ledger::set_aside(&config.ledger(), clock::read().wall_second())?;
            Ok(format!("the ledger is now {}: enrol this host anew\n", aside.display()))
        }
        Wanted::Status { json } => status(&config, *json),
        Wanted::Health => health(&config),
        Wanted::Enroll { url, token, abandon } => {
            let url: PanelUrl = url.parse().map_err(|wrong| format!("{url:?}: {wrong}"))?;
            let egress = Egress::new(&config, &url)?;
            let ledger = Ledger::open(&config.ledger()).map_err(|error| error.to_string())?;
            block_on(enroll(&ledger, url, &egress, token, *abandon))?.map(|said| format!("{said}\n"))
        }
        Wanted::Run => {
            log(config.log);
            block_on(async { Box::pin(run::run(&settled(config).await?)).await })?.map(|()| String::new())
        }
    }
}

/// One thread for everything: the agent is idle most of the time, and shares its host with the core.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
    let runtime = runtime.map_err(|error| format!("the agent cannot start: {error}"))?;
    let outcome = runtime.block_on(work);
    // What a disk that hangs keeps from ending does not keep the agent from it.
    runtime.shutdown_timeout(END_WITHIN);
    Ok(outcome)
}

fn log(level: Log) {
    let level = match level {
        Log::Error => LevelFilter::ERROR,
        Log::Warn => LevelFilter::WARN,
        Log::Info => LevelFilter::INFO,
        Log::Debug => LevelFilter::DEBUG,
    };
    // Our own lines only: what the libraries log at "debug" may hold a key. journald stamps every line itself.
    let ours = Targets::new().with_target("weir_agent", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).without_time();
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}

/// The settings, with the core that is on this host.
async fn settled(mut config: Config) -> Result<Config, String> {
    detect::settle(&mut config, &Host::default()).await.map(|()| config)
}

fn doctor(config: Config) -> Result<String, String> {
    match block_on(doctor::examine(config, &Host::default()))? {
        (said, true) => Ok(said),
        (said, false) => {
            // What it found is its answer, good or not.
            let _ = io::stdout().write_all(said.as_bytes());
            Err("something is missing".to_owned())
        }
    }
}

async fn check(config: &Config) -> Result<String, String> {
    let missing = config.missing();
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let core = cores::for_a_look(config).map_err(|error| error.to_string())?;
    let inbounds = core.inbounds().map_err(|error| error.to_string())?;
    let behind_proxy = &config.addresses.behind_proxy;
    if let Some(tag) = behind_proxy.iter().find(|tag| !inbounds.iter().any(|inbound| inbound.tag == **tag)) {
        return Err(format!("addresses.behind_proxy: the template has no inbound {tag:?} with users of the panel"));
    }
    core.try_out().await.map_err(|error| error.to_string())?;
    let mut said = String::from("the settings and the template are good\n");
    // Writing to a String cannot fail.
    for inbound in inbounds {
        let _ = writeln!(said, "inbound {:?}: {} on port {}", inbound.tag, inbound.protocol, inbound.port);
    }
    for tag in core.by_header().iter().filter(|tag| !behind_proxy.contains(tag)) {
        let _ = writeln!(said, "devices on inbound {tag:?} are not counted: see addresses.behind_proxy");
    }
    for rule in core.bypasses() {
        let _ = writeln!(said, "bypasses the gate: {rule}");
    }
    Ok(said)
}

fn status(config: &Config, json: bool) -> Result<String, String> {
    let (text, report) = health::read(&config.status_file())?;
    if json {
        return Ok(text + "\n");
    }
    let now = clock::read().wall;
    let age = health::age(&report, now) / 1_000;
    let warning = format!("trouble    this is {age} s old: the agent does not run, or the disk is full\n");
    Ok(format!("{report}{}", if health::is_fresh(&report, now) { "" } else { &warning }))
}

fn health(config: &Config) -> Result<String, String> {
    let complaints = health::complaints(&health::read(&config.status_file())?.1, clock::read().wall);
    if complaints.is_empty() { Ok("healthy\n".to_owned()) } else { Err(complaints.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wanted, String> {
        parse(line.split_whitespace().map(OsString::from)).map(|(wanted, _)| wanted)
    }

    #[test]
    fn the_command_line_is_read_in_any_order() {
        let enroll = |abandon| Wanted::Enroll { url: "https://p".to_owned(), token: "t".to_owned(), abandon };
        assert_eq!(parsed("enroll https://p t"), Ok(enroll(false)));
        assert_eq!(parsed("--abandon enroll https://p --config /x t"), Ok(enroll(true)));
        assert_eq!(parsed("status --json"), Ok(Wanted::Status { json: true }));
        assert_eq!(parsed("--check"), Ok(Wanted::Check));
        assert_eq!(parsed("doctor"), Ok(Wanted::Doctor));
        assert_eq!(parsed("set-ledger-aside"), Ok(Wanted::SetLedgerAside));
        assert_eq!(parsed(""), Ok(Wanted::Help));
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        assert!(parsed("fly").unwrap_err().contains("fly"));
        assert!(parsed("run --fast").unwrap_err().contains("--fast"));
        assert!(parsed("enroll https://p").unwrap_err().contains("token"));
    }
}
