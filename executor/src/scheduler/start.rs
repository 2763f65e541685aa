//! How a runtime comes to life: the only place where the scheduler starts threads.

use super::current::{Context, current};
use super::monitor::monitor;
use super::shared::{Setup, Shared};
use super::spawn::SCHEDULE;
use super::worker::Worker;
use crate::observe::Hooks;
use crate::task::{Home, set_finder};
use lenio_sync::primitive::thread;
use std::io;
use std::sync::Arc;

impl Shared {
    /// Makes the runtime and starts its threads.
    pub(crate) fn start(setup: Setup) -> io::Result<Arc<Self>> {
        set_finder(|| current().map(|shared| -> Arc<dyn Home> { shared }));
        let shared = Self::new(setup, SCHEDULE)?;
        if let Err(error) = shared.start_threads() {
            shared.stop();
            shared.end_if_done();
            shared.wait_for_threads(None);
            return Err(error);
        }
        Ok(shared)
    }

    fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        for index in 0..self.threads {
            let shared = self.clone();
            self.start_thread(format!("{}-worker-{index}", self.name), move || {
                Hooks::call(&shared.hooks.thread_start);
                if let Some(worker) = Worker::occupy(&shared, index) {
                    let context = Context::enter_worker(&worker);
                    worker.run();
                    drop(context);
                    worker.leave();
                }
                Hooks::call(&shared.hooks.thread_stop);
            })?;
        }
        if self.threads > 0 {
            let shared = self.clone();
            self.start_thread(format!("{}-monitor", self.name), move || {
                monitor(&shared);
            })?;
        }
        Ok(())
    }

    fn start_thread(
        self: &Arc<Self>,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let alive = self.count_thread();
        thread::Builder::new()
            .name(name)
            .spawn(move || {
                let _alive = alive;
                body();
            })
            .map(drop)
    }
}
