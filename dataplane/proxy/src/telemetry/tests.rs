use std::sync::Arc;

use pelago_model::WorkloadUid;
use pelago_runtime::clock::{TokioClock, UnixTime};
use tokio::io::AsyncReadExt as _;

use super::*;

fn line() -> Line {
    Line {
        source_id: SpiffeId::parse("spiffe://east.example/ns/shop/sa/web").ok(),
        service: ServiceKey::parse("shop/api.shop.svc.cluster.local").ok(),
        endpoint: WorkloadUid::parse("east/x/y").ok(),
        destination: "evil\n\u{1b}[31m:80".to_owned(),
        bytes_sent: 3,
        bytes_received: 5,
        ..Line::new(Direction::Inbound, "10.0.0.1:9".parse().unwrap())
    }
}

fn telemetry(metrics: &Metrics) -> (Telemetry, Lines) {
    Telemetry::new(
        metrics,
        Arc::new(TokioClock::starting_at(UnixTime::from_secs(1))),
    )
}

#[tokio::test(start_paused = true)]
async fn a_line_is_one_json_object_with_everything_escaped() {
    let (told, lines) = telemetry(&Metrics::new());
    told.told(&line());
    let refused = Line {
        reason: Some(Reason::NotExported),
        ..Line::new(Direction::Gateway, "[::1]:9".parse().unwrap())
    };
    told.told(&refused);
    drop(told);
    let (mut reader, writer) = tokio::io::duplex(64 * 1024);
    lines.write(writer).await.unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    let objects: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    let first = &objects[0];
    assert_eq!(first["target"], "pelago::access");
    assert_eq!(first["message"], "connection");
    assert_eq!(first["direction"], "inbound");
    assert_eq!(
        first["verified_source"],
        "spiffe://east.example/ns/shop/sa/web"
    );
    assert_eq!(first["service"], "shop/api.shop.svc.cluster.local");
    assert_eq!(first["hops"], "direct");
    assert_eq!(first["reason"], "ok");
    assert_eq!(first["timestamp"], "1970-01-01T00:00:01Z");
    assert_eq!(objects[1]["reason"], "not_exported");
    assert!(objects[1].get("verified_source").is_none());
}

#[tokio::test(start_paused = true)]
async fn metrics_carry_istios_names_and_count_from_the_servers_side() {
    let metrics = Metrics::new();
    let (told, _lines) = telemetry(&metrics);
    told.told(&line());
    let text = metrics.encode();
    let of = |name: &str| {
        text.lines()
            .find(|line| line.starts_with(&format!("{name}{{")))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    assert!(of("istio_tcp_received_bytes_total").ends_with(" 3"));
    assert!(of("istio_tcp_sent_bytes_total").ends_with(" 5"));
    let opened = of("istio_tcp_connections_opened_total");
    assert!(opened.contains("reporter=\"destination\""), "{opened}");
    assert!(opened.contains("reason=\"ok\""), "{opened}");
}

#[tokio::test(start_paused = true)]
async fn lines_that_find_no_room_are_counted_not_waited_for() {
    let metrics = Metrics::new();
    let (told, _lines) = telemetry(&metrics);
    for _ in 0..LINES + 3 {
        told.told(&line());
    }
    assert!(
        metrics
            .encode()
            .contains("pelago_access_lines_dropped_total 3")
    );
}
