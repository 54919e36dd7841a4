//! Which core this is, and what it can.

use super::Finding::{self, Good, Missing, Note};
use super::notes;
use crate::config::{Config, CoreKind};
use crate::cores::program::{Family, Program};
use crate::cores::{relayed, v2ray};
use crate::detect::{Found, TELLS, kind_of};

/// The core that the settings name, and those that run beside it.
pub(super) fn of_core(config: &Config, named: Option<&Found>, cores: &[Found], settled: bool) -> Vec<Finding> {
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
            findings.extend(notes(&relayed::LIMITS));
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
            findings.extend(notes(&v2ray::LIMITS));
        }
    }
    findings
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
        assert!(
            matches!(of(Family::V2Ray, "4.34.0", &[]).as_slice(), [Good(_), notes @ ..] if notes.len() == v2ray::LIMITS.len())
        );
        assert!(matches!(of(Family::V2Ray, "4.20.0", &[]).as_slice(), [Missing(_), Good(_), Note(_), ..]));
        assert!(matches!(of(Family::Xray, "25.1.30", &[]).as_slice(), [Good(_), Note(_), ..]));
    }
}
