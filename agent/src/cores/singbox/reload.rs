//! How a new configuration reaches the disk and the core, so that neither is ever left with a broken one.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::timeout;

use super::digest::template_part;
use super::flows::Flows;
use super::gate::stated_digest;
use super::inner::Inner;
use super::settings::Settings;
use super::{render, written};
use crate::cores::aside::{self, aside};
use crate::cores::coming_up::comes_up;
use crate::cores::files::{self, Staged, Trial};
use crate::cores::last_good::{self, MODE};
use crate::cores::{Boxed, ConfiguredSlot, CoreError, Reload, Written, command, relayed};
use crate::faults::{self, Point};
use crate::lock::lock;

/// The final totals of cut connections come within 50 ms; they are not worth more than this.
const DRAIN: Duration = Duration::from_secs(2);
/// A list of what they moved last follows within 150 ms.
const LIST: Duration = Duration::from_secs(1);
/// A second sweep for connections that came during the first.
const SWEEP: Duration = Duration::from_millis(100);

/// A configuration that passed every check and waits on disk.
struct Ready<F = Staged> {
    file: F,
    digest: String,
    target: super::api::Target,
    cache_file: PathBuf,
}

/// Renders, validates, writes beside the output, and has the core check it.
async fn prepare<F: AsRef<Path> + Send + 'static>(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    passed: &mut Option<String>,
    stage: files::Stage<F>,
) -> Result<Ready<F>, CoreError> {
    let (inner, slots) = (Arc::clone(core), slots.to_vec());
    let ready = aside(move || {
        let settings = &inner.settings;
        let made = render::of_settings(settings, &inner.secret, &slots, inner.kernel.load(Ordering::Relaxed))?;
        let file = stage(&settings.output, settings.staging_dir.as_deref(), &made.json, MODE)?;
        Ok(Ready { file, digest: made.digest, target: made.target, cache_file: made.cache_file })
    })
    .await?;
    faults::pass(Point::ReloadStaged);
    // States of gates cannot fail the check, and it costs a second of processor time for 10,000 slots.
    if passed.as_ref() != Some(&ready.digest) {
        check(&core.settings, ready.file.as_ref()).await?;
        *passed = Some(ready.digest.clone());
    }
    faults::pass(Point::ReloadChecked);
    Ok(ready)
}

/// Has the core's program check a file.
///
/// # Errors
/// [`CoreError::Config`] with what it says.
pub(in crate::cores) async fn check(settings: &Settings, file: &Path) -> Result<(), CoreError> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut argv = vec![text(&settings.binary), "check".into(), "--disable-color".into(), "-c".into()];
    // Absolute, because the core changes into its working directory before it reads.
    let path = std::path::absolute(file).map_err(|why| CoreError::Disk(why.to_string()))?;
    argv.push(text(&path));
    if let Some(dir) = &settings.working_dir {
        argv.extend(["-D".into(), text(dir)]);
    }
    command::run(&argv, None, None).await.map_err(|why| CoreError::Config(format!("sing-box check: {why}")))
}

/// Replaces the output. A configuration that the core came up with is kept as the last good one; so is what was there
/// before anything of ours.
async fn commit(core: &Arc<Inner>, ready: Ready) -> Result<(), CoreError> {
    let proven = lock(&core.seen).digest.clone();
    let inner = Arc::clone(core);
    let target = ready.target.clone();
    aside(move || {
        let settings = &inner.settings;
        last_good::keep(&settings.state_dir, &settings.output, written::digest, proven.as_ref(), &ready.digest)?;
        ready.file.commit()
    })
    .await?;
    faults::pass(Point::ReloadReplaced);
    core.api.expect(target);
    Ok(())
}

/// [`crate::cores::Core::write`], and [`crate::cores::Core::renew`] when the template may be new.
pub(super) async fn write(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    forget_choices: bool,
    renew: bool,
) -> Result<Written, CoreError> {
    let mut passed = core.output.lock().await;
    let there = aside::read(&core.settings.output).await?;
    let renew = renew && written::digest(&there).is_some() && core.api.started_at().await.is_err();
    let (written, cache_file) = match prepare(core, slots, &mut passed, Staged::write).await {
        Ok(ready) if renew || may_replace(&ready.digest, &there) => {
            let cache_file = ready.cache_file.clone();
            commit(core, ready).await?;
            (Written::Whole, Some(cache_file))
        }
        Ok(_) => (Written::GatesAlone(None), write_gates(core, there, slots).await?),
        Err(why @ CoreError::Config(_)) => (Written::GatesAlone(Some(why)), write_gates(core, there, slots).await?),
        Err(why) => return Err(why),
    };
    // A running core keeps the removed file open, and what it chooses from then on is lost at its next start.
    if let Some(cache_file) = cache_file.filter(|_| forget_choices)
        && core.api.started_at().await.is_err()
    {
        aside(move || files::remove(&cache_file)).await?;
    }
    Ok(written)
}

/// Whether a configuration may take the place of a file without being proven: it differs in users only, or there is
/// nothing that a core could run with.
fn may_replace(digest: &str, there: &[u8]) -> bool {
    there.is_empty() || written::digest(there).is_some_and(|old| template_part(&old) == template_part(digest))
}

/// Changes the gates' states in the file that is there, if it is ours. Returns where its core keeps its choices.
async fn write_gates(
    core: &Arc<Inner>,
    there: Vec<u8>,
    slots: &[ConfiguredSlot],
) -> Result<Option<PathBuf>, CoreError> {
    let (inner, slots) = (Arc::clone(core), slots.to_vec());
    aside(move || {
        let Some((json, cache_file)) = written::with_gates(&there, &slots, inner.kernel.load(Ordering::Relaxed)) else {
            return Ok(None);
        };
        let settings = &inner.settings;
        if json != there {
            Staged::write(&settings.output, settings.staging_dir.as_deref(), &json, MODE)?.commit()?;
        }
        Ok(cache_file)
    })
    .await
}

/// What [`reload`] would do with the template, without users and without touching anything that is there.
pub(super) async fn try_out(core: &Arc<Inner>) -> Result<(), CoreError> {
    let mut passed = core.output.lock().await;
    prepare(core, &[], &mut passed, Trial::write).await.map(drop)
}

/// [`crate::cores::Core::reload`].
pub(super) async fn reload(
    core: &Arc<Inner>,
    slots: &[ConfiguredSlot],
    kept: Boxed<'_, ()>,
) -> Result<Reload, CoreError> {
    let mut passed = core.output.lock().await;
    let ready = prepare(core, slots, &mut passed, Staged::write).await?;
    let cache_file = ready.cache_file.clone();
    let before = core.api.started_at().await.ok();
    let running = running(core).await;
    let is_needless = running.as_ref() == Some(&ready.digest);
    let is_relayed = before.is_none() && runs_relayed(core).await;
    commit(core, ready).await?;
    if let (true, Some(incarnation)) = (is_needless, before) {
        return Ok(Reload { incarnation, cut: 0 });
    }
    let settings = &core.settings;
    let (cut, asked) = if is_relayed {
        // Nobody passes through a relay that is not there any more.
        (0, command::run(&settings.reload, settings.pid_file.as_deref(), None).await)
    } else if before.is_some() {
        let cut = drain(core).await;
        faults::pass(Point::ReloadDrained);
        kept.await;
        (cut, command::run(&settings.reload, settings.pid_file.as_deref(), None).await)
    } else {
        // The file holds the gates of this moment; what the core remembers may be older, and outranks it. Where that
        // cannot be removed the core is started all the same: its gates are compared as soon as it answers.
        if let Err(error) = aside(move || files::remove(&cache_file)).await {
            tracing::warn!(%error, "the core goes by what it remembers of its gates until it answers");
        }
        (0, command::run(&settings.start, settings.pid_file.as_deref(), None).await)
    };
    faults::pass(Point::ReloadAsked);
    let came_up = match asked {
        Ok(()) => another_incarnation(core, before).await,
        Err(why) => Err(why),
    };
    match came_up {
        Ok(incarnation) => {
            faults::pass(Point::ReloadUp);
            Ok(Reload { incarnation, cut })
        }
        Err(why) => Err(roll_back(core, before, why).await),
    }
}

/// Whether the core runs, though without an api: with the file of a time when its program was an older one.
async fn runs_relayed(core: &Inner) -> bool {
    let Some(ports) = core.settings.relay else { return false };
    let there = aside::read(&core.settings.output).await;
    relayed::runs(&there.unwrap_or_default(), ports, &core.secret).await
}

/// The digest of the configuration that the core says it runs.
async fn running(core: &Inner) -> Option<String> {
    let groups = core.api.groups().await.ok()?;
    groups.iter().find_map(|group| stated_digest(&group.tag)).map(str::to_owned)
}

/// Ends every connection and waits until their final totals were told. A reload ends them anyway, but without telling:
/// everything since the last tick would go uncounted.
async fn drain(core: &Inner) -> u32 {
    let first = lock(&core.flows).ids();
    let mut cut = sweep(core, &first, DRAIN).await;
    if !first.is_empty() {
        list(core).await;
    }
    // Clients come back at once; what they moved meanwhile is told as well.
    let mut second = lock(&core.flows).ids();
    second.retain(|id| !first.contains(id));
    if !second.is_empty() {
        cut = cut.saturating_add(sweep(core, &second, SWEEP).await);
    }
    cut
}

async fn sweep(core: &Inner, ids: &[String], limit: Duration) -> u32 {
    let clients = lock(&core.flows).clients(ids);
    // A core that does not answer has nothing left to tell; the reload goes on.
    if core.api.close_all().await.is_ok() {
        let _ = timeout(limit, until_flows(core, |flows| !flows.has_any(ids))).await;
    }
    u32::try_from(clients).unwrap_or(u32::MAX)
}

/// Waits until the core has told what it counted after it had told the ends.
async fn list(core: &Inner) {
    let asked = lock(&core.flows).lists_asked();
    core.forced.notify_one();
    let _ = timeout(LIST, until_flows(core, |flows| flows.is_listed_after(asked))).await;
}

async fn until_flows(core: &Inner, holds: impl Fn(&Flows) -> bool) {
    loop {
        let changed = core.flowed.notified();
        tokio::pin!(changed);
        // Registered before the look, so that no change falls between the two.
        changed.as_mut().enable();
        if holds(&lock(&core.flows)) {
            return;
        }
        changed.await;
    }
}

/// Waits until the core answers with another start than `before`, and stays.
async fn another_incarnation(core: &Inner, before: Option<i64>) -> Result<i64, String> {
    let ask = || core.api.started_at();
    let now = comes_up(core.settings.start_limit, ask, |now| Some(*now) != before, |now, still| now == still).await?;
    // The reader of events learns the same when it is back; whoever asked for the reload need not wait for it. An error only
    // means that he does.
    if let Ok(groups) = core.api.groups().await {
        core.learn(&groups);
    }
    Ok(now)
}

/// Puts the last good file back, and starts the core when it is down.
async fn roll_back(core: &Arc<Inner>, before: Option<i64>, why: String) -> CoreError {
    let settings = &core.settings;
    match last_good::put_back(&settings.state_dir, &settings.output, &why, written::target).await {
        Ok(target) => target.into_iter().for_each(|target| core.api.expect(target)),
        Err(not_taken) => return not_taken,
    }
    if let Ok(now) = core.api.started_at().await
        && Some(now) == before
    {
        return CoreError::RolledBack(why);
    }
    let started = match command::run(&settings.start, settings.pid_file.as_deref(), None).await {
        Ok(()) => another_incarnation(core, None).await,
        Err(failed) => Err(failed),
    };
    last_good::rolled_back(why, started)
}
