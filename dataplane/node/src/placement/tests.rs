use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("told to fail")]
struct Told;

#[tokio::test]
async fn workers_run_on_threads_of_their_own_and_what_they_spawned_outlives_them() {
    let scope = Scope::new("test");
    let (names, mut told) = mpsc::channel(8);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let names = names.clone();
            let drain = scope.shutdown();
            let connections = Arc::new(scope.child("connections"));
            async move {
                let here = || std::thread::current().name().map(str::to_owned);
                names.send(here()).await.unwrap();
                let (late, keep) = (names.clone(), Arc::clone(&connections));
                let drained = drain.clone();
                connections.spawn("connection", async move {
                    drained.begun().await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    late.send(here()).await.unwrap();
                    drop(keep);
                });
                drain.begun().await;
                Ok::<(), Told>(())
            }
        })
        .collect();
    drop(names);
    let threads = Placement::Threads(NonZeroUsize::new(2).unwrap())
        .place(workers, &scope)
        .unwrap();
    let mut first = vec![told.recv().await.unwrap(), told.recv().await.unwrap()];
    first.sort();
    let expected = ["worker-0", "worker-1"].map(|name| Some(name.to_owned()));
    assert_eq!(first, expected);
    let drained = scope.drain(Duration::from_secs(10)).await;
    assert!(drained.cut.is_empty(), "{drained:?}");
    let mut late = vec![told.recv().await.unwrap(), told.recv().await.unwrap()];
    late.sort();
    assert_eq!(late, expected);
    drop(threads);
}

#[tokio::test]
async fn a_worker_that_fails_or_panics_ends_the_scope() {
    let scope = Scope::new("test");
    let one = Placement::Threads(NonZeroUsize::MIN);
    let _threads = one.place(vec![async { Err(Told) }], &scope).unwrap();
    assert_eq!(scope.ended().await.task, "test/worker-0");

    let scope = Scope::new("test");
    let panics = async {
        if scope_is_real() {
            panic!("on purpose");
        }
        Ok::<(), Told>(())
    };
    let _threads = one.place(vec![panics], &scope).unwrap();
    assert_eq!(scope.ended().await.task, "test/worker-0");
}

const fn scope_is_real() -> bool {
    true
}
