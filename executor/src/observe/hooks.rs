//! Functions of the user that the runtime calls at certain moments.

use crate::context::chain::Chain;
use crate::task::{StopEvent, TaskId, Unobserved, contain};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

type Hook = Box<dyn Fn() + Send + Sync>;
type StuckHook = Box<dyn Fn(&StuckTask) + Send + Sync>;
type StopEventHook = Box<dyn Fn(&StopEvent) + Send + Sync>;
type UnobservedHook = Box<dyn Fn(&Unobserved<'_>) + Send + Sync>;

/// A task that has kept its worker in one poll for too long.
///
/// Handed to the hook of [`Builder::on_stuck`](crate::Builder::on_stuck).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StuckTask {
    /// Which task. `None`: the future that was given to `block_on`.
    pub id: Option<TaskId>,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// On whose behalf it runs: the throughline that it has inherited.
    pub throughline: Chain,
    /// Where it was spawned. `None` for the future that was given to `block_on`.
    pub spawned_at: Option<&'static Location<'static>>,
    /// Which worker it occupies: an index into [`Metrics::workers`](crate::Metrics::workers).
    pub worker: usize,
    /// How long the poll has lasted so far, as far as the monitor saw: a few milliseconds less than the truth.
    pub polling_for: Duration,
}

impl fmt::Display for StuckTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.id, &self.name) {
            (Some(id), Some(name)) => write!(f, "task {id} `{name}`")?,
            (Some(id), None) => write!(f, "task {id}")?,
            (None, _) => f.write_str("the future of block_on")?,
        }
        if let Some(location) = self.spawned_at {
            write!(f, ", spawned at {location},")?;
        }
        write!(
            f,
            " has kept worker {} in one poll for {:?}",
            self.worker, self.polling_for
        )?;
        if !self.throughline.is_empty() {
            write!(f, ", for {:#}", self.throughline)?;
        }
        Ok(())
    }
}

/// The hooks of a runtime. A hook that panics is reported by the panic hook and otherwise ignored.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) thread_start: Option<Hook>,
    pub(crate) thread_stop: Option<Hook>,
    pub(crate) park: Option<Hook>,
    pub(crate) unpark: Option<Hook>,
    pub(crate) stuck: Option<StuckHook>,
    pub(crate) stop_event: Option<StopEventHook>,
    pub(crate) unobserved: Option<UnobservedHook>,
}

impl Hooks {
    #[inline]
    pub(crate) fn call(hook: &Option<Hook>) {
        if let Some(hook) = hook {
            contain(hook);
        }
    }

    /// Without a hook of the user the event goes to the standard error: it means that something does not end as it should.
    pub(crate) fn call_stop_event(&self, event: &StopEvent) {
        match &self.stop_event {
            Some(hook) => contain(|| hook(event)),
            None => eprintln!("lenio: {event}"),
        }
    }

    /// Without a hook of the user the failure goes to the standard error.
    pub(crate) fn call_unobserved(&self, failure: &Unobserved<'_>) {
        match &self.unobserved {
            Some(hook) => contain(|| hook(failure)),
            None => eprintln!("lenio: {failure}"),
        }
    }

    pub(crate) fn call_stuck(&self, task: &StuckTask) {
        if let Some(hook) = &self.stuck {
            contain(|| hook(task));
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
