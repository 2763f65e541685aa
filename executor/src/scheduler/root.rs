//! The future of a `block_on`, as its worker sees it: woken or not.

use crate::context::chain::Chain;
use crate::policy::StopPolicy;
use crate::task::tree::{Kind, Node};
use crate::task::{Home, RootSeat, TaskId, line};
use lenio_sync::park::Parker;
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering};
use std::panic::Location;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};

/// The waker of a root future: a flag, and the parker of the thread that polls it.
#[derive(Debug)]
pub(crate) struct Root {
    woken: AtomicBool,
    parker: Mutex<Arc<Parker>>,
    key: TaskId,
    at: &'static Location<'static>,
    chain: Chain,
    /// The future's place in the task tree, made when it is first needed.
    node: OnceLock<Arc<Node>>,
}

/// A root while it is polled, with what its node is made from.
pub(crate) struct Seat<'r, F> {
    pub(crate) root: &'r Arc<Root>,
    pub(crate) home: F,
}

impl<F: Fn() -> Arc<dyn Home>> RootSeat for Seat<'_, F> {
    fn node(&self) -> Option<&Arc<Node>> {
        self.root.node.get()
    }

    fn node_or_new(&self) -> &Arc<Node> {
        self.root.node.get_or_init(|| {
            let home = (self.home)();
            let policy: StopPolicy = home.policy();
            let node = Node::new(
                Kind::Task,
                None,
                None,
                self.root.at,
                policy,
                self.root.chain.clone(),
            );
            node.bind_root(self.root.waker(), home);
            node
        })
    }

    fn chain(&self) -> &Chain {
        &self.root.chain
    }

    fn key(&self) -> TaskId {
        self.root.key
    }

    fn is_woken_by(&self, waker: &Waker) -> bool {
        ptr::eq(waker.data(), Arc::as_ptr(self.root).cast())
    }
}

impl Root {
    /// A root future that has to be polled, by the thread that sleeps at `parker`.
    pub(crate) fn new(parker: Arc<Parker>, at: &'static Location<'static>) -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            parker: Mutex::new(parker),
            key: TaskId::next(),
            at,
            chain: line::current(),
            node: OnceLock::new(),
        })
    }

    /// The future's place in the task tree, if it has one.
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.node.get()
    }

    /// Moves to another sleeping place. What was woken before stays woken.
    pub(crate) fn move_to(&self, parker: Arc<Parker>) {
        *self.parker.lock() = parker;
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Takes the wake, if there was one.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `wake_by_ref`: what the waker wrote is visible to the poll. The load first is a
        // plain look on the way of every poll.
        self.is_woken() && self.woken.swap(false, Ordering::Acquire)
    }

    /// Whether there is a wake to take. A sleeper puts a fence before; a wake that comes later leaves a token at the parker.
    #[inline]
    pub(crate) fn is_woken(&self) -> bool {
        // ORDERING: Relaxed: `take` acquires.
        self.woken.load(Ordering::Relaxed)
    }
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release pairs with the Acquire in `take`. An RMW, so that every waker's writes are carried.
        if self.woken.swap(true, Ordering::Release) {
            return;
        }
        let parker = self.parker.lock().clone();
        parker.unpark();
    }
}
