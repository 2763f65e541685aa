//! G8: one adapter, every leaf.

use super::support::{Foreign, GENTLE, HOUR, alone, quiet};
use super::watchdog::within_patience;
use lenio_executor::{StopExt, spawn, spawn_blocking};
use lenio_net::io::AsyncWriteExt;
use lenio_net::tcp::{TcpListener, TcpStream};
use lenio_sync::channel::{self, bounded, rendezvous};
use lenio_sync::{Barrier, Condvar, Event, Lock, Notify, RwLock, Semaphore, WaitGroup};
use lenio_time::{Instant, interval, sleep, timeout};
use std::pin::Pin;
use std::sync::Arc;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A wait that does not end by itself.
struct Leaf {
    wait: Wait,
    /// Has the wait end, at once. `None`: only the world outside can.
    ready: Option<Box<dyn FnOnce() + Send>>,
    /// Checks that nothing was lost. Told whether the wait was made ready, and whether it took what there was to take.
    check: Box<dyn FnOnce(bool, bool)>,
}

fn leaf<T>(
    wait: impl Future<Output = T> + Send + 'static,
    ready: impl FnOnce() + Send + 'static,
    check: impl FnOnce(bool, bool) + 'static,
) -> Leaf {
    Leaf {
        wait: Box::pin(async move { drop(wait.await) }),
        ready: Some(Box::new(ready)),
        check: Box::new(check),
    }
}

/// A leaf that takes one thing, of which `left` says how many there are.
fn taking<T>(
    wait: impl Future<Output = T> + Send + 'static,
    ready: impl FnOnce() + Send + 'static,
    left: impl FnOnce() -> usize + 'static,
) -> Leaf {
    leaf(wait, ready, move |is_ready, is_taken| {
        assert_eq!(left(), usize::from(is_ready && !is_taken));
    })
}

fn receiving() -> Leaf {
    let (send, receive) = bounded(1);
    let taker = receive.clone();
    taking(
        async move { taker.recv().await },
        move || send.try_send(7).unwrap(),
        move || receive.len(),
    )
}

fn sending() -> Leaf {
    let (send, receive) = bounded(1);
    send.try_send(1).unwrap();
    let (sender, room) = (send.clone(), receive.clone());
    leaf(
        async move { sender.send(2).await },
        move || assert_eq!(room.try_recv(), Ok(1)),
        move |is_ready, is_taken| {
            let left: Vec<i32> = std::iter::from_fn(|| receive.try_recv().ok()).collect();
            let expected: &[i32] = match (is_ready, is_taken) {
                (false, _) => &[1],
                (true, false) => &[],
                (true, true) => &[2],
            };
            assert_eq!(left, expected);
            drop(send);
        },
    )
}

fn reserving() -> Leaf {
    let (send, receive) = bounded(1);
    send.try_send(1).unwrap();
    let (sender, room) = (send.clone(), receive.clone());
    leaf(
        async move { drop(sender.reserve().await) },
        move || assert_eq!(room.try_recv(), Ok(1)),
        move |is_ready, _| {
            // A permit that was got has been given back.
            assert_eq!(send.try_send(3).is_ok(), is_ready);
            drop(receive);
        },
    )
}

fn meeting_as_sender() -> Leaf {
    let (send, receive) = rendezvous();
    let meet = Arc::new(std::sync::Mutex::new(None));
    let met = meet.clone();
    let other = receive.clone();
    leaf(
        async move { send.send(7).await },
        move || *met.lock().unwrap() = other.try_recv().ok(),
        move |is_ready, is_taken| {
            let met = meet.lock().unwrap().take();
            assert_eq!(met.is_some(), is_ready && is_taken);
            assert!(receive.try_recv().is_err());
        },
    )
}

fn once() -> Leaf {
    let (send, mut receive) = channel::oneshot();
    leaf(
        async move {
            let receive = &mut receive;
            receive.await
        },
        move || {
            let _ = send.send(7);
        },
        |_, _| {},
    )
}

fn broadcasting() -> Leaf {
    let (send, mut receive) = channel::broadcast(4);
    leaf(
        async move { receive.recv().await },
        move || {
            let _ = send.send(7);
        },
        |_, _| {},
    )
}

fn watching() -> Leaf {
    let (send, mut receive) = channel::watch(0);
    leaf(
        async move { receive.changed().await },
        move || {
            let _ = send.send(7);
        },
        |_, _| {},
    )
}

fn locking() -> Leaf {
    let lock = Arc::new(Lock::new(0));
    let held = lock.clone().try_lock_owned().unwrap();
    let taken = lock.clone();
    leaf(
        async move { drop(taken.lock().await) },
        move || drop(held),
        move |is_ready, _| assert_eq!(lock.try_lock().is_ok(), is_ready),
    )
}

fn reading_a_lock() -> Leaf {
    let lock = Arc::new(RwLock::new(0));
    let held = Box::pin(lock.clone().write_owned());
    let held = lenio_sync::wait::block_on(held);
    let taken = lock.clone();
    leaf(
        async move { drop(taken.read().await) },
        move || drop(held),
        move |is_ready, _| assert_eq!(lock.try_write().is_ok(), is_ready),
    )
}

fn writing_a_lock() -> Leaf {
    let lock = Arc::new(RwLock::new(0));
    let held = lenio_sync::wait::block_on(Box::pin(lock.clone().read_owned()));
    let taken = lock.clone();
    leaf(
        async move { drop(taken.write().await) },
        move || drop(held),
        move |is_ready, _| {
            assert_eq!(lock.try_write().is_ok(), is_ready);
            // A writer that gave up does not keep readers out.
            assert!(lock.try_read().is_ok());
        },
    )
}

fn acquiring() -> Leaf {
    let semaphore = Arc::new(Semaphore::new(0));
    let (taken, added) = (semaphore.clone(), semaphore.clone());
    leaf(
        async move { drop(taken.acquire(3).await) },
        move || added.add_permits(3),
        move |is_ready, _| {
            let all = if is_ready { 3 } else { 0 };
            assert_eq!(semaphore.available_permits(), all);
        },
    )
}

fn notified() -> Leaf {
    let notify = Arc::new(Notify::new());
    let (taken, given) = (notify.clone(), notify.clone());
    leaf(
        async move { taken.notified().await },
        move || given.notify_one(),
        move |is_ready, is_taken| {
            let mut next = Box::pin(notify.notified());
            assert_eq!(next.as_mut().enable(), is_ready && !is_taken, "not lost");
        },
    )
}

fn event() -> Leaf {
    let event = Arc::new(Event::new());
    let awaited = event.clone();
    leaf(
        async move { awaited.wait().await },
        move || {
            let _ = event.set();
        },
        |_, _| {},
    )
}

fn barrier() -> Leaf {
    let barrier = Arc::new(Barrier::new(2));
    let (here, there) = (barrier.clone(), barrier.clone());
    leaf(
        async move { here.wait().await },
        move || {
            // The second one to arrive, if the first is still there.
            let mut arrival = Box::pin(there.wait());
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = arrival.as_mut().poll(&mut cx);
        },
        move |_, _| assert_eq!(barrier.arrivals(), 0),
    )
}

fn condition() -> Leaf {
    let lock = Arc::new(Lock::new(false));
    let condition = Arc::new(Condvar::new());
    let (held, awaited) = (lock.clone(), condition.clone());
    leaf(
        async move {
            let guard = held.lock().await;
            drop(awaited.wait(guard).await);
        },
        move || {
            let _ = condition.notify_all();
        },
        move |_, _| assert!(lock.try_lock().is_ok()),
    )
}

fn group() -> Leaf {
    let group = Arc::new(WaitGroup::new());
    let member = group.add();
    leaf(
        async move { group.wait().await },
        move || drop(member),
        |_, _| {},
    )
}

fn joining() -> Leaf {
    let (send, receive) = channel::oneshot::<()>();
    let task = spawn(async move {
        let _ = receive.await;
    });
    // Whether the wait is a tie is up to the policy: see `stop_rules`, G16 and G24.
    leaf(task, || {}, move |_, _| drop(send)).only_outside()
}

fn joining_a_job() -> Leaf {
    let event = Arc::new(Event::new());
    let until = event.clone();
    let (begin, begun) = std::sync::mpsc::channel();
    let job = spawn_blocking(move || {
        begin.send(()).unwrap();
        until.wait_blocking();
    });
    // Where a wait is a tie the stop reaches the job, and one that has not begun ends by it.
    begun.recv().unwrap();
    leaf(
        job,
        || {},
        move |_, _| {
            event.set();
        },
    )
    .only_outside()
}

fn sleeping() -> Leaf {
    leaf(sleep(HOUR), || {}, |_, _| {}).only_outside()
}

fn ticking() -> Leaf {
    let mut ticks = interval(HOUR);
    let wait = async move {
        ticks.tick().await;
        ticks.tick().await;
    };
    leaf(wait, || {}, |_, _| {}).only_outside()
}

fn timing_out() -> Leaf {
    leaf(
        timeout(HOUR, std::future::pending::<()>()),
        || {},
        |_, _| {},
    )
    .only_outside()
}

impl Leaf {
    /// What makes it ready does so by way of the runtime, and not at once.
    fn only_outside(mut self) -> Self {
        self.ready = None;
        self
    }
}

type Make = fn() -> Leaf;

const LEAVES: [(&str, Make); 23] = [
    ("recv", receiving),
    ("send", sending),
    ("reserve", reserving),
    ("rendezvous", meeting_as_sender),
    ("oneshot", once),
    ("broadcast", broadcasting),
    ("watch", watching),
    ("lock", locking),
    ("read lock", reading_a_lock),
    ("write lock", writing_a_lock),
    ("semaphore", acquiring),
    ("notify", notified),
    ("event", event),
    ("barrier", barrier),
    ("condvar", condition),
    ("wait group", group),
    ("join", joining),
    ("join of a job", joining_a_job),
    ("sleep", sleeping),
    ("interval", ticking),
    ("timeout", timing_out),
    ("accept", accepting),
    ("read", reading),
];

fn accepting() -> Leaf {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    leaf(async move { listener.accept().await }, || {}, |_, _| {}).only_outside()
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    (
        TcpStream::from_std(here).unwrap(),
        TcpStream::from_std(there).unwrap(),
    )
}

fn reading() -> Leaf {
    let (here, there) = connected();
    leaf(
        async move {
            let mut buffer = [0; 16];
            here.read(&mut buffer).await
        },
        || {},
        move |_, _| drop(there),
    )
    .only_outside()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// The stop comes first, and then the wait.
    Before,
    /// The wait is parked when the stop comes.
    Parked,
    /// The stop comes first, and the wait would be ready.
    ReadyButFresh,
    /// The wait is parked, and made ready right before the stop.
    ReadyThenStop,
    /// The wait is parked, and made ready right after the stop.
    StopThenReady,
}

const MOMENTS: [Moment; 5] = [
    Moment::Before,
    Moment::Parked,
    Moment::ReadyButFresh,
    Moment::ReadyThenStop,
    Moment::StopThenReady,
];

#[test]
fn g08_every_leaf_obeys_at_every_moment_with_every_waker() {
    for (name, policy) in GENTLE {
        for (which, make) in LEAVES {
            for moment in MOMENTS {
                for is_foreign in [false, true] {
                    let case = format!("{name}, {which}, {moment:?}, foreign waker: {is_foreign}");
                    within_patience(&case.clone(), move || {
                        alone(policy).block_on(run(make, moment, is_foreign, &case));
                    });
                }
            }
        }
    }
}

async fn run(make: Make, moment: Moment, is_foreign: bool, case: &str) {
    let Leaf { wait, ready, check } = make();
    let is_parked = matches!(
        moment,
        Moment::Parked | Moment::ReadyThenStop | Moment::StopThenReady
    );
    let gate = Arc::new(Event::new());
    let until = gate.clone();
    let task = spawn(async move {
        until.wait().await;
        if is_foreign {
            Foreign::new(wait.or_stop()).await.is_ok()
        } else {
            wait.or_stop().await.is_ok()
        }
    });
    if is_parked {
        gate.set();
    }
    // A job that blocks keeps the time from moving on: whoever has waited longest has been polled by then.
    for _ in 0..20 {
        lenio_executor::yield_now().await;
    }
    let make_ready = |is_wanted: bool| {
        let ready = ready.filter(|_| is_wanted);
        let is_made = ready.is_some();
        ready.into_iter().for_each(|ready| ready());
        is_made
    };
    let is_ready = match moment {
        Moment::Before | Moment::Parked => {
            task.stop("");
            false
        }
        Moment::ReadyButFresh | Moment::ReadyThenStop => {
            let is_ready = make_ready(true);
            task.stop("");
            is_ready
        }
        Moment::StopThenReady => {
            task.stop("");
            make_ready(true)
        }
    };
    gate.set();
    let is_taken = task.await.unwrap();
    let expected = is_parked && is_ready;
    assert_eq!(is_taken, expected, "{case}");
    check(is_ready, is_taken);
}

#[test]
fn g08_a_write_and_a_connect_obey_as_well() {
    within_patience("write", || {
        for (name, policy) in GENTLE {
            for is_foreign in [false, true] {
                // Real time: bytes in a socket are outside of any clock.
                let runtime = super::support::real_crew(1, policy);
                runtime.block_on(async move {
                    let (mut here, there) = connected();
                    let task = spawn(async move {
                        let all = async move {
                            loop {
                                here.write_all(&[0; 65_536]).await.unwrap();
                            }
                        };
                        let all: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(all);
                        if is_foreign {
                            Foreign::new(all.or_stop()).await.is_err()
                        } else {
                            all.or_stop().await.is_err()
                        }
                    });
                    while lenio_executor::Handle::current().unwrap().metrics().polls() == 0 {
                        lenio_executor::yield_now().await;
                    }
                    task.stop("");
                    assert!(task.await.map_or(true, |is_stopped| is_stopped), "{name}");
                    drop(there);

                    let address = "127.0.0.1:9".parse::<std::net::SocketAddr>().unwrap();
                    let task = spawn(async move {
                        lenio_executor::stop_handle().unwrap().stop("");
                        TcpStream::connect(address).or_stop().await.is_err()
                    });
                    assert!(task.await.unwrap(), "{name}: not even begun");
                });
            }
        }
    });
}

#[test]
fn g08_a_timeout_around_an_aware_wait_tells_a_stop_from_its_own_end() {
    for (name, policy) in GENTLE {
        let runtime = alone(policy);
        let clock = runtime.clock().clone();
        runtime.block_on(async {
            let begin: Instant = clock.now();
            let task = spawn(async {
                let first = timeout(HOUR, sleep(2 * HOUR).or_stop()).await;
                let second = timeout(HOUR, sleep(2 * HOUR).or_stop()).await;
                (first.is_err(), second.map(|wait| wait.is_err()))
            });
            sleep(HOUR + HOUR / 2).await;
            task.stop("");
            let (first, second) = task.await.unwrap();
            assert!(first, "{name}: elapsed");
            assert_eq!(second.ok(), Some(true), "{name}: stopped");
            super::support::assert_on_time(clock.now(), begin + HOUR + HOUR / 2);
            quiet().await;
        });
    }
}
