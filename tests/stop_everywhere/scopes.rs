//! Programs made of scopes.

use crate::audit::{Audit, Count, Item};
use lenio::future::join;
use lenio::sync::stop::{StopKind, Stopped};
use lenio::time::{sleep, timeout};
use lenio::{
    OnFailure, Scope, ScopeBuilder, StopExt, check_stop, scope, scope_with, shield, try_scope,
};
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

/// Living members of a scope, which are none when the scope has returned.
struct Member(Count, Count);

impl Member {
    fn new(born: &Count, gone: &Count) -> Self {
        born.add(1);
        Self(born.clone(), gone.clone())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.1.add(1);
        assert!(self.1.get() <= self.0.get());
    }
}

pub(crate) async fn scopes_in_scopes(audit: Audit) {
    fn level(audit: Audit, depth: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let (born, gone) = (Count::default(), Count::default());
            let (all, none_left) = (born.clone(), gone.clone());
            scope(|s| async move {
                for _ in 0..2 {
                    let (audit, member) = (audit.clone(), Member::new(&born, &gone));
                    drop(s.spawn(async move {
                        let _member = member;
                        audit.pause().await;
                        audit.pause().or_stop().await.ok();
                    }));
                }
                if depth > 0 {
                    level(audit.clone(), depth - 1).await;
                }
                audit.pause().or_stop().await.ok();
            })
            .await;
            assert_eq!(
                all.get(),
                none_left.get(),
                "a scope has left somebody behind"
            );
        })
    }
    level(audit, 3).await;
}

#[derive(Debug)]
enum Failure {
    Stopped(Stopped),
    Broken(u32),
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(stopped) => stopped.fmt(f),
            Self::Broken(n) => write!(f, "broken {n}"),
        }
    }
}

pub(crate) async fn a_child_that_fails(audit: Audit) {
    let result = try_scope(
        |s: Scope<Box<dyn std::error::Error + Send + Sync>>| async move {
            let (fails, cleans) = (audit.clone(), audit.clone());
            drop(s.spawn_fallible::<_, ()>(async move {
                fails.pause().or_stop().await?;
                let _item: Item = fails.item();
                fails.pause().or_stop().await?;
                Err("broken".into())
            }));
            drop(s.spawn_fallible(async move {
                let _item = cleans.item();
                let stopped = pending::<()>().or_stop().await;
                cleans.pause().await;
                Ok(stopped?)
            }));
            audit.pause().await;
            pending::<()>().or_stop().await?;
            Ok(())
        },
    )
    .await;
    let error = result.unwrap_err();
    let was_stopped = check_stop().is_err();
    assert!(
        was_stopped || error.first.to_string() == "broken",
        "{error}"
    );
    assert!(error.rest.is_empty(), "stops are no failures");
}

pub(crate) async fn failures_that_are_collected(audit: Audit) {
    let result = ScopeBuilder::new()
        .on_failure(OnFailure::LetFinish)
        .try_run(|s| async move {
            for n in 0..4 {
                let audit = audit.clone();
                drop(s.spawn_fallible::<_, ()>(async move {
                    audit.pause().await;
                    audit.pause().or_stop().await.ok();
                    Err(Failure::Broken(n))
                }));
            }
            audit.pause().or_stop().await?;
            Ok(())
        })
        .await;
    let Err(error) = result else {
        assert!(check_stop().is_err(), "all had to fail");
        return;
    };
    let mut all: Vec<_> = error.into_all().map(|error| error.to_string()).collect();
    let all_len = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), all_len, "each once");
    assert!(all_len == 4 || check_stop().is_err(), "{all:?}");
}

pub(crate) async fn a_scope_with_a_deadline(audit: Audit) {
    let body = ScopeBuilder::new()
        .name("patience")
        .deadline(Duration::from_millis(6))
        .run(|s| async move {
            for _ in 0..3 {
                let audit = audit.clone();
                drop(s.spawn(async move {
                    let _item = audit.item();
                    let stopped = pending::<()>().or_stop().await;
                    audit.pause().await;
                    stopped
                }));
            }
            audit.pause().await;
            let inner = ScopeBuilder::new().deadline(Duration::from_secs(3600));
            inner
                .run(|_| async { pending::<()>().or_stop().await })
                .await
        });
    let stopped = body.await.unwrap_err();
    let kind = stopped.reason().kind();
    assert!(
        kind == StopKind::Deadline || check_stop().is_err(),
        "{kind:?}"
    );
}

pub(crate) async fn a_scope_around_a_state(audit: Audit) {
    let returned = scope_with(Mutex::new(Vec::new()), |s, list| async move {
        for n in 0..3 {
            let (audit, list) = (audit.clone(), list.clone());
            drop(s.spawn(async move {
                audit.pause().await;
                if let Ok(mut list) = list.lock() {
                    list.push((n, audit.item()));
                }
                audit.pause().or_stop().await.ok();
            }));
        }
        audit.pause().or_stop().await.ok();
    });
    let list = returned.await.state.unwrap().into_inner().unwrap();
    assert!(list.len() == 3 || check_stop().is_err());
}

/// The scope's future goes at a time that it has not chosen, its cleanup and its children with it, but not before the task.
pub(crate) async fn a_scope_that_is_given_up(audit: Audit) {
    let (born, gone) = (Count::default(), Count::default());
    let (all, none_left) = (born.clone(), gone.clone());
    audit.expect("the task waits for what its scope has left", move || {
        all.get() == none_left.get()
    });
    let patience = Duration::from_millis(audit.below(8) as u64);
    let of_scope = audit.clone();
    let half_way = scope(|s| async move {
        let audit = of_scope;
        let (promise, waits) = (audit.promise("the cleanup of the scope"), audit.clone());
        s.on_exit(async move {
            waits.pause().await;
            promise.keep();
        });
        for _ in 0..2 {
            let (audit, s, member) = (audit.clone(), s.clone(), Member::new(&born, &gone));
            drop(s.clone().spawn(async move {
                let _member = member;
                audit.pause().or_stop().await.ok();
                let promise = audit.promise("the cleanup of a child");
                s.on_exit(async move { promise.keep() });
                pending::<()>().or_stop().await.ok();
                audit.pause().await;
            }));
        }
        audit.pause().await;
        shield(audit.pause()).await;
        pending::<()>().or_stop().await.ok();
    });
    let beside = async {
        audit.pause().await;
        sleep(Duration::from_millis(1)).or_stop().await.ok();
    };
    join((timeout(patience, half_way), beside)).await.0.ok();
    audit.pause().await;
}
