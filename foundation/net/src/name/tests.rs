use super::*;

#[test]
fn addresses_are_their_own_answer() {
    let v6 = Host::Address("::1".parse().unwrap());
    assert_eq!(parse("::1").unwrap(), v6);
    assert_eq!(parse("[::1]").unwrap(), v6);
    let v4 = Host::Address("10.1.2.3".parse().unwrap());
    assert_eq!(parse("10.1.2.3").unwrap(), v4);
}

#[test]
fn names_lose_case_and_the_final_dot() {
    let name = Host::Name("gw.east.example".to_owned());
    assert_eq!(parse("Gw.East.example.").unwrap(), name);
    assert!(parse("_http.api_1").is_ok());
}

#[test]
fn what_is_no_host_name_is_refused() {
    let long = "a.".repeat(127) + "a";
    let label = "a".repeat(64);
    for bad in [
        "", ".", "a..b", "a b", "a/b", "[a]", "é", "a:80", &long, &label,
    ] {
        let refused = parse(bad);
        assert!(
            matches!(refused, Err(ResolveError::BadName { .. })),
            "{bad}"
        );
    }
}
