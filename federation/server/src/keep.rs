//! Loops that live as long as the process: they end when the drain begins.

use pelago_runtime::scope::Scope;

/// Runs a loop until the drain begins; whatever it holds open closes then.
pub(crate) fn keep(scope: &Scope, name: &str, task: impl Future<Output = ()> + Send + 'static) {
    let drain = scope.shutdown();
    scope.spawn(name, async move {
        tokio::select! {
            () = drain.begun() => {}
            () = task => {}
        }
    });
}
