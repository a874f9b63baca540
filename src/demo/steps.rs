//! What the demo shows, step by step, each proven by what a process saw.

use std::time::Duration;

use tokio::time::Instant;

use super::files;
use super::intruder::{Attempt, Intruder};
use super::layout::{member, port};
use super::logs::{connection, text};
use super::traffic::{Answer, Load, call, request};
use super::world::World;
use crate::failure::Failure;

type Shown<T = ()> = Result<(T, String), Failure>;

const WEB: &str = "web.shop.svc.cluster.local";
const API: &str = "api.shop.svc.cluster.local";
const ORDERS: &str = "orders.shop.svc.west.mesh";
const FRONTEND: &str = "spiffe://east.example/ns/shop/sa/frontend";

/// Two commands join the clusters; gives the token and when the second ended.
pub(super) async fn join(world: &World) -> Shown<(String, Instant)> {
    let contexts = world.layout.contexts();
    let token = [
        "--cluster",
        "west",
        "peer",
        "token",
        "--export",
        "shop/orders",
        "--merge",
        "shop/api",
        "--yes",
    ];
    let token = world.command(&contexts, &token, "").await?;
    let joined = world
        .command(
            &contexts,
            &["--cluster", "east", "peer", "join", "-", "--yes"],
            &token,
        )
        .await?;
    Ok(((token, Instant::now()), joined))
}

/// A call that stays in its cluster.
pub(super) async fn call_inside(world: &World) -> Shown {
    let answer = call(
        world
            .layout
            .member(member("east", "frontend")?, port::SOCKS),
        WEB,
    )
    .await;
    let body = expect(answer, "web in east")?;
    Ok(((), format!("\"{body}\"")))
}

/// A call through the gateways; the callee's node names the caller.
pub(super) async fn call_across(world: &World, joined: Instant) -> Shown {
    let socks = world
        .layout
        .member(member("east", "frontend")?, port::SOCKS);
    // The first call is tried until the export has arrived; the time counts.
    let deadline = joined + Duration::from_secs(10);
    let answer = loop {
        let answer = call(socks, ORDERS).await;
        if answer.body.is_ok() || Instant::now() > deadline {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let done = answer.begun + answer.took;
    expect(answer, "orders in west")?;
    let line = connection(&world.layout.log("west/orders"), |line| {
        text(line, "direction") == "inbound" && text(line, "reason") == "ok"
    })
    .await?;
    let seen = text(&line, "verified_source");
    ensure(seen == FRONTEND, || {
        format!("the callee's node saw {seen:?}")
    })?;
    Ok((
        (),
        format!(
            "{:.2} s after the join; west/orders saw {seen}",
            done.duration_since(joined).as_secs_f64()
        ),
    ))
}

/// The same token, from a third cluster.
pub(super) async fn reuse_token(world: &mut World, token: &str) -> Shown {
    let context = files::write_stranger(&world.layout, STRANGER)?;
    world.start_controller(STRANGER)?;
    world.answers(STRANGER).await?;
    let contexts = world.layout.cluster(STRANGER).join("contexts.yaml");
    let tried = world
        .command(
            &contexts,
            &[
                "--cluster",
                context.cluster.as_str(),
                "peer",
                "join",
                "-",
                "--yes",
            ],
            token,
        )
        .await;
    world.end_one(&format!("{STRANGER}/controller")).await;
    match tried {
        Ok(_) => Err(Failure::Failed(anyhow::anyhow!(
            "a used token let a third cluster in"
        ))),
        Err(refused) => Ok(((), refused.to_string())),
    }
}

/// A service that is not exported, asked for at the gateway by hand.
pub(super) async fn unexported(world: &World) -> Shown {
    let intruder = Intruder::take(&world.layout.socket("east/frontend")).await?;
    let gateway = world.layout.gateway("west");
    let attempt = intruder
        .attempt(
            gateway,
            "spiffe://west.example/pelago/gateway/west/gw",
            "west",
            "vault.shop.svc.cluster.local",
        )
        .await?;
    refused(world, attempt, "west/gateway", "not_exported").await
}

/// A foreign identity at the door of a workload nothing leads to.
pub(super) async fn foreign(world: &World) -> Shown {
    let intruder = Intruder::take(&world.layout.socket("east/frontend")).await?;
    let vault = member("west", "vault")?;
    let address = world.layout.member(vault, port::HBONE);
    let attempt = intruder
        .attempt(
            address,
            &vault.spiffe_id(),
            "west",
            "vault.shop.svc.cluster.local",
        )
        .await?;
    refused(world, attempt, "west/vault", "not_exported").await
}

/// An identity that a policy denies.
pub(super) async fn denied(world: &World) -> Shown {
    let answer = call(
        world.layout.member(member("east", "api")?, port::SOCKS),
        WEB,
    )
    .await;
    ensure(answer.body.is_err(), || {
        "api reached web, which a policy denies".to_owned()
    })?;
    let denied = |line: &serde_json::Value| {
        text(line, "direction") == "inbound" && text(line, "reason") != "ok"
    };
    let line = connection(&world.layout.log("east/web"), denied).await?;
    let reason = text(&line, "reason");
    ensure(reason == "policy_denied", || {
        format!("east/web refused with reason {reason:?}")
    })?;
    Ok((
        (),
        format!(
            "east/web refused {}: {reason}",
            text(&line, "verified_source")
        ),
    ))
}

/// What was counted around a loss.
#[derive(Debug)]
pub(super) struct Loss {
    after: usize,
    failed: usize,
    slowest: Duration,
    before: usize,
    broken: usize,
    first_error: Option<String>,
}

/// Kills `west` under load and counts.
pub(super) async fn lose_west(world: &mut World) -> Result<Loss, Failure> {
    let socks = world
        .layout
        .member(member("east", "frontend")?, port::SOCKS);
    both_answer(world).await?;
    let load = Load::begin(socks, API, WIDTH);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let gone = world.kill("west").await?;
    tokio::time::sleep(AFTERMATH).await;
    Ok(count(load.end().await, gone))
}

/// `west` is lost and nobody notices.
pub(super) async fn loss(world: &mut World) -> Shown {
    let loss = lose_west(world).await?;
    ensure(loss.failed == 0, || {
        format!(
            "{} of {} requests failed afterwards, the first: {}",
            loss.failed,
            loss.after,
            loss.first_error.clone().unwrap_or_default()
        )
    })?;
    ensure(loss.slowest <= Duration::from_secs(1), || {
        format!("a request took {} ms", loss.slowest.as_millis())
    })?;
    ensure(loss.after > 0, || {
        "no request was made afterwards".to_owned()
    })?;
    Ok((
        (),
        format!(
            "0 of {} failed after, slowest {} ms; {} of {} in flight or before broke",
            loss.after,
            loss.slowest.as_millis(),
            loss.broken,
            loss.before
        ),
    ))
}

/// The same loss with failover off: the control that must fail.
pub(super) async fn control(world: &mut World) -> Shown {
    set_failover(world, false).await?;
    let loss = lose_west(world).await?;
    ensure(loss.failed > 0, || {
        format!(
            "all {} requests succeeded although failover is off",
            loss.after
        )
    })?;
    set_failover(world, true).await?;
    Ok((
        (),
        format!(
            "{} of {} failed, as they should without failover",
            loss.failed, loss.after
        ),
    ))
}

/// `west` comes back from its state and both answer again.
pub(super) async fn back(world: &mut World) -> Shown {
    world.restart("west").await?;
    both_answer(world).await?;
    let hash = world
        .wait("both peers in step", async |world| {
            let (east, west) = (world.status("east").await?, world.status("west").await?);
            let (Some(of_east), Some(of_west)) = (east.peers.first(), west.peers.first()) else {
                return Ok(None);
            };
            let connected = of_east.state == "connected" && of_west.state == "connected";
            let in_step =
                of_east.our_hash == of_west.their_hash && of_west.our_hash == of_east.their_hash;
            let hash = |peer: &pelago_wire::admin::PeerInfo| {
                peer.our_hash.chars().take(8).collect::<String>()
            };
            Ok((connected && in_step).then(|| format!("{}/{}", hash(of_east), hash(of_west))))
        })
        .await?;
    Ok((
        (),
        format!("api answers from both clusters; both hold what the other shows ({hash})"),
    ))
}

async fn both_answer(world: &mut World) -> Result<(), Failure> {
    let socks = world
        .layout
        .member(member("east", "frontend")?, port::SOCKS);
    world
        .wait("api answers from east and from west", async |_| {
            let mut seen = [false; 2];
            for _ in 0..16 {
                match request(socks, API).await.body.as_deref() {
                    Ok("api in east") => seen[0] = true,
                    Ok("api in west") => seen[1] = true,
                    _ => {}
                }
            }
            Ok((seen == [true; 2]).then_some(()))
        })
        .await
}

async fn set_failover(world: &mut World, on: bool) -> Result<(), Failure> {
    let before = world.status("east").await?.state_hash;
    files::write_member(&world.layout, member("east", "api")?, on)?;
    world
        .wait(
            "the change of failover reaches every proxy of east",
            async |world| {
                let status = world.status("east").await?;
                Ok((status.state_hash != before
                    && status.clients.iter().all(|client| client.synced))
                .then_some(()))
            },
        )
        .await
}

async fn refused(world: &World, attempt: Attempt, by: &str, expected: &str) -> Shown {
    let Attempt::Refused { status, refusal } = attempt else {
        return Err(Failure::Failed(anyhow::anyhow!("{by} opened the tunnel")));
    };
    let line = connection(&world.layout.log(by), |line| {
        text(line, "refusal") == refusal
    })
    .await?;
    let reason = text(&line, "reason");
    ensure(reason == expected, || {
        format!("{by} refused with reason {reason:?}")
    })?;
    Ok((
        (),
        format!("{by} answered {status}, its log says {reason} ({refusal})"),
    ))
}

fn count(answers: Vec<Answer>, gone: Instant) -> Loss {
    let (after, before): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.begun > gone);
    Loss {
        failed: after.iter().filter(|answer| answer.body.is_err()).count(),
        slowest: after
            .iter()
            .map(|answer| answer.took)
            .max()
            .unwrap_or_default(),
        first_error: after.iter().find_map(|answer| answer.body.clone().err()),
        after: after.len(),
        broken: before.iter().filter(|answer| answer.body.is_err()).count(),
        before: before.len(),
    }
}

fn expect(answer: Answer, body: &str) -> Result<String, Failure> {
    match answer.body {
        Ok(seen) if seen == body => Ok(seen),
        Ok(seen) => Err(Failure::Failed(anyhow::anyhow!(
            "expected {body:?}, got {seen:?}"
        ))),
        Err(error) => Err(Failure::Failed(anyhow::anyhow!("{error}"))),
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::Failed(anyhow::anyhow!("{}", otherwise())))
    }
}

const STRANGER: &str = "north";
const WIDTH: usize = 8;
const AFTERMATH: Duration = Duration::from_secs(2);
