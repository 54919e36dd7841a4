//! How a new configuration reaches the disk and the core. These cores end at SIGHUP, so only a restart brings it in; users
//! need none.

use core::time::Duration;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::time::timeout;

use super::Inner;
use super::render::{Additions, Ours, Rendered, render};
use super::template::Template;
use crate::clock;
use crate::cores::aside::{self, aside};
use crate::cores::coming_up::comes_up;
use crate::cores::files::{self, Staged, Trial};
use crate::cores::incarnation::since;
use crate::cores::last_good::{self, MODE};
use crate::cores::{Boxed, ConfiguredSlot, CoreError, Reload, Written, command, program, stats};

/// A check takes a second with 10,000 users.
const CHECK: Duration = Duration::from_mins(1);

fn rendered(core: &Inner, slots: &[ConfiguredSlot]) -> Result<Rendered, CoreError> {
    let settings = &core.settings;
    let template = Template::read(&settings.template, settings.family)?;
    let additions = Additions { secret: &core.secret, api_port: settings.api_port, family: settings.family };
    render(&template, slots, &additions)
}

/// Renders, writes beside the output, and has the core check it.
async fn prepare<F: AsRef<Path> + Send + 'static>(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    stage: files::Stage<F>,
) -> Result<(F, String), CoreError> {
    let (inner, slots) = (Arc::clone(core), slots.to_vec());
    let (file, digest) = aside(move || {
        let made = rendered(&inner, &slots)?;
        Ok((stage(&inner.settings.output, None, &made.json, MODE)?, made.digest))
    })
    .await?;
    check(core, file.as_ref()).await?;
    Ok((file, digest))
}

async fn check(core: &Inner, file: &Path) -> Result<(), CoreError> {
    let binary = &core.settings.binary;
    let program = program::ask(binary).await.map_err(CoreError::Config)?;
    if program.family != core.settings.family {
        let (binary, wanted) = (binary.display(), core.settings.family);
        return Err(CoreError::Config(format!("{binary} is {}, and core.kind says {wanted}", program.family)));
    }
    let file = std::path::absolute(file).map_err(|why| CoreError::Disk(why.to_string()))?;
    let refused = |why: String| CoreError::Config(format!("{} does not take it: {why}", program.family));
    let mut command = Command::new(binary);
    command.args(program.check(&file.to_string_lossy())).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(dir) = &core.settings.working_dir {
        command.current_dir(dir);
    }
    let checked = timeout(CHECK, command.output()).await.map_err(|_| refused("it has not said so in time".into()))?;
    let checked = checked.map_err(|why| refused(why.to_string()))?;
    if checked.status.success() {
        return Ok(());
    }
    // They tell what is wrong on standard output.
    let said = [checked.stdout, checked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("without a word");
    Err(refused(last.to_owned()))
}

async fn place(core: &Arc<Inner>, json: Vec<u8>) -> Result<(), CoreError> {
    let inner = Arc::clone(core);
    aside(move || files::place(&inner.settings.output, &json, MODE)).await
}

/// [`crate::cores::Core::write`], and [`crate::cores::Core::renew`] when the template may be new.
pub(super) async fn write(core: &Arc<Inner>, slots: &[ConfiguredSlot], renew: bool) -> Result<Written, CoreError> {
    let _turn = core.output.lock().await;
    let there = aside::read(&core.settings.output).await?;
    let ours = Ours::read(&there, core.settings.family);
    let made = if renew && ours.is_some() && stats::connect(core.address()).await.is_err() {
        match prepare(core, slots, Staged::write).await {
            Ok((staged, _)) => return aside(move || staged.commit()).await.map(|()| Written::Whole),
            Err(why) => Err(why),
        }
    } else {
        let (inner, copy) = (Arc::clone(core), slots.to_vec());
        aside(move || rendered(&inner, &copy)).await
    };
    let (json, written) = match (made, ours) {
        (Ok(made), None) if there.is_empty() => (Some(made.json), Written::Whole),
        (Ok(made), Some(ours)) if made.digest == ours.digest => (Some(made.json), Written::Whole),
        // The rest of the new one is unproven, or wrong.
        (Ok(_), ours) => (ours.and_then(|ours| ours.with(slots)), Written::GatesAlone(None)),
        (Err(why @ CoreError::Config(_)), ours) => {
            (ours.and_then(|ours| ours.with(slots)), Written::GatesAlone(Some(why)))
        }
        (Err(why), _) => return Err(why),
    };
    if let Some(json) = json.filter(|json| *json != there) {
        place(core, json).await?;
    }
    Ok(written)
}

/// What [`reload`] would do with the template, without users and without touching anything that is there.
pub(super) async fn try_out(core: &Arc<Inner>) -> Result<(), CoreError> {
    prepare(core, &[], Trial::write).await.map(drop)
}

/// [`crate::cores::Core::reload`].
pub(super) async fn reload(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    kept: Boxed<'_, ()>,
) -> Result<Reload, CoreError> {
    let _turn = core.output.lock().await;
    let (staged, digest) = prepare(core, slots, Staged::write).await?;
    let old = aside::read(&core.settings.output).await?;
    let ran = Ours::read(&old, core.settings.family);
    // One that is slow to say since when it runs does run.
    let running = stats::connect(core.address()).await.is_ok();
    if running && ran.as_ref().is_some_and(|ran| ran.digest == digest) && core.is_brought() {
        // Users are there already, and nothing else is new.
        aside(move || staged.commit()).await?;
        return Ok(Reload { incarnation: core.known_start().unwrap_or_default(), cut: 0 });
    }
    let inner = Arc::clone(core);
    let keep = ran.map_or(!old.is_empty(), |_| running);
    aside(move || {
        if keep {
            files::place(&last_good::path(&inner.settings.state_dir), &old, MODE)?;
        }
        staged.commit()
    })
    .await?;
    if running {
        // Counters end with the core. The first reading is made durable, the second one takes what came meanwhile.
        core.read_once_more().await;
        kept.await;
        core.read_once_more().await;
    }
    let settings = &core.settings;
    let asked = if running { &settings.restart } else { &settings.start };
    let asked_at = clock::read().awake();
    let came_up = match command::run(asked, None, None).await {
        Ok(()) => another_start(core, running.then_some(asked_at)).await,
        Err(why) => Err(why),
    };
    match came_up {
        Ok(incarnation) => Ok(Reload { incarnation, cut: 0 }),
        Err(why) => Err(roll_back(core, why).await),
    }
}

/// When the core that answers was started, in milliseconds after the boot.
async fn start(core: &Inner) -> Result<u64, CoreError> {
    Ok(stats::connect(core.address()).await?.start().await?.millis)
}

/// Waits until a core answers, and stays, that was started no sooner than `asked`, when that is given. A start seems up to two
/// seconds later than it was, never sooner; an old core that has run for less than that may be taken for the new one.
async fn another_start(core: &Inner, asked: Option<u64>) -> Result<i64, String> {
    let is_another = |now: &u64| asked.is_none_or(|asked| *now >= asked);
    // What it says of its start differs by a second from one answer to the next, so whoever answers is the same.
    let now = comes_up(core.settings.start_limit, || start(core), is_another, |_, _| true).await?;
    Ok(since(&core.boot, now))
}

/// Puts the last good file back and starts the core with it.
async fn roll_back(core: &Arc<Inner>, why: String) -> CoreError {
    let settings = &core.settings;
    if let Err(not_taken) = last_good::put_back(&settings.state_dir, &settings.output, &why, |_| ()).await {
        return not_taken;
    }
    let started = match command::run(&settings.restart, None, None).await {
        Ok(()) => another_start(core, None).await,
        Err(failed) => Err(failed),
    };
    last_good::rolled_back(why, started)
}
