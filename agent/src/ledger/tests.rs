use std::fs::OpenOptions;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let folder = folder();
    let path = folder.path().join("sub/ledger.redb");
    let ledger = Ledger::open(&path).unwrap();
    let mut batch = Batch::default();
    put_meta(&mut batch, "seq", &7_u64);
    batch.put(Table::Parcels, &ordered(2), "two");
    batch.put(Table::Parcels, &ordered(300), "three hundred");
    ledger.commit(batch).await.map_err(|(error, _)| error).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.get::<u64>(Table::Meta, b"seq"), Ok(Some(7)));
    assert_eq!(ledger.first_from::<String>(Table::Parcels, &ordered(3)).unwrap().unwrap().0, ordered(300));
    assert_eq!(ledger.all::<String>(Table::Parcels).unwrap().len(), 2);
    let mut batch = Batch::default();
    batch.clear(Table::Parcels);
    batch.put(Table::Parcels, &ordered(4), "four");
    ledger.commit_now(&batch).unwrap();
    assert_eq!(ledger.all::<String>(Table::Parcels).unwrap(), [(ordered(4).to_vec(), "four".to_owned())]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_ledger_of_a_later_version_is_refused_and_not_touched() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::open(&path).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Meta, FORMAT_KEY, &(FORMAT + 1));
    ledger.commit_now(&batch).unwrap();
    drop(ledger);
    let written = fs::read(&path).unwrap();
    let error = Ledger::open(&path).err().unwrap();
    assert_eq!(error, LedgerError::Newer { format: FORMAT + 1 });
    assert!(error.to_string().contains("install the version that wrote it"));
    assert!(fs::read(&path).unwrap() == written, "its bytes are the same");
}

#[test]
fn a_ledger_that_a_later_version_was_killed_over_is_not_touched_either() {
    let folder = folder();
    let (path, torn) = (folder.path().join("ledger.redb"), folder.path().join("torn.redb"));
    let ledger = Ledger::open(&path).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Meta, FORMAT_KEY, &(FORMAT + 1));
    ledger.commit_now(&batch).unwrap();
    // As it is on disk while it is open.
    fs::copy(&path, &torn).unwrap();
    let written = fs::read(&torn).unwrap();
    assert_eq!(Ledger::open(&torn).err(), Some(LedgerError::Newer { format: FORMAT + 1 }));
    assert!(fs::read(&torn).unwrap() == written, "its bytes are the same");
}

#[test]
fn a_ledger_that_vanishes_is_not_made_anew_under_a_running_agent() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::open(&path).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Meta, b"key", "value");
    fs::remove_file(&path).unwrap();
    for reason in ["somebody has removed it", "No such file"] {
        let error = ledger.commit_now(&batch).unwrap_err();
        assert!(matches!(&error, LedgerError::Disk(why) if why.contains(reason)), "{error}");
    }
    assert!(!path.exists());
}

#[test]
fn a_ledger_that_is_cut_off_under_a_running_agent_is_called_damaged_at_the_next_commit() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    filled(&path);
    let ledger = Ledger::open(&path).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Meta, b"key", "value");
    store::quiet_damage();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert!(matches!(ledger.commit_now(&batch), Err(LedgerError::Damaged(_))));
}

#[test]
fn a_second_agent_is_turned_away() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    let first = Ledger::open(&path).unwrap();
    assert_eq!(Ledger::open(&path).err(), Some(LedgerError::InUse(path)));
    drop(first);
}

#[test]
fn a_file_that_is_no_ledger_is_named_and_told_how_to_be_rid_of() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    fs::write(&path, b"something else entirely, and long enough to be looked at").unwrap();
    let error = Ledger::open(&path).err().unwrap();
    assert!(matches!(&error, LedgerError::Damaged(why) if why.contains("ledger.redb")), "{error}");
    assert!(error.to_string().contains("set-ledger-aside"));
}

#[test]
fn only_a_ledger_that_cannot_be_used_is_set_aside_and_its_bytes_are_kept() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    let now = weir_wire::Second::clamped(1_700_000_000);
    assert!(set_aside(&path, now).unwrap_err().contains("there is no ledger"));
    let ledger = Ledger::open(&path).unwrap();
    assert!(set_aside(&path, now).unwrap_err().contains("another weir-agent"));
    drop(ledger);
    assert!(set_aside(&path, now).unwrap_err().contains("is a good ledger"));
    fs::write(&path, b"no ledger").unwrap();
    let aside = set_aside(&path, now).unwrap();
    assert_eq!(fs::read(aside).unwrap(), b"no ledger");
    assert!(Ledger::open(&path).is_ok(), "a new one begins in its place");
}

/// A ledger of some hundred rows, closed in order, and what is in it.
fn filled(path: &Path) -> Vec<(Vec<u8>, serde_json::Value)> {
    let ledger = Ledger::open(path).unwrap();
    for round in 0..5_u64 {
        let mut batch = Batch::default();
        for row in 0..80 {
            batch.put(Table::Parcels, &ordered(round * 50 + row), &format!("{round} {row} {}", "x".repeat(80)));
        }
        put_meta(&mut batch, "round", &round);
        ledger.commit_now(&batch).unwrap();
    }
    everything(&ledger).unwrap()
}

fn everything(ledger: &Ledger) -> Result<Vec<(Vec<u8>, serde_json::Value)>, LedgerError> {
    let mut all = Vec::new();
    for table in Table::ALL {
        all.extend(ledger.all::<serde_json::Value>(table)?);
    }
    Ok(all)
}

#[test]
fn a_torn_or_rotten_file_is_either_read_exactly_or_called_damaged() {
    let folder = folder();
    let path = folder.path().join("ledger.redb");
    let rows = filled(&path);
    let good = fs::read(&path).unwrap();
    let mut bad = Vec::new();
    // The header byte by byte, pages here and there; whole pages that were never written; a file that was cut off.
    for at in (0..320).chain((320..good.len()).step_by(1_511)) {
        let mut file = good.clone();
        file[at] ^= 0x41;
        bad.push((format!("byte {at}"), file));
    }
    for at in (0..good.len()).step_by(4_096) {
        let mut file = good.clone();
        file[at..(at + 4_096).min(good.len())].fill(0);
        bad.push((format!("page at {at}"), file));
    }
    for length in (0..good.len()).step_by(30_011) {
        bad.push((format!("cut at {length}"), good[..length].to_vec()));
    }
    store::quiet_damage();
    let mut damaged = 0;
    for (what, file) in bad {
        fs::write(&path, file).unwrap();
        match Ledger::open(&path).and_then(|ledger| everything(&ledger)) {
            Ok(read) => assert!(read == rows, "{what}"),
            Err(LedgerError::Damaged(_)) => damaged += 1,
            Err(error) => panic!("{what}: {error}"),
        }
    }
    assert!(damaged > 100, "{damaged}");
}
