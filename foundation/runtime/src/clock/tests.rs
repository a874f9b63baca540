use super::*;

#[test]
fn writes_and_reads_rfc_3339() {
    let known = [
        (0, 0, "1970-01-01T00:00:00Z"),
        (951_782_400, 0, "2000-02-29T00:00:00Z"),
        (951_868_800, 0, "2000-03-01T00:00:00Z"),
        (1_000_000_000, 0, "2001-09-09T01:46:40Z"),
        (1_700_000_000, 5_000_000, "2023-11-14T22:13:20.005Z"),
        (1_709_251_199, 1_000, "2024-02-29T23:59:59.000001Z"),
        (4_102_444_800, 1, "2100-01-01T00:00:00.000000001Z"),
        (LAST_SECOND, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
    ];
    for (seconds, nanos, text) in known {
        let time = UnixTime::since_epoch(Duration::new(seconds, nanos));
        assert_eq!(time.to_string(), text);
        assert_eq!(text.parse(), Ok(time));
    }
    assert_eq!(
        "1970-01-01T00:00:00.5Z"
            .parse::<UnixTime>()
            .unwrap()
            .as_millis(),
        500
    );
}

#[test]
fn every_day_reads_back() {
    for day in (0..LAST_SECOND / DAY).step_by(13) {
        let time = UnixTime::from_secs(day * DAY + day % DAY);
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}

#[test]
fn refuses_what_is_no_time() {
    let refused = [
        "",
        "Z",
        "T",
        "now",
        "2026-11-21",
        "2026-11-21T04:20:34",
        "2026-11-21T04:20:34+01:00",
        "2026-11-21 04:20:34Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T04:60:34Z",
        "2026-11-21T04:20:60Z",
        "2026-11-21T04:20:34.Z",
        "2026-11-21T04:20:34.0000000001Z",
        "2026-11-21T04:20:34.1.2Z",
        "+026-11-21T04:20:34Z",
        "12026-11-21T04:20:34Z",
        "２026-11-21T04:20:34Z",
    ];
    for text in refused {
        assert!(text.parse::<UnixTime>().is_err(), "{text}");
    }
}

#[test]
fn arithmetic_stays_within_bounds() {
    assert_eq!(
        UnixTime::EPOCH.minus(Duration::from_secs(1)),
        UnixTime::EPOCH
    );
    assert_eq!(UnixTime::from_secs(5).plus(Duration::MAX), UnixTime::MAX);
    assert_eq!(UnixTime::from_secs(u64::MAX), UnixTime::MAX);
    let (early, late) = (UnixTime::from_secs(5), UnixTime::from_secs(8));
    assert_eq!(late.since(early), Duration::from_secs(3));
    assert_eq!(early.since(late), Duration::ZERO);
    assert_eq!(UnixTime::from(SystemTime::from(late)), late);
    assert_eq!(
        UnixTime::from(UNIX_EPOCH - Duration::from_secs(9)),
        UnixTime::EPOCH
    );
}

#[tokio::test(start_paused = true)]
async fn tokios_clock_ages_with_a_paused_runtime() {
    let clock = TokioClock::starting_at(UnixTime::from_secs(1000));
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert_eq!(clock.now(), UnixTime::from_secs(87_400));
    assert_eq!(clock.clone().now(), clock.now());
}

#[test]
fn system_clock_is_the_machines() {
    let clock: Clock = Arc::new(SystemClock);
    let file = tempfile::NamedTempFile::new().unwrap();
    let written = UnixTime::from(file.as_file().metadata().unwrap().modified().unwrap());
    assert!(clock.now().since(written) < Duration::from_secs(60));
}
