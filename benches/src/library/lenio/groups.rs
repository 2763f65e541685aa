//! lenio's scopes and stops.

use std::future::{Future, ready};

use lenio::sync::stop::Stopped;
use lenio::{Scope, StopExt, StopHandle};

use super::LIBRARY;
use crate::library::{self, Library};

/// lenio's scopes.
pub(crate) struct Groups;

impl library::Groups for Groups {
    const LIBRARY: Library = LIBRARY;
    type Token = ();
    type Group = Scope;
    type Stopper = StopHandle;
    type Waited<T> = Result<T, Stopped>;

    fn run(fill: impl FnOnce(&mut Scope) + Send) -> impl Future<Output = ()> + Send {
        lenio::scope(|mut scope| async move { fill(&mut scope) })
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        scope: &mut Scope,
        task: impl FnOnce(()) -> F,
    ) {
        // The scope waits for it.
        drop(scope.spawn(task(())));
    }

    fn stopper(scope: &Scope) -> StopHandle {
        scope.stop_handle()
    }

    fn stop(stopper: &StopHandle) {
        stopper.stop("");
    }

    fn is_stopped((): &()) -> bool {
        lenio::check_stop().is_err()
    }

    fn or_stop<F: Future<Output: Send> + Send>(
        (): &(),
        future: F,
    ) -> impl Future<Output = Result<F::Output, Stopped>> + Send {
        future.or_stop()
    }

    fn output<T>(waited: Result<T, Stopped>) -> Option<T> {
        waited.ok()
    }

    fn spawn_below<F: Future<Output = ()> + Send + 'static>(
        (): &(),
        task: impl FnOnce(()) -> F,
    ) -> impl Future<Output = ()> + Send + 'static {
        drop(lenio::spawn_child(task(())));
        ready(())
    }
}
