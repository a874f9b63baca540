use std::fs;
use std::path::Path;

use super::{GENERATED, PROTOS, check, write};

const GREETER: &str = r#"
syntax = "proto3";
package greet.v1;
import "google/protobuf/duration.proto";
import "parts/who.proto";
service Greeter { rpc Greet(parts.Who) returns (stream Greeting); }
// A comment that must not be copied.
message Greeting {
  google.protobuf.Duration after = 1;
  map<string, bytes> notes = 2;
}
"#;
const WHO: &str = "syntax = \"proto3\"; package parts; message Who { string name = 1; }";
const UNPACKAGED: &str = "syntax = \"proto3\"; message Bare { bytes key = 1; }";

fn checkout() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "greet/v1/greet.proto", GREETER);
    put(root.path(), "parts/who.proto", WHO);
    put(root.path(), "workload.proto", UNPACKAGED);
    root
}

fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(PROTOS).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn writes_a_file_per_package_and_a_tree() {
    let root = checkout();
    write(root.path()).unwrap();
    let read = |name: &str| fs::read_to_string(root.path().join(GENERATED).join(name)).unwrap();
    let greet = read("greet.v1.rs");
    assert!(greet.contains("Option<::prost_types::Duration>"), "{greet}");
    assert!(greet.contains("BTreeMap<"), "{greet}");
    assert!(greet.contains("pub mod greeter_server"), "{greet}");
    assert!(greet.contains("pub mod greeter_client"), "{greet}");
    assert!(greet.contains("super::super::parts::Who"), "{greet}");
    assert!(!greet.contains("must not be copied"), "{greet}");
    assert!(read("workload.rs").contains("pub struct Bare"));
    let tree = read("protos.rs");
    for name in ["greet.v1.rs", "parts.rs", "workload.rs"] {
        assert!(tree.contains(&format!("include!(\"{name}\")")), "{tree}");
    }
    assert!(!tree.contains("google"), "{tree}");
}

#[test]
fn check_sees_an_edit_and_a_left_over_and_write_repairs_both() {
    let root = checkout();
    write(root.path()).unwrap();
    check(root.path()).unwrap();

    let folder = root.path().join(GENERATED);
    fs::write(folder.join("parts.rs"), "// edited by hand\n").unwrap();
    fs::write(folder.join("gone.v1.rs"), "").unwrap();
    let error = check(root.path()).unwrap_err().to_string();
    assert!(error.contains("gen/parts.rs"), "{error}");
    assert!(error.contains("gen/gone.v1.rs"), "{error}");
    assert!(!error.contains("greet.v1.rs"), "{error}");

    write(root.path()).unwrap();
    check(root.path()).unwrap();
    assert!(!folder.join("gone.v1.rs").exists());
}

#[test]
fn a_bad_proto_is_named_and_nothing_is_written() {
    let root = checkout();
    put(
        root.path(),
        "parts/who.proto",
        "syntax = \"proto3\"; message {",
    );
    let error = write(root.path()).unwrap_err().to_string();
    assert!(error.contains("who.proto"), "{error}");
    assert!(!root.path().join(GENERATED).exists());
}
