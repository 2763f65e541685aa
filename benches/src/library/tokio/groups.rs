//! tokio's `JoinSet` and tokio-util's `TaskTracker`, each with tokio-util's `CancellationToken`.
//!
//! A tree of them is written by hand: a child token for each task below, and its handle is awaited.

use std::future::Future;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::library::{Groups, Library};
use crate::rt::Joined;

const HOMES: &[&str] = super::LIBRARY.homes;

/// `JoinSet` and `CancellationToken`.
pub(crate) struct JoinSets;

impl Groups for JoinSets {
    const LIBRARY: Library = Library {
        name: "join-set",
        homes: HOMES,
    };
    type Token = CancellationToken;
    type Group = (JoinSet<()>, CancellationToken);
    type Stopper = CancellationToken;
    type Waited<T> = Option<T>;

    async fn run(fill: impl FnOnce(&mut Self::Group) + Send) {
        let mut group = (JoinSet::new(), CancellationToken::new());
        fill(&mut group);
        while let Some(ended) = group.0.join_next().await {
            ended.expect("a task of a benchmark ran to its end");
        }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        (set, token): &mut Self::Group,
        task: impl FnOnce(CancellationToken) -> F,
    ) {
        set.spawn(task(token.clone()));
    }

    fn stopper((_, token): &Self::Group) -> CancellationToken {
        token.clone()
    }

    fn stop(token: &CancellationToken) {
        token.cancel();
    }

    fn is_stopped(token: &CancellationToken) -> bool {
        token.is_cancelled()
    }

    fn or_stop<F: Future<Output: Send> + Send>(
        token: &CancellationToken,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send {
        token.run_until_cancelled(future)
    }

    fn output<T>(waited: Option<T>) -> Option<T> {
        waited
    }

    fn spawn_below<F: Future<Output = ()> + Send + 'static>(
        token: &CancellationToken,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> impl Future<Output = ()> + Send + 'static {
        Joined(tokio::spawn(task(token.child_token())))
    }
}

/// `TaskTracker` and `CancellationToken`.
pub(crate) struct TaskTrackers;

impl Groups for TaskTrackers {
    const LIBRARY: Library = Library {
        name: "task-tracker",
        homes: HOMES,
    };
    type Token = CancellationToken;
    type Group = (TaskTracker, CancellationToken);
    type Stopper = CancellationToken;
    type Waited<T> = Option<T>;

    async fn run(fill: impl FnOnce(&mut Self::Group) + Send) {
        let mut group = (TaskTracker::new(), CancellationToken::new());
        fill(&mut group);
        group.0.close();
        group.0.wait().await;
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        (tracker, token): &mut Self::Group,
        task: impl FnOnce(CancellationToken) -> F,
    ) {
        drop(tracker.spawn(task(token.clone())));
    }

    fn stopper((_, token): &Self::Group) -> CancellationToken {
        token.clone()
    }

    fn stop(token: &CancellationToken) {
        JoinSets::stop(token);
    }

    fn is_stopped(token: &CancellationToken) -> bool {
        JoinSets::is_stopped(token)
    }

    fn or_stop<F: Future<Output: Send> + Send>(
        token: &CancellationToken,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send {
        JoinSets::or_stop(token, future)
    }

    fn output<T>(waited: Option<T>) -> Option<T> {
        waited
    }

    fn spawn_below<F: Future<Output = ()> + Send + 'static>(
        token: &CancellationToken,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> impl Future<Output = ()> + Send + 'static {
        JoinSets::spawn_below(token, task)
    }
}
