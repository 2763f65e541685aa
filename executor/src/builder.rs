//! How a runtime is to be.

use crate::handle::Handle;
use crate::observe::{Hooks, StuckTask};
use crate::policy::StopPolicy;
use crate::runtime::Runtime;
use crate::scheduler::{Setup, Shared};
use crate::task::{Home, Rules, StopEvent, Unobserved, current};
use lenio_net::signal::{Receiver, Signal, receiver};
use lenio_sync::StopToken;
use lenio_time::Clock;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Places for threads inside `block_on`, where there are worker threads.
const GUESTS: usize = 4;

/// Prepares a [`Runtime`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::time::Duration;
///
/// let runtime = lenio_executor::Runtime::builder()
///     .threads(2)
///     .name("api")
///     .blocking_threads(16)
///     .stuck_after(Some(Duration::from_millis(50)))
///     .on_stuck(|task| eprintln!("{task}"))
///     .build()?;
/// assert_eq!(runtime.block_on(async { 1 }), 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is started before `build` is called"]
pub struct Builder {
    threads: Option<usize>,
    current_thread: bool,
    blocking_threads: usize,
    blocking_idle: Duration,
    name: String,
    seed: u64,
    clock: Clock,
    stuck_after: Option<Duration>,
    hooks: Hooks,
    policy: StopPolicy,
    record_waits: bool,
    dump_on_signal: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            threads: None,
            current_thread: false,
            blocking_threads: 128,
            blocking_idle: Duration::from_secs(30),
            name: String::from("lenio"),
            seed: 0,
            clock: Clock::real(),
            stuck_after: Some(Duration::from_millis(100)),
            hooks: Hooks::default(),
            policy: StopPolicy::native(),
            record_waits: false,
            dump_on_signal: false,
        }
    }

    /// How many worker threads there are. Default: the available parallelism, which honours the process's CPU affinity and its
    /// cgroup quota.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self.current_thread = false;
        self
    }

    /// No worker threads: tasks run only while a thread is inside [`block_on`](Runtime::block_on), on that thread.
    ///
    /// If several threads are inside `block_on` one of them runs the tasks.
    pub fn current_thread(mut self) -> Self {
        self.current_thread = true;
        self
    }

    /// How many blocking jobs may run at a time. Default: 128.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads = threads;
        self
    }

    /// How long an idle blocking thread waits for work before it ends. Default: 30 seconds.
    pub fn blocking_idle(mut self, idle: Duration) -> Self {
        self.blocking_idle = idle;
        self
    }

    /// What the names of the threads begin with. Default: `lenio`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Decides the scheduler's arbitrary picks, such as where a thief looks first. Default: 0.
    ///
    /// It makes the picks repeatable, not the run: with several threads the system's timing has its say.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets time stand still while anything can run, and jump to the next timer when nothing can.
    ///
    /// For tests: a `sleep` of an hour takes no time at all, and deadlines come in the order in which they are due. Nothing can run means:
    /// every worker sleeps and no blocking job runs or waits. Events from outside (sockets, signals, other threads) are
    /// not waited for while a timer is pending. A blocking job that itself waits for a timer of this runtime waits for ever: it holds the clock.
    pub fn virtual_clock(mut self) -> Self {
        self.clock = Clock::new_virtual();
        self
    }

    /// After how long in one poll a task counts as stuck; `None`: never. Default: 100 ms.
    ///
    /// See [`on_stuck`](Self::on_stuck). A runtime without worker threads has no monitor, and reports nothing.
    pub fn stuck_after(mut self, limit: Option<Duration>) -> Self {
        self.stuck_after = limit;
        self
    }

    /// Is called once for each poll that lasts longer than [`stuck_after`](Self::stuck_after), while it lasts, on the monitor's thread.
    pub fn on_stuck(mut self, hook: impl Fn(&StuckTask) + Send + Sync + 'static) -> Self {
        self.hooks.stuck = Some(Box::new(hook));
        self
    }

    /// What becomes of children, stops and waits. Default: [`StopPolicy::native`].
    pub fn stop_policy(mut self, policy: StopPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Notes after each poll what the task waits for, and where it asked for that, so that a [`dump`](Runtime::dump) can say so. Default:
    /// off.
    ///
    /// Costs a node in the task tree for every task, and a list for every poll that ends in a wait.
    pub fn record_waits(mut self, record: bool) -> Self {
        self.record_waits = record;
        self
    }

    /// Writes a [`dump`](Runtime::dump) to the standard error whenever the process gets a `SIGUSR1`, for as long as the runtime lives.
    /// Default: off.
    ///
    /// A runtime without worker threads answers only while a thread is inside [`block_on`](Runtime::block_on).
    pub fn dump_on_signal(mut self, dump: bool) -> Self {
        self.dump_on_signal = dump;
        self
    }

    /// Is called when a stop does not go as it should: see [`StopEvent`]. Without a hook a line goes to the standard error.
    pub fn on_stop_event(mut self, hook: impl Fn(&StopEvent) + Send + Sync + 'static) -> Self {
        self.hooks.stop_event = Some(Box::new(hook));
        self
    }

    /// Is called when a task has panicked and nobody will hear of it from its handle. Without a hook a line goes to the standard error.
    pub fn on_unobserved(mut self, hook: impl Fn(&Unobserved<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.unobserved = Some(Box::new(hook));
        self
    }

    /// Is called on each worker and blocking thread before it runs anything.
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.thread_start = Some(Box::new(hook));
        self
    }

    /// Is called on each worker and blocking thread before it ends.
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.thread_stop = Some(Box::new(hook));
        self
    }

    /// Is called on a worker each time before it sleeps, also by threads that work inside `block_on`.
    ///
    /// The hook may spawn and wake; the worker looks again before it sleeps.
    pub fn on_park(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.park = Some(Box::new(hook));
        self
    }

    /// Is called on a worker each time after it has slept.
    pub fn on_unpark(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.unpark = Some(Box::new(hook));
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a number of threads is zero or the name contains a NUL byte; else what the
    /// system said when it refused a thread or a descriptor. Threads that were started by then have ended when this returns.
    pub fn build(self) -> io::Result<Runtime> {
        let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if self.threads == Some(0) && !self.current_thread {
            return invalid("a runtime needs a worker thread; see Builder::current_thread");
        }
        if self.blocking_threads == 0 {
            return invalid("a runtime needs a blocking thread");
        }
        if self.name.contains('\0') {
            return invalid("a thread name cannot contain a NUL byte");
        }
        let threads = if self.current_thread {
            0
        } else {
            self.threads.unwrap_or_else(available_parallelism)
        };
        let dump_on_signal = self.dump_on_signal;
        let runtime = Shared::start(Setup {
            threads,
            guests: if threads == 0 { 1 } else { GUESTS },
            name: self.name,
            seed: self.seed,
            clock: self.clock,
            hooks: self.hooks,
            stuck_after: self.stuck_after,
            blocking_threads: self.blocking_threads,
            blocking_idle: self.blocking_idle,
            rules: Rules {
                policy: self.policy,
                record_waits: self.record_waits,
            },
        })
        .map(Runtime::from_shared)?;
        if dump_on_signal {
            let inside = runtime.handle().enter();
            let signals = receiver([Signal::User1])?;
            drop(inside);
            let handle = runtime.handle().clone();
            Home::run(&*runtime.handle().shared, Box::pin(answer(signals, handle)));
        }
        Ok(runtime)
    }
}

/// Answers each signal with a dump, until the runtime ends.
async fn answer(mut signals: Receiver, handle: Handle) {
    let token =
        current::with_task_node(|node| node.map_or(StopToken::never(), |node| node.token()));
    while let Ok(Ok(_)) = token.run_until_stopped(signals.recv()).await {
        eprint!("{}", handle.dump());
    }
}

/// One thread where the system does not say.
fn available_parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Runtime {
    /// A runtime with one worker per available core.
    ///
    /// # Errors
    ///
    /// If the system refuses the threads, or the descriptors of the reactor.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Prepares a runtime.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("threads", &self.threads)
            .field("current_thread", &self.current_thread)
            .field("blocking_threads", &self.blocking_threads)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
