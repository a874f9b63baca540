use std::future::pending;
use std::io;

use tokio::sync::oneshot;

use super::*;

const LONG: Duration = Duration::from_secs(10);

/// Resolves when the task that holds the other end is dropped.
fn tether() -> (oneshot::Sender<()>, impl Future<Output = ()>) {
    let (held, dropped) = oneshot::channel::<()>();
    (held, async move {
        let _ = tokio::time::timeout(LONG, dropped)
            .await
            .expect("it was not dropped");
    })
}

async fn ended(scope: &Scope) -> Ended {
    tokio::time::timeout(LONG, scope.ended())
        .await
        .expect("the scope did not end")
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_tasks_and_guards() {
    let scope = Scope::new("s");
    let drain = scope.shutdown();
    let guard = drain.guard();
    let signal = drain.clone();
    scope.spawn("task", async move {
        signal.begun().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    });
    scope.spawn("connection", async move {
        drain.begun().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(guard);
    });
    assert_eq!(scope.live(), 3);
    let start = tokio::time::Instant::now();
    let drained = scope.drain(LONG).await;
    assert_eq!(
        drained,
        Drained {
            finished: 3,
            cut: vec![]
        }
    );
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert!(scope.shutdown().is_draining());
}

#[tokio::test(start_paused = true)]
async fn deadline_cuts_and_names_who_is_left() {
    let scope = Scope::new("s");
    let child = scope.child("c");
    let (held, dropped) = tether();
    scope.spawn("stuck", async move {
        let _held = held;
        pending::<()>().await;
    });
    child.spawn("stuck too", pending::<()>());
    let signal = scope.shutdown();
    scope.spawn("good", async move { signal.begun().await });
    let drained = scope.drain(Duration::from_secs(2)).await;
    assert_eq!(drained.finished, 1);
    assert_eq!(drained.cut, ["s/c/stuck too", "s/stuck"]);
    dropped.await;
    assert_eq!((scope.live(), child.live()), (0, 0));
    // Nothing starts in a scope that was cut.
    let (held, dropped) = tether();
    child.spawn("late", async move {
        let _held = held;
        pending::<()>().await;
    });
    dropped.await;
}

#[tokio::test(start_paused = true)]
async fn a_guard_held_for_ever_is_named_not_waited_for() {
    let scope = Scope::new("s");
    let _guard = scope.shutdown().guard();
    let drained = tokio::time::timeout(LONG, scope.drain(Duration::from_secs(1))).await;
    assert_eq!(drained.unwrap().cut, ["s/connection"]);
}

#[tokio::test]
async fn finished_tasks_leave_nothing_behind() {
    let scope = Scope::new("s");
    let child = scope.child("c");
    for _ in 0..1000 {
        let (held, dropped) = tether();
        child.spawn("short", async move { drop(held) });
        dropped.await;
    }
    child.ledger.tasks_gone().await;
    assert_eq!((child.live(), scope.live()), (0, 0));
    assert_eq!(scope.drain(LONG).await.cut, Vec::<String>::new());
}

#[tokio::test]
async fn a_failed_task_ends_its_scope_and_the_one_around_it() {
    let scope = Scope::new("s");
    let child = scope.child("c");
    child.spawn("fine", async { Ok::<(), io::Error>(()) });
    child.spawn("bad", async { Err(io::Error::other("broken")) });
    for scope in [&child, &scope] {
        let ended = ended(scope).await;
        assert_eq!(ended.task, "s/c/bad");
        let TaskError::Failed(cause) = ended.error.as_ref() else {
            panic!("{ended:?}");
        };
        assert_eq!(cause.to_string(), "broken");
        assert!(scope.shutdown().is_draining());
    }
}

#[tokio::test]
async fn a_supervised_scope_ends_alone_and_drains_with_its_parent() {
    let scope = Scope::new("s");
    let session = scope.supervised("session");
    session.spawn("bad", async { Err(io::Error::other("broken")) });
    ended(&session).await;
    assert!(!scope.shutdown().is_draining());

    let session = scope.supervised("session");
    let signal = session.shutdown();
    session.spawn("good", async move { signal.begun().await });
    assert_eq!(scope.drain(LONG).await.cut, Vec::<String>::new());
    assert!(session.shutdown().is_draining());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_the_scope_and_not_the_process() {
    let scope = Scope::new("s");
    scope.spawn("panics", async {
        tokio::task::yield_now().await;
        assert!(std::hint::black_box(false), "on purpose");
    });
    let ended = ended(&scope).await;
    assert_eq!(ended.task, "s/panics");
    assert!(matches!(ended.error.as_ref(), TaskError::Panicked));
    assert_eq!(scope.drain(LONG).await.cut, Vec::<String>::new());
}

#[tokio::test]
async fn a_critical_task_may_only_return_in_a_drain() {
    let scope = Scope::new("s");
    scope.spawn_critical("accept", async {});
    assert!(matches!(
        ended(&scope).await.error.as_ref(),
        TaskError::Returned
    ));

    let scope = Scope::new("s");
    let signal = scope.shutdown();
    scope.spawn_critical("accept", async move { signal.begun().await });
    scope.drain(LONG).await;
    let none = tokio::time::timeout(Duration::from_millis(10), scope.ended()).await;
    assert!(none.is_err(), "{none:?}");
}

#[tokio::test]
async fn aborting_is_not_an_unexpected_end() {
    let scope = Scope::new("s");
    scope.spawn_critical("stuck", pending::<()>());
    assert_eq!(scope.drain(Duration::ZERO).await.cut, ["s/stuck"]);
    let none = tokio::time::timeout(Duration::from_millis(10), scope.ended()).await;
    assert!(none.is_err(), "{none:?}");
}

#[tokio::test]
async fn dropping_a_scope_aborts_its_own_tasks_only() {
    let scope = Scope::new("s");
    let (first, first_dropped) = tether();
    let (mut second, second_dropped) = tether();
    let child = scope.child("c");
    child.spawn("task", async move {
        let _held = first;
        pending::<()>().await;
    });
    scope.spawn("task", async move {
        second.closed().await;
    });
    drop(child);
    first_dropped.await;
    assert_eq!(scope.live(), 1);
    drop(second_dropped);
    scope.ledger.tasks_gone().await;
}

#[test]
fn spawning_outside_a_runtime_ends_the_scope() {
    let scope = Scope::new("s");
    scope.spawn("lost", pending::<()>());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let ended = runtime.block_on(ended(&scope));
    assert!(matches!(ended.error.as_ref(), TaskError::NoRuntime));
    assert_eq!(scope.live(), 0);
}

/// Tasks of one scope on several runtimes, as the data plane's workers are.
#[test]
fn one_scope_spans_runtimes() {
    let scope = Arc::new(Scope::new("s"));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let scope = Arc::clone(&scope);
            std::thread::spawn(move || {
                let worker = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                worker.block_on(async {
                    let signal = scope.shutdown();
                    scope.spawn("worker", async move { signal.begun().await });
                    scope.ledger.idle().await;
                });
            })
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    while scope.live() < 3 {
        std::thread::yield_now();
    }
    let drained = runtime.block_on(scope.drain(LONG));
    assert_eq!(
        drained,
        Drained {
            finished: 3,
            cut: vec![]
        }
    );
    for worker in workers {
        worker.join().unwrap();
    }
}
