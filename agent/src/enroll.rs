//! `weir-agent enroll`: this host becomes a node.

use weir_wire::PROTOCOL;
use weir_wire::enroll::{EnrollReply, EnrollRequest};

use crate::VERSION;
use crate::client::PanelClient;
use crate::egress::Egress;
use crate::faults::{self, Point};
use crate::identity::{Identity, Pending};
use crate::ledger::{Batch, Ledger, LedgerError, Table};
use crate::outbox::Outbox;
use crate::panel_url::PanelUrl;
use crate::random;
use crate::tally::Tally;

/// Enrols with a one-time token and binds the ledger to the node. With `abandon`, a ledger that belongs to another node
/// gives up what it has not reported. Returns a sentence for the operator.
///
/// The key is on disk before it is sent, so that an answer which is lost costs nothing: the same token again sends the
/// same key again.
///
/// # Errors
/// A sentence.
pub(crate) async fn enroll(
    ledger: &Ledger,
    panel: PanelUrl,
    egress: &Egress,
    token: &str,
    abandon: bool,
) -> Result<String, String> {
    let pending = Pending::of_token(ledger, token, random::secret()?).map_err(|error| error.to_string())?;
    let mut batch = Batch::default();
    pending.write(&mut batch);
    ledger.commit_now(&batch).map_err(|error| error.to_string())?;
    faults::pass(Point::EnrolBegun);

    let request = EnrollRequest {
        protocol: PROTOCOL,
        agent: VERSION.to_owned(),
        token: token.to_owned(),
        key_hash: pending.key.hash(),
    };
    let client = PanelClient::new(panel.clone(), egress);
    let reply: EnrollReply =
        client.post("/agent/v1/enroll", None, &request).await.map_err(|failure| failure.to_string())?;
    faults::pass(Point::EnrolAnswered);
    let identity = Identity { panel, database: reply.panel, node: reply.node, name: reply.name, key: pending.key };
    let said = bind(ledger, &identity, abandon)?;
    faults::pass(Point::EnrolBound);
    Ok(said)
}

fn bind(ledger: &Ledger, identity: &Identity, abandon: bool) -> Result<String, String> {
    let text = |error: LedgerError| error.to_string();
    let before = Identity::load(ledger).map_err(text)?;
    let same = |before: &Identity| (&before.database, before.node) == (&identity.database, identity.node);
    let mut batch = Batch::default();
    let mut said = format!("enrolled as node {} ({:?}) of {}", identity.node, identity.name, identity.panel);
    if let Some(before) = before.filter(|before| !same(before)) {
        let unreported = unreported(ledger).map_err(text)?;
        if unreported > 0 && !abandon {
            return Err(format!(
                "this ledger still holds {unreported} bytes for node {} ({:?}) of {}: let the agent run until they are \
                 reported, or enrol with --abandon to give them up; the token can be used again until it expires",
                before.node, before.name, before.panel
            ));
        }
        // Nothing of another node means anything here. The core's present counters become the baseline.
        let pending = Pending::load(ledger).map_err(text)?;
        for table in Table::ALL {
            batch.clear(table);
        }
        Ledger::put_format(&mut batch);
        if let Some(pending) = pending {
            pending.write(&mut batch);
        }
        if unreported > 0 {
            said = format!("{said}; {unreported} bytes for {:?} of {} were given up", before.name, before.panel);
        }
    }
    identity.write(&mut batch);
    ledger.commit_now(&batch).map_err(text)?;
    Ok(said)
}

/// Bytes that the panel has not acknowledged.
fn unreported(ledger: &Ledger) -> Result<u64, LedgerError> {
    let tally = Tally::load(ledger)?;
    Ok(Outbox::load(ledger, random::epoch())?.bytes().saturating_add(tally.uncut()))
}

#[cfg(test)]
mod tests {
    use weir_wire::{NodeId, Second};

    use super::*;
    use crate::clock::Moment;
    use crate::cores::ConnectionEvent;
    use crate::identity::NodeKey;
    use crate::testing::{begun, origin};

    fn identity(node: u32) -> Identity {
        Identity {
            panel: "https://panel.example".parse().unwrap(),
            database: "one".to_owned(),
            node: NodeId(node),
            name: "paris".to_owned(),
            key: NodeKey::from_random([1; 32]),
        }
    }

    fn ledger_with_bytes(folder: &tempfile::TempDir) -> Ledger {
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        bind(&ledger, &identity(1), false).unwrap();
        let mut tally = Tally::load(&ledger).unwrap();
        tally.down();
        tally.up(1, 0, Second::EPOCH);
        let event = ConnectionEvent { up: 5, down: 7, closed: true, ..begun("1", origin("alice")) };
        tally.connections(false, &[event], Moment::default(), |_| true);
        let mut batch = Batch::default();
        tally.write(&mut batch);
        ledger.commit_now(&batch).unwrap();
        ledger
    }

    #[test]
    fn the_same_node_keeps_its_ledger_and_takes_the_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger_with_bytes(&folder);
        let rotated = Identity { key: NodeKey::from_random([2; 32]), ..identity(1) };
        bind(&ledger, &rotated, false).unwrap();
        assert_eq!(Identity::load(&ledger).unwrap(), Some(rotated));
        assert_eq!(unreported(&ledger).unwrap(), 12);
    }

    #[test]
    fn another_node_does_not_get_these_bytes_and_they_are_not_dropped_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger_with_bytes(&folder);
        let error = bind(&ledger, &identity(2), false).unwrap_err();
        assert!(error.contains("12 bytes") && error.contains("--abandon"), "{error}");
        assert_eq!(Identity::load(&ledger).unwrap(), Some(identity(1)));
        let said = bind(&ledger, &identity(2), true).unwrap();
        assert!(said.contains("12 bytes") && said.contains("given up"), "{said}");
        assert_eq!(unreported(&ledger).unwrap(), 0);
        drop(ledger);
        assert!(Ledger::open(&folder.path().join("ledger")).is_ok(), "its format is still known");
    }
}
