use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Demo {
    cluster: String,
    #[serde(default)]
    ca: Ca,
    #[serde(default)]
    advertise: Vec<Address>,
    #[serde(default)]
    replicas: Option<u16>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Ca {
    #[serde(with = "duration")]
    renew_every: Duration,
    mode: Mode,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    #[default]
    SelfSigned,
    Offline,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    host: String,
}

const HEAD: &str = "apiVersion: pelago.dev/v1alpha1\nkind: DemoConfig\n";

fn demo(body: &str) -> Result<Demo, ConfigError> {
    parse("demo.yaml", "DemoConfig", &format!("{HEAD}{body}"))
}

fn refusal(body: &str) -> String {
    demo(body).expect_err(body).to_string()
}

#[test]
fn reads_a_whole_file() {
    let read =
        demo("cluster: east\nca: {renewEvery: 1h30m, mode: offline}\nadvertise: [{host: a}]\n");
    let expected = Demo {
        cluster: "east".to_owned(),
        ca: Ca {
            renew_every: Duration::from_secs(5400),
            mode: Mode::Offline,
        },
        advertise: vec![Address {
            host: "a".to_owned(),
        }],
        replicas: None,
    };
    assert_eq!(read.unwrap(), expected);
}

#[test]
fn unknown_fields_are_named_with_path_line_and_nearest() {
    assert_eq!(
        refusal("cluster: east\nca:\n  renewevery: 1h\n"),
        "demo.yaml:5: unknown field ca.renewevery: did you mean renewEvery?"
    );
    assert_eq!(
        refusal("clutser: east\n"),
        "demo.yaml:3: unknown field clutser: did you mean cluster?"
    );
    assert_eq!(
        refusal("cluster: east\nadvertise:\n- host: a\n- {host: b, zone: c}\n"),
        "demo.yaml:6: unknown field advertise[1].zone: known here are host"
    );
}

#[test]
fn values_are_named_with_path_line_and_what_is_accepted() {
    let text = refusal("cluster: east\nca: {renewEvery: 90}\n");
    assert!(
        text.starts_with("demo.yaml:4: field ca.renewEvery: \"90\" is not a duration"),
        "{text}"
    );
    let text = refusal("cluster: east\nreplicas: 70000\n");
    assert!(text.starts_with("demo.yaml:4: field replicas: "), "{text}");
    let text = refusal("cluster: east\nca: {mode: magic}\n");
    assert!(text.starts_with("demo.yaml:4: field ca.mode: "), "{text}");
    assert!(
        text.contains("magic") && text.contains("selfSigned"),
        "{text}"
    );
    let text = refusal("cluster: east\nadvertise: [{host: a}, 7]\n");
    assert!(text.contains("field advertise[1]: "), "{text}");
    assert!(!text.contains('\n'), "one line: {text}");
}

#[test]
fn missing_fields_are_named() {
    let error = demo("ca: {}\n").unwrap_err();
    assert!(
        matches!(&error, ConfigError::MissingField { path, .. } if path == "cluster"),
        "{error}"
    );
    let error = demo("cluster: e\nadvertise: [{}]\n").unwrap_err();
    let ConfigError::MissingField { path, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(path, "advertise[0].host");
}

#[test]
fn version_and_kind_are_required() {
    let cases = [
        ("", "apiVersion \"\" is not known"),
        (
            "kind: DemoConfig\ncluster: e\n",
            "write apiVersion: pelago.dev/v1alpha1",
        ),
        (
            "apiVersion: pelago.dev/v9\nkind: DemoConfig\n",
            "apiVersion \"pelago.dev/v9\"",
        ),
        (
            "apiVersion: pelago.dev/v1alpha1\n",
            "kind is \"\", expected kind: DemoConfig",
        ),
        (
            "apiVersion: pelago.dev/v1alpha1\nkind: NodeConfig\n",
            "kind is \"NodeConfig\"",
        ),
    ];
    for (text, expected) in cases {
        let error = parse::<Demo>("f", "DemoConfig", text)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("f: ") && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn what_is_not_one_yaml_document_is_refused() {
    let deep = "[".repeat(100_000);
    let bomb = bomb();
    let bodies = [
        "cluster: [",
        "cluster: a\n---\ncluster: b\n",
        "cluster: a\ncluster: b\n",
        "- a\n",
        "cluster: *none\n",
        "\tcluster: a\n",
        deep.as_str(),
        bomb.as_str(),
    ];
    for body in bodies {
        let error = demo(body)
            .expect_err(&body[..body.len().min(40)])
            .to_string();
        assert!(error.starts_with("demo.yaml:"), "{error}");
        assert!(error.len() < 1000, "{} bytes of error", error.len());
    }
    for text in ["7", "[]", "\u{0}"] {
        assert!(parse::<Demo>("f", "DemoConfig", text).is_err(), "{text:?}");
    }
}

/// Aliases that double eight billion times.
fn bomb() -> String {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..11 {
        let alias = format!("*a{},", n - 1).repeat(8);
        text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
    }
    text
}

#[test]
fn files_are_read_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.yaml");
    let written = |text: String| {
        std::fs::write(&path, text).unwrap();
        read::<Demo>(&path, "DemoConfig")
    };
    assert_eq!(
        written(format!("{HEAD}cluster: east\n")).unwrap().cluster,
        "east"
    );
    let comment = "#".repeat(MAX_SIZE);
    assert!(matches!(
        written(comment.clone()),
        Err(ConfigError::ApiVersion { .. })
    ));
    assert!(matches!(
        written(format!("{comment}#")),
        Err(ConfigError::TooLarge { .. })
    ));
    std::fs::remove_file(&path).unwrap();
    let error = read::<Demo>(&path, "DemoConfig").unwrap_err();
    assert!(matches!(&error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().contains("demo.yaml"));
}

#[test]
fn durations_have_units() {
    let good = [
        ("500ms", Duration::from_millis(500)),
        ("20s", Duration::from_secs(20)),
        ("24h", Duration::from_secs(86_400)),
        ("7d", Duration::from_secs(604_800)),
        ("1h30m", Duration::from_secs(5400)),
        ("0s", Duration::ZERO),
        ("36500d", duration::MAX),
        ("5us", Duration::from_micros(5)),
    ];
    for (text, expected) in good {
        assert_eq!(duration::parse(text), Ok(expected), "{text}");
        let written = duration::format(expected);
        assert_eq!(duration::parse(&written), Ok(expected), "{written}");
    }
    let bad = [
        "",
        "5",
        "s",
        "-5s",
        "1.5h",
        "5 s",
        "5S",
        "5w",
        "1m1h",
        "1s1s",
        "36501d",
        "5é",
        "99999999999999999999s",
        "18446744073709551615d",
        "1h30",
    ];
    for text in bad {
        assert!(duration::parse(text).is_err(), "{text}");
    }
}

#[test]
fn nearest_names_are_near() {
    let known = ["cluster", "network", "trustDomain", "ca"];
    let cases = [
        ("clutser", Some("cluster")),
        ("trustdomain", Some("trustDomain")),
        ("networks", Some("network")),
        ("cas", Some("ca")),
        ("", None),
        ("completelyElse", None),
    ];
    for (given, expected) in cases {
        assert_eq!(nearest::of(given, &known), expected, "{given}");
    }
    assert_eq!(nearest::of(&"c".repeat(1000), &known), None);
}
