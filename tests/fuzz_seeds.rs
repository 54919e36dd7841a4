//! Every seed of every fuzz target, given to the same check that the fuzzer calls (docs/fuzzing.md).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

#[expect(unreachable_pub, reason = "the fuzz targets reach them from outside the crate")]
#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Bytes and files of all seeds together: they are part of every checkout.
const BYTES: u64 = 500_000;
const FILES: usize = 300;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_of_every_target_passes_its_check() {
    let mut failed = Vec::new();
    for (target, check) in checks::TARGETS {
        let seeds = files(&folder(target));
        assert!(seeds.len() >= 5, "{target} has too few seeds to begin with");
        for seed in seeds {
            let bytes = fs::read(&seed).unwrap();
            // What does not hold is printed; the rest is tried all the same.
            if catch_unwind(|| check(&bytes)).is_err() {
                failed.push(seed);
            }
        }
    }
    assert_eq!(failed, Vec::<PathBuf>::new());
}

#[test]
fn a_target_has_a_program_and_seeds_and_nothing_else_has() {
    let targets: BTreeSet<String> = checks::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let seeds: BTreeSet<String> = files(&folder("")).into_iter().map(name).collect();
    let programs: BTreeSet<String> = files(&folder("../targets")).into_iter().map(name).collect();
    assert_eq!((&seeds, &programs), (&targets, &targets));
}

#[test]
fn seeds_are_few_and_small() {
    let seeds: Vec<PathBuf> = files(&folder("")).iter().flat_map(|folder| files(folder)).collect();
    let bytes: u64 = seeds.iter().map(|seed| fs::metadata(seed).unwrap().len()).sum();
    assert!(seeds.len() <= FILES && bytes <= BYTES, "{} files of {bytes} bytes", seeds.len());
}
