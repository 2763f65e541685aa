//! Runs every program to every point.

use crate::audit::Audit;
use lenio::time::{Instant, sleep};
use lenio::{Grace, Runtime, StopEvent, StopPolicy, yield_now};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

/// How long a point may take, on a slow machine too. Nothing waits for this to pass.
const PATIENCE: Duration = Duration::from_secs(25);
const SOFT: Duration = Duration::from_secs(1);
const HARD: Duration = Duration::from_secs(2);
/// What timers may be late by.
const SLACK: Duration = Duration::from_millis(50);

pub(crate) type Main = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) clockwork: Clockwork,
    pub(crate) seeds: u64,
    pub(crate) main: fn(Audit) -> Main,
}

/// Which time a program lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clockwork {
    Virtual,
    /// For sockets: with a virtual clock nobody waits for them.
    Real,
}

/// How a program is ended at its poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Not at all.
    Let,
    StopBefore,
    StopAfter,
    CancelBefore,
    CancelAfter,
    /// A stop, and a cancel at the next poll.
    StopThenCancel,
    /// The program's future is dropped, and its task goes on to its end.
    Drop,
}

const WAYS: [Way; 6] = [
    Way::StopBefore,
    Way::StopAfter,
    Way::CancelBefore,
    Way::CancelAfter,
    Way::StopThenCancel,
    Way::Drop,
];

/// What a runtime has said since the last look.
type Events = Arc<Mutex<Vec<String>>>;

/// Runs all programs on two threads, and returns how many points that were.
pub(crate) fn run(programs: &'static [Program]) -> usize {
    let replayed: Option<u64> = std::env::var("LENIO_SEED").ok().map(|seed| {
        let seed = seed.parse();
        seed.unwrap_or_else(|error| panic!("LENIO_SEED is no number: {error}"))
    });
    let points = Arc::new(AtomicUsize::new(0));
    let next = Arc::new(AtomicUsize::new(0));
    let threads = [(); 2].map(|()| {
        let (points, next) = (points.clone(), next.clone());
        let at = Arc::new(Mutex::new(String::new()));
        let told = at.clone();
        let thread = thread::spawn(move || {
            while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let only = std::env::var("LENIO_PROGRAM").ok();
                if only.is_some_and(|only| only != program.name) {
                    continue;
                }
                let seeds = match replayed {
                    Some(seed) => seed..seed + 1,
                    None => 0..program.seeds.max(1),
                };
                for seed in seeds {
                    to_every_point(program, seed, &points, &told);
                }
            }
        });
        (thread, at)
    });
    watch(
        &threads.each_ref().map(|(thread, at)| (thread, at)),
        &points,
    );
    for (thread, _) in threads {
        if let Err(payload) = thread.join() {
            std::panic::resume_unwind(payload);
        }
    }
    points.load(Ordering::Relaxed)
}

/// Ends the test if one of the threads hangs at a point.
fn watch(threads: &[(&thread::JoinHandle<()>, &Arc<Mutex<String>>); 2], points: &AtomicUsize) {
    let mut quiet = Duration::ZERO;
    let mut before = 0;
    while threads.iter().any(|(thread, _)| !thread.is_finished()) {
        thread::park_timeout(Duration::from_millis(20));
        let now = points.load(Ordering::Relaxed);
        quiet = if now == before {
            quiet + Duration::from_millis(20)
        } else {
            Duration::ZERO
        };
        before = now;
        if quiet > PATIENCE {
            let at = threads
                .each_ref()
                .map(|(_, at)| at.lock().map(|at| at.clone()));
            panic!("nothing has happened for {PATIENCE:?} at {at:?}");
        }
    }
}

fn to_every_point(program: &Program, seed: u64, points: &AtomicUsize, told: &Arc<Mutex<String>>) {
    let events = Events::default();
    let runtime = runtime(program.clockwork, seed, &events);
    let run = |way, at| {
        let point = format!(
            "{} {way:?} at poll {at}; replay it with LENIO_SEED={seed} LENIO_PROGRAM={0}",
            program.name
        );
        if let Ok(mut told) = told.lock() {
            told.clone_from(&point);
        }
        let polls = to_point(program, &runtime, &events, seed, way, at);
        points.fetch_add(1, Ordering::Relaxed);
        polls.unwrap_or_else(|error| panic!("{error}: {point}"))
    };
    let polls = run(Way::Let, 0);
    for at in 1..=polls {
        for way in WAYS {
            run(way, at);
        }
    }
}

/// One thread, which makes a seed repeatable; two workers for some seeds, which makes it a race.
fn runtime(clockwork: Clockwork, seed: u64, events: &Events) -> Runtime {
    let mut policy = StopPolicy::native();
    policy.grace = Grace::new(SOFT, HARD);
    let (stops, failures) = (events.clone(), events.clone());
    let builder = match seed % 16 {
        15 => Runtime::builder().threads(2),
        _ => Runtime::builder().current_thread(),
    };
    let builder = builder
        .stop_policy(policy)
        .on_stop_event(move |event: &StopEvent| push(&stops, event.to_string()))
        // An error goes unobserved where its scope was dropped or cancelled; a panic is a broken claim.
        .on_unobserved(move |failure| {
            if failure.error.is_panic() {
                push(&failures, failure.to_string());
            }
        });
    let builder = match clockwork {
        Clockwork::Virtual => builder.virtual_clock(),
        Clockwork::Real => builder,
    };
    builder
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"))
}

fn push(events: &Events, event: String) {
    if let Ok(mut events) = events.lock() {
        events.push(event);
    }
}

/// Runs a program to one point. Returns how often its main task was polled.
fn to_point(
    program: &Program,
    runtime: &Runtime,
    events: &Events,
    seed: u64,
    way: Way,
    at: u64,
) -> Result<u64, String> {
    let audit = Audit::new(seed);
    let polls = Arc::new(AtomicU64::new(0));
    let ended_at = Arc::new(Mutex::new(None));
    let main = AtPoll {
        program: Some((program.main)(audit.clone())),
        polls: polls.clone(),
        way,
        at,
        ended_at: ended_at.clone(),
    };
    let outcome = runtime.block_on(async {
        let outcome = lenio::spawn(main).await;
        let over = Instant::now();
        let ended_at = ended_at.lock().map_or(None, |mut at| at.take());
        let late = ended_at.map(|at: Instant| over - at);
        if late.is_some_and(|late| late > HARD + SLACK) {
            return Err(format!("it took {late:?} to end"));
        }
        settle(runtime).await?;
        Ok(outcome)
    })?;
    if let Err(error) = outcome {
        let may_be = [Way::CancelBefore, Way::CancelAfter, Way::StopThenCancel].contains(&way);
        if !may_be || !error.is_cancelled() {
            return Err(error.to_string());
        }
    }
    let heard = events
        .lock()
        .map_or(Vec::new(), |mut events| std::mem::take(&mut *events));
    if !heard.is_empty() {
        return Err(format!("the runtime says {heard:?}"));
    }
    audit.verdict()?;
    Ok(polls.load(Ordering::Relaxed))
}

/// Waits until no task or job is left: none of the program, and none that looked after its grace.
async fn settle(runtime: &Runtime) -> Result<(), String> {
    for round in 0..200 {
        let now = runtime.metrics();
        let jobs = now.blocking_threads - now.blocking_idle + now.blocking_queued;
        if now.living_tasks + jobs == 0 {
            return Ok(());
        }
        if round < 50 {
            yield_now().await;
        } else {
            sleep(Duration::from_millis(1)).await;
        }
    }
    Err(format!("something lives on: {:?}", runtime.metrics()))
}

/// Ends a program at one of its polls.
struct AtPoll {
    program: Option<Main>,
    polls: Arc<AtomicU64>,
    way: Way,
    at: u64,
    ended_at: Arc<Mutex<Option<Instant>>>,
}

impl AtPoll {
    fn note_end(&self) {
        if let Ok(mut at) = self.ended_at.lock() {
            *at = Some(Instant::now());
        }
    }

    fn ask(&self, cancel: bool) {
        self.note_end();
        let Some(me) = lenio::stop_handle() else {
            return;
        };
        if cancel {
            me.cancel("everywhere");
        } else {
            me.stop("everywhere");
        }
    }
}

impl Future for AtPoll {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let poll = this.polls.fetch_add(1, Ordering::Relaxed) + 1;
        let is_it = poll == this.at;
        match this.way {
            Way::Drop if is_it => {
                this.note_end();
                this.program = None;
                return Poll::Ready(());
            }
            Way::StopBefore | Way::StopThenCancel if is_it => this.ask(false),
            Way::CancelBefore if is_it => this.ask(true),
            Way::StopThenCancel if poll == this.at + 1 => this.ask(true),
            _ => {}
        }
        if let Some(program) = &mut this.program {
            let polled = program.as_mut().poll(cx);
            if polled.is_pending() && is_it {
                match this.way {
                    Way::StopAfter => this.ask(false),
                    Way::CancelAfter => this.ask(true),
                    _ => {}
                }
            }
            ready!(polled);
        }
        Poll::Ready(())
    }
}
