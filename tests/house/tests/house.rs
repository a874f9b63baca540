//! The house stands, and each rule finds what breaks it.
//!
//! The texts in `fixtures` are small workspaces, one for each rule and a clean
//! one; every rule looks at every one of them, so a fixture also shows that
//! the other rules stay silent.

#![cfg(test)]

#[path = "house/fixture.rs"]
mod fixture;

use std::fs;
use std::path::Path;

use tests_house::inspect;

#[test]
fn the_house_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let findings = findings(root);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn a_clean_house_has_no_findings() {
    assert_findings("clean", &[]);
}

#[test]
fn floors() {
    assert_findings(
        "floors",
        &[
            "floors: pelago-attic: is not in the floor plan; give it a floor in docs/ARCHITECTURE.md and in tests/house",
            "floors: pelago-dataplane-hbone: on floor 4 imports pelago-dataplane-proxy on floor 5; imports go strictly down",
            "floors: pelago-dataplane-node: on floor 6 imports pelago on floor 6; imports go strictly down",
            "floors: pelago-identity: depends on xtask, which is for development only; product crates may use it as a dev-dependency at most",
            "floors: pelago-net: on floor 0 imports pelago-model on floor 0; imports go strictly down",
            "floors: pelago-runtime: on floor 1 imports pelago-wire on floor 2; imports go strictly down",
            "floors: pelago-xds: depends on tests-kit, which is for development only; product crates may use it as a dev-dependency at most",
        ],
    );
}

#[test]
fn wings() {
    let sentence = |importer: &str, wing: &str, imported: &str, other: &str| {
        format!(
            "wings: {importer}: of the wing {wing} imports {imported} of the wing {other}; wings meet in dataplane/node and in the root only"
        )
    };
    assert_findings(
        "wings",
        &[
            &sentence(
                "pelago-ca-agent",
                "ca",
                "pelago-dataplane-policy",
                "dataplane",
            ),
            &sentence(
                "pelago-ca-server",
                "ca",
                "pelago-federation-core",
                "federation",
            ),
            &sentence("pelago-dataplane-proxy", "dataplane", "pelago-dns", "dns"),
            &sentence("pelago-dns", "dns", "pelago-dataplane-policy", "dataplane"),
            &sentence(
                "pelago-federation-server",
                "federation",
                "pelago-ca-core",
                "ca",
            ),
        ],
    );
}

#[test]
fn purity() {
    let model = |file: &str, path: &str| {
        format!(
            "purity: crates/pelago-model/src/{file}: a pure crate uses {path}; take the value as an argument"
        )
    };
    assert_findings(
        "purity",
        &[
            "purity: pelago-federation-core: is pure and imports pelago-net, which is not",
            "purity: pelago-model: is pure and depends on tokio; keep it in a crate that acts",
            &model("clock.rs", "Instant::now"),
            &model("clock.rs", "SystemTime::now"),
            &model("sockets.rs", "std::net::*"),
            &model("sockets.rs", "std::net::TcpStream"),
            &model("sockets.rs", "std::os::unix::net"),
            &model("world.rs", "std::env"),
            &model("world.rs", "std::fs"),
            &model("world.rs", "std::process"),
            &model("world.rs", "std::thread"),
            "purity: pelago-svid: is pure and depends on socket2; keep it in a crate that acts",
        ],
    );
}

#[test]
fn doors() {
    assert_findings(
        "doors",
        &[
            "doors: pelago-ca-server: depends on etcd-client, whose door is pelago-store",
            "doors: pelago-dns: depends on tokio-rustls, whose door is pelago-identity",
            "doors: pelago-identity: depends on redb, whose door is pelago-store",
            "doors: pelago-kube: depends on tonic-prost, whose door is pelago-wire, pelago-store, and floor 3 and above",
            "doors: pelago-model: depends on prost, whose door is pelago-wire, pelago-envoy",
            "doors: pelago-net: depends on rustls, whose door is pelago-identity",
            "doors: pelago-runtime: depends on tonic, whose door is pelago-wire, pelago-store, and floor 3 and above",
            "doors: pelago-store: depends on kube, whose door is pelago-kube",
            "doors: pelago-svid: depends on rcgen, whose door is pelago-ca-core, pelago-identity",
            "doors: pelago-wire: depends on envoy-types, whose door is pelago-envoy",
            "doors: pelago-xds: depends on hickory-resolver, whose door is pelago-dns, pelago-net",
            "doors: pelago-xds: depends on pelago-envoy, whose door is pelago-federation-server",
        ],
    );
}

#[test]
fn closures() {
    assert_findings(
        "closures",
        &[
            "closures: pelago-dataplane-node: reaches pelago-ca-core (pelago-dataplane-node -> pelago-ca-agent -> pelago-ca-core); a node holds no issuing code",
            "closures: pelago: reaches ring (pelago -> wrapper -> ring); aws-lc-rs is the one crypto library",
        ],
    );
}

#[test]
fn rings() {
    let model = "crates/pelago-model/src";
    let net = "crates/pelago-net/src";
    let runtime = "crates/pelago-runtime/src";
    let end = "move what they share into a room of its own";
    assert_findings(
        "rings",
        &[
            &format!(
                "rings: pelago-model: uses itself in a ring: {model}/a.rs -> {model}/b.rs -> {model}/c.rs -> {model}/a.rs \
                 ({model}/a.rs names crate::Beta; {model}/b.rs names super::c::Gamma; {model}/c.rs names crate::a::Alpha); {end}"
            ),
            &format!(
                "rings: pelago-net: uses itself in a ring: {net}/parent/child.rs -> {net}/parent.rs -> {net}/parent/child.rs \
                 ({net}/parent/child.rs names super; {net}/parent.rs names child::count); {end}"
            ),
            &format!(
                "rings: pelago-net: uses itself in a ring: {net}/reexporter/child.rs -> {net}/reexporter.rs -> {net}/reexporter/child.rs \
                 ({net}/reexporter/child.rs names super::Whole; {net}/reexporter.rs names Part); {end}"
            ),
            &format!(
                "rings: pelago-runtime: uses itself in a ring: {runtime}/x.rs -> {runtime}/y.rs -> {runtime}/x.rs \
                 ({runtime}/x.rs names why::go; {runtime}/y.rs names crate::prelude::Xenon); {end}"
            ),
        ],
    );
}

#[test]
fn sizes() {
    let source = "crates/pelago-model/src";
    let expected = [
        &format!(
            "sizes: {source}/lib.rs: the function beyond has 61 lines, and a function stops at 60"
        ),
        &format!(
            "sizes: {source}/lib.rs: the function method has 62 lines, and a function stops at 60"
        ),
        &format!("sizes: {source}/old/mod.rs: is called mod.rs; put foo.rs beside the folder foo"),
        &format!(
            "sizes: {source}/silent.rs: does not open with `//!`; say what the room is and never does"
        ),
    ];
    assert_findings("sizes", &expected.map(String::as_str));
}

#[test]
fn a_room_stops_at_400_lines_without_its_tests() {
    let copy = fixture::lay_out("clean");
    let room = copy.path().join("crates/pelago-model/src/id.rs");
    let (product, tests) = split_tests(&fs::read_to_string(&room).unwrap());
    let grown = |lines: usize| {
        let filling = "// Filling.\n".repeat(lines - product.lines().count());
        format!("{product}{filling}{tests}")
    };
    fs::write(&room, grown(400)).unwrap();
    assert_eq!(findings(copy.path()), Vec::<String>::new());
    fs::write(&room, grown(401)).unwrap();
    assert_eq!(
        findings(copy.path()),
        [
            "sizes: crates/pelago-model/src/id.rs: has 401 lines, and a room stops at 400; split it by noun"
        ]
    );
}

fn split_tests(text: &str) -> (String, String) {
    let at = text.find("#[cfg(test)]").unwrap();
    (text[..at].to_owned(), text[at..].to_owned())
}

fn assert_findings(fixture: &str, expected: &[&str]) {
    let laid_out = fixture::lay_out(fixture);
    let found = findings(laid_out.path());
    assert_eq!(found, expected, "in the fixture {fixture}");
}

fn findings(root: &Path) -> Vec<String> {
    let findings = inspect(&root.join("Cargo.toml")).unwrap();
    findings.iter().map(ToString::to_string).collect()
}
