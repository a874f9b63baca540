use super::*;

#[test]
fn addresses_of_every_form() {
    for good in [
        "gw.east.example:15443",
        "127.0.0.1:1",
        "[::1]:65535",
        "localhost:80",
    ] {
        assert_eq!(HostPort::parse(good).unwrap().to_string(), good);
    }
    for bad in [
        "",
        "a",
        "a:0",
        "a:65536",
        "::1:80",
        "[1.2.3.4]:80",
        "A:80",
        "a:b:80",
        ":80",
        "a..b:1",
        "[::1%eth0]:80",
    ] {
        assert!(HostPort::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn ports_carry_their_transport() {
    assert_eq!(PortKey::parse("80/TCP").unwrap(), PortKey::tcp(80));
    let error = PortKey::parse("53/UDP").unwrap_err().to_string();
    assert!(
        error.contains("53/UDP") && error.contains("UDP is not served"),
        "{error}"
    );
    assert!(PortKey::parse("0/TCP").is_err());
}

#[test]
fn an_address_is_not_a_host_name() {
    assert!(Hostname::parse("10.0.0.1").is_err());
    assert!(Hostname::parse("web.shop.svc.cluster.local").is_ok());
    assert!(Hostname::parse("web.shop.").is_err());
    assert!(Hostname::parse("_http._tcp.web").is_ok());
}

#[test]
fn localities_drop_what_is_unknown() {
    assert_eq!(Locality::parse("eu/eu-1").to_string(), "eu/eu-1");
    assert_eq!(Locality::parse("").to_string(), "");
    assert_eq!(Locality::parse("a/b/c/d").subzone, "c/d");
}
