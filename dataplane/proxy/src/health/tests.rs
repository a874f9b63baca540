use super::*;

fn uid() -> WorkloadUid {
    WorkloadUid::parse("east/x").unwrap()
}

fn is_out(health: &Health, now: Instant) -> bool {
    health.observed(now).ejected.contains(&uid())
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_out_for_five_seconds_then_one_tries() {
    let mut health = Health::default();
    let begun = Instant::now();
    health.failed(&uid(), begun);
    assert!(is_out(&health, begun + Duration::from_millis(4_999)));
    let later = begun + Duration::from_secs(5);
    assert!(!is_out(&health, later));
    health.begin(&uid(), later);
    assert!(
        is_out(&health, later),
        "the others wait for the one that tries"
    );
    health.succeeded(&uid());
    assert!(!is_out(&health, later));
}

#[tokio::test(start_paused = true)]
async fn each_failure_doubles_the_time_up_to_a_minute() {
    let mut health = Health::default();
    let mut now = Instant::now();
    for seconds in [5, 10, 20, 40, 60, 60] {
        health.failed(&uid(), now);
        assert!(is_out(&health, now + Duration::from_secs(seconds - 1)));
        now += Duration::from_secs(seconds);
        assert!(!is_out(&health, now));
    }
    // A request that begins while it is out does not lengthen that.
    health.failed(&uid(), now);
    health.begin(&uid(), now);
    assert!(!is_out(&health, now + Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn old_failures_are_forgotten_and_success_starts_anew() {
    let mut health = Health::default();
    let now = Instant::now();
    health.failed(&uid(), now);
    let later = now + Duration::from_secs(1_000);
    health.failed(&WorkloadUid::parse("east/y").unwrap(), later);
    assert_eq!(health.endpoints.len(), 1);
}

#[test]
fn a_gateway_goes_down_and_comes_up_once() {
    let mut health = Health::default();
    let id = GatewayId::parse("west/gw").unwrap();
    assert!(health.gateway_down(&id));
    assert!(!health.gateway_down(&id));
    assert!(health.gateways.contains(&id));
    assert!(health.gateway_up(&id));
    assert!(!health.gateway_up(&id));
}
