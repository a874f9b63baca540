use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;
use crate::samples;

proptest! {
    #[test]
    fn services_are_read_back(host in samples::host(), port in 1_u16..) {
        let target = Target::Service { host, port };
        prop_assert_eq!(Target::parse(&target.to_string()).unwrap(), target);
    }

    #[test]
    fn addresses_are_read_back(ip in any::<IpAddr>(), port in 1_u16..) {
        let target = Target::Address(SocketAddr::new(ip, port));
        let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        prop_assert_eq!(Target::parse(&target.to_string()).ok(), (!mapped).then_some(target));
    }

    #[test]
    fn what_is_read_is_canonical(text in "\\PC{0,40}") {
        if let Ok(target) = Target::parse(&text) {
            prop_assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn baggage_never_panics(text in "\\PC{0,80}") {
        let read = Baggage::parse(&text);
        prop_assert_eq!(Baggage::parse(&read.encode()), read);
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    for authority in [
        "",
        "api",
        "api:",
        "api:0",
        "api:65536",
        "api:+80",
        "api:080",
        "API.shop:80",
        "user@api:80",
        "api.:80",
        "[fe80::1%eth0]:80",
        "[fe80::1%1]:80",
        "[::ffff:127.0.0.1]:80",
        "[0:0:0:0:0:0:0:1]:80",
        "::1:80",
        "[1.2.3.4]:80",
        "01.2.3.4:80",
        "api:80/",
        "api:80 ",
    ] {
        if authority == "01.2.3.4:80" {
            // Not an address to Rust: at most the name of an unknown service.
            assert!(!matches!(Target::parse(authority), Ok(Target::Address(_))));
            continue;
        }
        let error = Target::parse(authority).expect_err(authority);
        assert_eq!(error.field, "authority");
    }
    let long = format!("{}:80", "a".repeat(400));
    assert!(Target::parse(&long).is_err());
    let loopback = Target::parse("[::1]:80").unwrap();
    assert_eq!(loopback, Target::Address((Ipv6Addr::LOCALHOST, 80).into()));
}

#[test]
fn header_values_are_bounded() {
    assert!(parse_endpoint(b"west//pod/shop/api").is_ok());
    assert!(parse_endpoint(b"a b").is_err());
    assert!(parse_endpoint(&[0xff]).is_err());
    assert_eq!(parse_refusal(b"r-1a.2"), Some("r-1a.2".to_owned()));
    assert_eq!(parse_refusal(b"a\nb"), None);
    assert_eq!(parse_refusal(&[b'a'; 65]), None);
}

#[test]
fn ztunnels_baggage_is_read() {
    let read = Baggage::parse(
        "k8s.cluster.name=east, k8s.namespace.name=shop,k8s.deployment.name=web,service.name=w;x=1,junk,evil=\"",
    );
    assert_eq!(read.cluster, "east");
    assert_eq!(read.namespace, "shop");
    assert_eq!(read.workload, "web");
    assert_eq!(read.service, "w");
    let long = Baggage::parse(&format!("service.name={}", "x".repeat(300)));
    assert_eq!(long, Baggage::default());
}
