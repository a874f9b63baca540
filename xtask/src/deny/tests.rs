use super::{Linked, Rules, refusals};

const RULES: &str = include_str!("../../../deny.toml");
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn rules() -> Rules {
    basic_toml::from_str(RULES).unwrap()
}

fn package(name: &str, licence: Option<&str>, source: Option<&str>) -> Linked {
    Linked {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        licence: licence.map(str::to_owned),
        source: source.map(str::to_owned),
        member: false,
    }
}

fn refused(package: Linked) -> Vec<String> {
    refusals(&rules(), &[package])
}

fn licensed(licence: &str) -> Vec<String> {
    refused(package("x", Some(licence), Some(CRATES_IO)))
}

#[test]
fn licences_are_read_as_expressions() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert_eq!(licensed(good), Vec::<String>::new(), "{good}");
    }
    for bad in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Made-Up"] {
        let refused = licensed(bad);
        assert!(
            refused.len() == 1 && refused[0].contains(bad),
            "{refused:?}"
        );
    }
    let none = refused(package("x", None, Some(CRATES_IO)));
    assert_eq!(none, ["x 1.0.0: names no licence"]);
}

#[test]
fn banned_crates_are_refused_with_the_reason() {
    let refused = refused(package("ring", Some("ISC"), Some(CRATES_IO)));
    assert_eq!(
        refused,
        ["ring 1.0.0: is banned: aws-lc-rs is the one crypto library"]
    );
}

#[test]
fn only_members_and_crates_io_are_sources() {
    let git = "git+https://example.org/x?rev=1#1";
    let from_git = refused(package("x", Some("MIT"), Some(git)));
    assert_eq!(
        from_git,
        [format!(
            "x 1.0.0: comes from {git}, which is not in sources.allow-registry"
        )]
    );
    let from_path = refused(package("x", Some("MIT"), None));
    assert_eq!(
        from_path,
        ["x 1.0.0: comes from a path outside of the workspace"]
    );
    let member = Linked {
        member: true,
        ..package("x", Some("Apache-2.0"), None)
    };
    assert_eq!(refused(member), Vec::<String>::new());
}

#[test]
fn a_word_that_would_weaken_the_rules_is_refused() {
    for (from, to) in [
        ("unknown-git = \"deny\"", "unknown-git = \"allow\""),
        ("[bans]", "[bans]\nskip = []"),
    ] {
        assert!(
            basic_toml::from_str::<Rules>(&RULES.replace(from, to)).is_err(),
            "{to}"
        );
    }
}
