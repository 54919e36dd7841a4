//! Whether the core takes the operator's template, and answers.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding::{self, Good, Missing, Note};
use crate::config::{Config, CoreKind};
use crate::cores::{self, stats};

/// A core on loopback answers at once or not at all.
const ANSWER: Duration = Duration::from_secs(2);

/// The template, and what clients can connect to by it.
pub(super) async fn of_template(config: &Config) -> Vec<Finding> {
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

/// Whether the core answers the agent.
pub(super) async fn of_api(config: &Config) -> Finding {
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
