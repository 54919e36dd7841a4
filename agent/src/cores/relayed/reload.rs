//! How a new configuration reaches the disk and the core.

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use tokio::time::timeout;
use weir_wire::SlotName;

use super::Inner;
use super::render::{self, Rendered};
use super::watch::{ask, tell_up};
use crate::cores::aside::{self, aside};
use crate::cores::coming_up::comes_up;
use crate::cores::files::{self, Staged, Trial};
use crate::cores::last_good::{self, MODE};
use crate::cores::singbox::digest::template_part;
use crate::cores::singbox::reload::check;
use crate::cores::singbox::template::Template;
use crate::cores::{Boxed, ConfiguredSlot, CoreError, Reload, Written, command};
use crate::lock::lock;

/// Connections of the relay end at once when they are told to.
const DRAIN: Duration = Duration::from_secs(2);

/// A configuration that passed every check and waits on disk.
struct Ready<F = Staged> {
    file: F,
    digest: String,
}

async fn prepare<F: AsRef<Path> + Send + 'static>(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    passed: &mut Option<String>,
    stage: files::Stage<F>,
) -> Result<Ready<F>, CoreError> {
    let (inner, slots) = (Arc::clone(core), slots.to_vec());
    let ready = aside(move || {
        let settings = &inner.settings;
        let template = Template::read(&settings.template)?;
        let Rendered { json, digest } = render::render(&template, &slots, &inner.secret, inner.ports)?;
        let file = stage(&settings.output, settings.staging_dir.as_deref(), &json, MODE)?;
        Ok(Ready { file, digest })
    })
    .await?;
    if passed.as_ref() != Some(&ready.digest) {
        check(&core.settings, ready.file.as_ref()).await?;
        *passed = Some(ready.digest.clone());
    }
    Ok(ready)
}

/// Replaces the output. A configuration that the core came up with is kept as the last good one; so is what was there before
/// anything of ours.
async fn commit(core: &Arc<Inner>, ready: Ready) -> Result<(), CoreError> {
    let (inner, proven) = (Arc::clone(core), lock(&core.state).running.clone());
    aside(move || {
        let settings = &inner.settings;
        let digest_of = |file: &[u8]| render::of_file(file).map(|(digest, _)| digest);
        last_good::keep(&settings.state_dir, &settings.output, digest_of, proven.as_ref(), &ready.digest)?;
        ready.file.commit()
    })
    .await
}

/// [`crate::cores::Core::try_out`].
pub(super) async fn try_out(core: &Arc<Inner>) -> Result<(), CoreError> {
    let mut passed = core.output.lock().await;
    prepare(core, &[], &mut passed, Trial::write).await.map(drop)
}

/// [`crate::cores::Core::write`], and [`crate::cores::Core::renew`] when the template may be new. Gates are not in the file.
pub(super) async fn write(core: &Arc<Inner>, slots: &[ConfiguredSlot], renew: bool) -> Result<Written, CoreError> {
    let mut passed = core.output.lock().await;
    let there = aside::read(&core.settings.output).await?;
    let old = render::of_file(&there).map(|(digest, _)| digest);
    let renew = renew && old.is_some() && !is_up(core).await;
    match prepare(core, slots, &mut passed, Staged::write).await {
        Ok(ready) if old.as_ref() == Some(&ready.digest) => Ok(Written::Whole),
        Ok(ready)
            if renew
                || there.is_empty()
                || old.is_some_and(|old| template_part(&old) == template_part(&ready.digest)) =>
        {
            commit(core, ready).await.map(|()| Written::Whole)
        }
        Ok(_) => Ok(Written::GatesAlone(None)),
        Err(why @ CoreError::Config(_)) => Ok(Written::GatesAlone(Some(why))),
        Err(why) => Err(why),
    }
}

/// [`crate::cores::Core::reload`].
pub(super) async fn reload(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    kept: Boxed<'_, ()>,
) -> Result<Reload, CoreError> {
    let mut passed = core.output.lock().await;
    let ready = prepare(core, slots, &mut passed, Staged::write).await?;
    let digest = ready.digest.clone();
    let running = lock(&core.state).running.clone();
    let is_up = is_up(core).await;
    commit(core, ready).await?;
    if is_up && running.as_ref() == Some(&digest) {
        return Ok(Reload { incarnation: lock(&core.state).incarnation, cut: 0 });
    }
    let settings = &core.settings;
    // Whatever becomes of it, nobody may come in by half of it.
    let cut = u32::try_from(core.meter.live()).unwrap_or(u32::MAX);
    end_all(core).await;
    let asked = if is_up {
        kept.await;
        command::run(&settings.reload, settings.pid_file.as_deref(), None).await
    } else {
        command::run(&settings.start, settings.pid_file.as_deref(), None).await
    };
    let came_up = match asked {
        Ok(()) => runs(core, &digest).await,
        Err(why) => Err(why),
    };
    let outcome = match came_up {
        Ok(()) => {
            let incarnation = begin(core, &digest, slots);
            // Before anybody is let in: what moves from now on belongs to it.
            tell_up(core).await;
            Ok(Reload { incarnation, cut })
        }
        Err(why) => Err(roll_back(core, is_up, why).await),
    };
    core.meter.release();
    core.look.notify_one();
    outcome
}

/// Whether the core runs the file that it was seen to run last.
async fn is_up(core: &Inner) -> bool {
    let running = lock(&core.state).running.clone();
    match running {
        Some(running) => ask(core, &running).await.is_ok(),
        None => false,
    }
}

/// Lets nobody in any more, ends every connection and tells what it has moved.
pub(super) async fn end_all(core: &Inner) {
    core.meter.hold();
    let _ = timeout(DRAIN, core.meter.drained()).await;
    core.tell(None);
}

/// Counting begins anew: everything before has ended and was told.
fn begin(core: &Inner, digest: &str, slots: &[ConfiguredSlot]) -> i64 {
    core.meter.begin();
    let mut state = lock(&core.state);
    state.incarnation = state.incarnation.saturating_add(1);
    state.running = Some(digest.to_owned());
    state.loaded = slots.iter().map(|slot| slot.slot.clone()).collect::<Vec<SlotName>>();
    state.incarnation
}

/// Waits until the core runs the configuration of a digest, and stays.
async fn runs(core: &Inner, digest: &str) -> Result<(), String> {
    comes_up(core.settings.start_limit, || ask(core, digest), |_| true, |_, _| true).await.map(drop)
}

/// Puts the last good file back, and starts the core when it is down.
async fn roll_back(core: &Arc<Inner>, was_up: bool, why: String) -> CoreError {
    let settings = &core.settings;
    let digest = match last_good::put_back(&settings.state_dir, &settings.output, &why, render::of_file).await {
        Ok(Some((digest, _))) => digest,
        Ok(None) => return CoreError::RolledBack(why),
        Err(not_taken) => return not_taken,
    };
    if was_up && ask(core, &digest).await.is_ok() {
        return CoreError::RolledBack(why);
    }
    let started = match command::run(&settings.start, settings.pid_file.as_deref(), None).await {
        Ok(()) => runs(core, &digest).await,
        Err(failed) => Err(failed),
    };
    last_good::rolled_back(why, started)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::cores::relayed::Relayed;
    use crate::cores::singbox::Settings;
    use crate::cores::testing::slot;
    use crate::cores::{Core as _, RelayPorts};
    use crate::testing::block_on;

    const TEMPLATE: &str = r#"{"inbounds": [{"type": "mixed", "tag": "in", "listen": "127.0.0.1", "listen_port": 10001}],
        "outbounds": [{"type": "direct", "tag": "direct"}]}"#;

    fn settings(dir: &Path) -> Settings {
        Settings {
            binary: "true".into(),
            template: dir.join("template.json"),
            output: dir.join("config.json"),
            staging_dir: None,
            state_dir: dir.join("state"),
            cache_file: dir.join("cache.db"),
            working_dir: None,
            api_port: 1,
            relay: None,
            marks: false,
            reload: vec!["false".to_owned()],
            start: vec!["false".to_owned()],
            pid_file: None,
            start_limit: Duration::from_millis(300),
        }
    }

    #[test]
    fn a_saved_template_goes_into_the_file_of_a_core_that_is_down() {
        block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let settings = settings(dir.path());
            fs::write(&settings.template, TEMPLATE).unwrap();
            let core = Relayed::new(settings.clone(), RelayPorts { relay: 1, back: 1 }).unwrap();
            let slots = [slot("alice234", true)];
            assert_eq!(core.write(&slots, false).await, Ok(Written::Whole));
            fs::write(&settings.template, TEMPLATE.replace("10001", "10003")).unwrap();
            assert_eq!(core.write(&slots, false).await, Ok(Written::GatesAlone(None)));
            assert_eq!(core.renew(&slots, false).await, Ok(Written::Whole));
            assert!(fs::read_to_string(&settings.output).unwrap().contains("10003"));
        });
    }
}
