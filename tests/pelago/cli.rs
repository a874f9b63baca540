//! The command line by itself: no controller is needed.

use crate::process::{errors, pelago, run};

#[test]
fn bare_it_shows_the_journeys() {
    let output = run(&[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() <= 16, "{text}");
    assert_eq!(text.lines().last().unwrap().trim(), "pelago demo");
}

#[test]
fn usage_errors_exit_with_2() {
    for arguments in [
        &["nonsense"][..],
        &["peer", "token", "--export", "everything"],
        &["node", "token", "UPPER"],
        &["run"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn without_contexts_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = pelago()
        .arg("status")
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = errors(&output);
    assert!(
        errors.contains("contexts.yaml does not exist") && errors.contains("pelago demo"),
        "{errors}"
    );
}

#[test]
fn a_controller_that_is_away_is_exit_code_4() {
    let folder = tempfile::tempdir().unwrap();
    let contexts = folder.path().join("contexts.yaml");
    let socket = folder.path().join("admin.sock");
    std::fs::write(
        &contexts,
        format!("apiVersion: pelago.dev/v1alpha1\nkind: Contexts\ncontexts: [{{cluster: east, adminSocket: {}}}]\n", socket.display()),
    )
    .unwrap();
    let output = pelago()
        .args(["node", "list"])
        .env("PELAGO_CONTEXTS", &contexts)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
    let output = pelago()
        .args(["--cluster", "north", "node", "list"])
        .env("PELAGO_CONTEXTS", &contexts)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("there are: east"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_token_on_the_command_line_is_refused() {
    let output = run(&["peer", "join", "pelago1.abc.def", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("every user of this machine"),
        "{}",
        errors(&output)
    );
}

#[test]
fn the_same_flags_everywhere() {
    let output = run(&["version", "-o", "json"]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "a flag without use is refused, not ignored"
    );
    let output = run(&["completion", "bash"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("_pelago")
    );
    assert_eq!(
        run(&["version"]).stdout,
        format!("pelago {}\n", env!("CARGO_PKG_VERSION")).into_bytes()
    );
}
