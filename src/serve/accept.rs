//! The accept loop, and what it does at its end.

use super::fault::{Backoff, Fault};
use super::report::ServeReport;
use crate::future::race;
use lenio_executor::{Grace, Handle, JoinError, JoinSet, shield, stop_handle, yield_now};
use lenio_net::tcp::{TcpListener, TcpStream};
use lenio_sync::stop::{StopKind, StopReason, StopSource, StopToken};
use lenio_time::{Sleep, sleep};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

/// How long handshakes that were under way at the stop may take to end: a packet to the peer and back.
const HANDSHAKE: Duration = Duration::from_millis(100);
/// The most connections that are accepted in one go after the stop: as many as a listener's queue is asked to hold. It counts only where
/// newcomers cannot be held off.
const QUEUE: usize = 4096;

/// What the builder has collected.
pub(super) struct Options {
    pub(super) on_error: Box<dyn FnMut(&io::Error) + Send>,
    pub(super) grace: Duration,
    pub(super) max_connections: usize,
}

/// A server that has not begun.
pub(super) struct AcceptLoop<H> {
    listener: TcpListener,
    /// Shared with the connections that call it.
    handler: Arc<H>,
    options: Options,
    open: JoinSet<()>,
    /// Stops the connections. Not the tree: see [`run`](Self::run).
    stops: StopSource,
    backoff: Backoff,
    report: ServeReport,
}

/// What the loop waits for.
enum Event {
    Stop(StopReason),
    Rested,
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    Ended(Result<(), JoinError>),
}

/// Whether there is any use in going on to accept.
enum Next {
    Go,
    /// What was short comes back in time.
    Rest,
    /// The listener is broken.
    End,
}

impl<H, F> AcceptLoop<H>
where
    H: Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    pub(super) fn new(listener: TcpListener, handler: H, options: Options) -> Self {
        Self {
            listener,
            handler: Arc::new(handler),
            options,
            open: JoinSet::new(),
            stops: StopSource::new(),
            backoff: Backoff::default(),
            report: ServeReport::default(),
        }
    }

    /// Serves until `stop` resolves or the loop's task is stopped, and then until all connections have ended.
    ///
    /// The connections are children of the loop below a shield. If a stop came to them through the tree it would find some that have not
    /// been polled so far, and a task that is stopped before its first poll is never polled: what their peers have sent would be lost.
    /// So the loop hears of the stop by a token, and each connection listens to the loop from its first poll on.
    pub(super) async fn run(
        self,
        stop: Pin<Box<dyn Future<Output = StopReason> + Send>>,
    ) -> ServeReport {
        let me = stop_handle();
        let own = me.map_or_else(StopToken::never, |me| me.token());
        let stop = async move { race((own.stopped(), stop)).await };
        shield(self.serve(stop)).await
    }

    async fn serve(mut self, stop: impl Future<Output = StopReason>) -> ServeReport {
        let runtime = match Handle::current() {
            Ok(runtime) => runtime,
            Err(error) => {
                self.report.broken = Some(io::Error::other(error));
                return self.report;
            }
        };
        let reason = {
            // Let go of before the connections are waited for: a second Ctrl-C, say, ends the process as if nobody listened to it.
            let mut stop = pin!(stop);
            self.accept_until(stop.as_mut(), &runtime).await
        };
        self.report.reason = Some(reason.clone());
        self.stops.stop(reason);
        self.accept_the_rest(&runtime).await;
        let Self {
            listener,
            mut open,
            mut report,
            ..
        } = self;
        drop(listener);
        while let Some(outcome) = open.join_next().await {
            report.count(&outcome);
        }
        report
    }

    /// Accepts until the stop.
    async fn accept_until(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = StopReason>>,
        runtime: &Handle,
    ) -> StopReason {
        loop {
            let is_full = self.is_full();
            let rest = self.backoff.rest();
            let (open, listener) = (&mut self.open, &self.listener);
            // Ended connections before new ones: there are at most as many as are open, so they starve nobody.
            let event = race((
                async { Event::Stop(stop.as_mut().await) },
                async {
                    match open.join_next().await {
                        Some(outcome) => Event::Ended(outcome),
                        None => pending().await,
                    }
                },
                async {
                    if let Some(rest) = rest {
                        sleep(rest).await;
                        return Event::Rested;
                    }
                    if is_full {
                        return pending().await;
                    }
                    Event::Accepted(listener.accept().await)
                },
            ));
            match event.await {
                Event::Stop(reason) => return reason,
                Event::Rested => self.backoff.rested(),
                Event::Ended(outcome) => {
                    self.report.count(&outcome);
                    // What was short may be there again.
                    self.backoff.rested();
                }
                Event::Accepted(accepted) => match self.take(accepted, runtime) {
                    Next::Go => self.backoff.reset(),
                    Next::Rest => self.backoff.start(),
                    Next::End => {
                        return StopReason::new(StopKind::Requested)
                            .with_message("the listener broke");
                    }
                },
            }
        }
    }

    /// Accepts the connections that their peers believe to be open.
    ///
    /// Newcomers are held off, where that is possible. Without it, under a load of fresh connections, 3 stops of 120 lost a request between
    /// the last look and the close; with it 0 of 200.
    async fn accept_the_rest(&mut self, runtime: &Handle) {
        let grace = self.options.grace;
        let mut over = pin!(sleep(grace));
        let is_shut = self.listener.hold_off().is_ok();
        self.accept_what_waits(over.as_mut(), runtime).await;
        if is_shut {
            // Handshakes that were under way.
            sleep(grace.min(HANDSHAKE)).await;
            self.accept_what_waits(over, runtime).await;
        }
    }

    /// Accepts until nothing waits in the kernel's queue, as long as the grace lasts.
    async fn accept_what_waits(&mut self, mut over: Pin<&mut Sleep>, runtime: &Handle) {
        let mut must_wait = false;
        for count in 1..=QUEUE {
            while must_wait || self.is_full() {
                must_wait = false;
                let ended = race((async { self.open.join_next().await }, async {
                    over.as_mut().await;
                    None
                }));
                match ended.await {
                    Some(outcome) => self.report.count(&outcome),
                    // The grace is over, or nothing is open: what is short does not come from here.
                    None => return,
                }
            }
            let accepted = self.listener.try_accept();
            if matches!(&accepted, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                return;
            }
            match self.take(accepted, runtime) {
                Next::Go => {}
                Next::Rest => must_wait = true,
                Next::End => return,
            }
            if count % 64 == 0 {
                yield_now().await;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.open.len() >= self.options.max_connections
    }

    /// Serves what was accepted, or looks at why nothing was.
    fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>, runtime: &Handle) -> Next {
        match accepted {
            Ok((stream, peer)) => {
                self.report.accepted += 1;
                self.begin(stream, peer, runtime);
                Next::Go
            }
            Err(error) => {
                self.report.accept_errors += 1;
                (self.options.on_error)(&error);
                match Fault::of(&error) {
                    Fault::Connection => Next::Go,
                    Fault::Exhausted => Next::Rest,
                    Fault::Listener => {
                        self.report.broken = Some(error);
                        Next::End
                    }
                }
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr, runtime: &Handle) {
        let handler = self.handler.clone();
        let stops = self.stops.token();
        let grace = self.options.grace;
        let connection = runtime
            .task()
            .child()
            .grace(Grace::new(grace, grace.saturating_mul(2)));
        self.open.insert(connection.spawn(async move {
            let _listens = stop_handle().map(|me| {
                let reason = stops.clone();
                stops.on_stop(move || {
                    if let Some(reason) = reason.reason() {
                        me.stop_because(reason);
                    }
                })
            });
            let connection = handler(stream, peer);
            drop(handler);
            connection.await;
        }));
    }
}
