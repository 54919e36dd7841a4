//! `weir-agent doctor`: what is on this host, what can be done with it exactly, and what is missing, in sentences.

mod agent;
mod core;
mod nft;
mod template;

use std::fmt::Write as _;
use std::path::Path;

use self::agent::of_agent;
use self::core::of_core;
use self::nft::{of_marks, of_nft};
use self::template::{of_api, of_template};
use crate::config::{Config, CoreKind};
use crate::cores::nginx;
use crate::detect::{self, Found, Host};

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
        findings.extend(notes(&nginx::LIMITS));
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

/// What a core cannot do.
fn notes(limits: &[&str]) -> Vec<Finding> {
    limits.iter().map(|limit| Note((*limit).to_owned())).collect()
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

fn is_in_path(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_missing_is_enough_to_say_so() {
        let said = told(&[Good("A.".into()), Note("B.".into())], true);
        assert_eq!(said, "good     A.\nnote     B.\n\nNothing is missing.\n");
        assert!(told(&[Missing("C.".into())], false).starts_with("MISSING  C.\n"));
    }
}
