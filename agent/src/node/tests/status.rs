//! What `weir-agent status` shows.

use weir_wire::Bytes;

use super::rig::Rig;

fn told(rig: &Rig) -> String {
    rig.report().to_string()
}

#[test]
fn bytes_that_the_panel_knows_nobody_for_are_shown_with_what_to_do() {
    let mut rig = Rig::generous();
    assert!(!told(&rig).contains("inexact"), "{}", told(&rig));
    rig.panel.unknown = Bytes::saturating(77);
    rig.sync();
    assert!(told(&rig).contains("inexact    77 bytes unknown: They came with credentials"), "{}", told(&rig));
}

#[test]
fn a_clock_that_is_off_is_shown_with_its_side_and_what_to_do() {
    let mut rig = Rig::generous();
    rig.clock.wall += rig.report().panel_clock_ahead;
    rig.sync();
    assert!(!told(&rig).contains("set the host's clock"), "{}", told(&rig));
    rig.clock.wall += 120_000;
    rig.sync();
    assert!(told(&rig).contains("ms behind this host's: Bytes are counted right"), "{}", told(&rig));
}
