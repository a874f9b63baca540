//! Signs of life: one PING at a time, shared by all who ask for one.
//!
//! The driver runs [`keep`]; [`Pings`] asks it. Nothing here closes anything:
//! whoever runs [`keep`] ends the connection when it returns.

use std::sync::Arc;
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

/// Asks for PINGs and waits for their answers.
#[derive(Debug, Clone)]
pub(crate) struct Pings {
    asked: Arc<Notify>,
    answered: watch::Receiver<Duration>,
}

/// The side of the driver.
#[derive(Debug)]
pub(crate) struct Answers {
    asked: Arc<Notify>,
    answered: watch::Sender<Duration>,
}

pub(crate) fn channel() -> (Pings, Answers) {
    let asked = Arc::new(Notify::new());
    let (sender, answered) = watch::channel(Duration::ZERO);
    let pings = Pings {
        asked: Arc::clone(&asked),
        answered,
    };
    (
        pings,
        Answers {
            asked,
            answered: sender,
        },
    )
}

impl Pings {
    /// The round trip of the next answer; `None` when there will be none.
    pub(crate) async fn ping(&self) -> Option<Duration> {
        let mut answered = self.answered.clone();
        answered.borrow_and_update();
        self.asked.notify_one();
        answered.changed().await.ok()?;
        let took = *answered.borrow_and_update();
        Some(took)
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        let mut answered = self.answered.clone();
        while answered.changed().await.is_ok() {}
    }

    pub(crate) fn has_ended(&self) -> bool {
        let mut answered = self.answered.clone();
        answered.borrow_and_update();
        answered.has_changed().is_err()
    }
}

/// Pings at least every `every`; returns when an answer took longer than
/// `limit` or the connection is over.
pub(crate) async fn keep(
    mut pingpong: PingPong,
    answers: Answers,
    every: Duration,
    limit: Duration,
) {
    loop {
        tokio::select! {
            () = answers.asked.notified() => {}
            () = sleep(every) => {}
        }
        let sent = Instant::now();
        match timeout(limit, pingpong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => answers.answered.send_replace(sent.elapsed()),
            Ok(Err(_)) | Err(_) => return,
        };
    }
}
