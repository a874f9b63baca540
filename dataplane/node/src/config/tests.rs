use pelago_model::{HostPort, Locality};

use super::*;

const HEAD: &str = "apiVersion: pelago.dev/v1alpha1\n";

fn a_node(more: &str) -> Result<NodeConfig, ConfigFault> {
    let text = format!("{HEAD}kind: NodeConfig\nname: web\ncontroller: \"gw:15443\"\n{more}\n");
    NodeConfig::parse("node.yaml", &text)
}

fn a_gateway(more: &str) -> Result<GatewayConfig, ConfigFault> {
    let text = format!("{HEAD}kind: GatewayConfig\nname: gw\ncontroller: \"c:15012\"\n{more}\n");
    GatewayConfig::parse("gateway.yaml", &text)
}

/// As `pelago demo` writes it.
#[test]
fn the_demos_node_is_read_as_it_is() {
    let text = "\
apiVersion: pelago.dev/v1alpha1
kind: NodeConfig
name: web
network: east-net
controller: \"127.9.0.1:15012\"
tokenFile: /d/east/web.token
state: /d/east/state/web
capture: {mode: socks}
listen: {hbone: \"127.9.0.12:15008\", socks: \"127.9.0.12:15080\", metrics: \"127.9.0.12:15020\", health: \"127.9.0.12:15021\"}
socket: /d/s/east-web.sock
";
    let config = NodeConfig::parse("web.yaml", text).unwrap().into_config();
    let at = |port| SocketAddr::from(([127, 9, 0, 12], port));
    let settings = Settings {
        name: "web".parse().unwrap(),
        network: "east-net".parse().unwrap(),
        locality: Locality::default(),
        controller: vec![HostPort::parse("127.9.0.1:15012").unwrap()],
        part: Part::Node {
            hbone: at(15008),
            socks: Some(at(15080)),
            socket: "/d/s/east-web.sock".into(),
        },
        metrics: at(15020),
        health: at(15021),
    };
    let expected = Config {
        settings,
        state: "/d/east/state/web".into(),
        token_file: Some("/d/east/web.token".into()),
        workers: None,
        log: LogOptions::default(),
    };
    assert_eq!(config, expected);
}

/// As `pelago demo` writes it.
#[test]
fn the_demos_gateway_is_read_as_it_is() {
    let text = "\
apiVersion: pelago.dev/v1alpha1
kind: GatewayConfig
name: gw
role: east-west
network: east-net
controller: \"127.9.0.1:15012\"
tokenFile: /d/east/gateway.token
state: /d/east/state/gateway
advertise: [\"127.9.0.2:15443\"]
listen: {gateway: \"127.9.0.2:15443\", metrics: \"127.9.0.2:15020\", health: \"127.9.0.2:15021\"}
";
    let config = GatewayConfig::parse("gateway.yaml", text).unwrap();
    let config = config.into_config();
    let at = SocketAddr::from(([127, 9, 0, 2], 15443));
    let part = Part::Gateway {
        listen: at,
        advertise: vec![at.into()],
    };
    assert_eq!(config.settings.part, part);
    assert_eq!(config.state, PathBuf::from("/d/east/state/gateway"));
}

#[test]
fn defaults_are_those_of_the_design() {
    let node = a_node("").unwrap().into_config();
    let Part::Node {
        hbone,
        socks,
        socket,
    } = node.settings.part
    else {
        panic!("a node")
    };
    assert_eq!(hbone.to_string(), "0.0.0.0:15008");
    assert_eq!(socks.unwrap().to_string(), "127.0.0.1:15080");
    assert_eq!(socket, PathBuf::from("/run/pelago/agent.sock"));
    assert_eq!(node.settings.metrics.port(), 15020);
    assert_eq!(node.settings.health.port(), 15021);
    assert_eq!(node.settings.network.as_str(), "default");
    let gateway = a_gateway("role: east-west\nadvertise: [\"gw.example:15443\"]").unwrap();
    let Part::Gateway { listen, .. } = &gateway.settings().part else {
        panic!("a gateway")
    };
    assert_eq!(listen.to_string(), "0.0.0.0:15443");
}

#[test]
fn everything_that_is_served_is_read() {
    let config = a_node(
        "identity: pelago\ninboundPlaintext: refuse\ndns: {capture: false}\ncapture: {mode: none}\n\
         locality: eu/a\nworkers: 3\nlog: {format: json, level: debug}",
    );
    let config = config.unwrap().into_config();
    assert!(matches!(
        config.settings.part,
        Part::Node { socks: None, .. }
    ));
    assert_eq!(config.settings.locality, Locality::parse("eu/a"));
    assert_eq!(config.workers.unwrap().get(), 3);
    assert_eq!(config.log.level, "debug");
    let short = a_gateway("role: east-west\nadvertise: [\"gw:15443\"]\nlisten: 10.0.0.1:443");
    let short = short.unwrap();
    let Part::Gateway { listen, .. } = &short.settings().part else {
        panic!("a gateway")
    };
    assert_eq!(listen.to_string(), "10.0.0.1:443");
}

fn is_not_served(field: &str, fault: &ConfigFault) {
    let text = fault.to_string();
    assert!(
        text.starts_with(&format!("{field}: ")) && text.contains("is not served yet"),
        "{text}"
    );
}

#[test]
fn what_a_node_does_not_serve_yet_is_refused_by_its_name() {
    for (field, text) in [
        (
            "identity.workloadApi",
            "identity: {workloadApi: \"unix:///run/spire/agent.sock\"}",
        ),
        ("capture.mode", "capture: {mode: nftables}"),
        (
            "capture.mode",
            "capture: {mode: nftables, exclude: {ports: [22]}}",
        ),
        (
            "capture.exclude",
            "capture: {mode: socks, exclude: {ports: [22]}}",
        ),
        ("inboundPlaintext", "inboundPlaintext: permit"),
        ("dns.capture", "dns: {capture: true}"),
        ("services", "services: /etc/pelago/services.d"),
        ("adminSocket", "adminSocket: /run/pelago/admin.sock"),
        ("listen.admin", "listen: {admin: \"127.0.0.1:15000\"}"),
        ("listen.dns", "listen: {dns: \"127.0.0.1:15053\"}"),
        ("listen.outbound", "listen: {outbound: \"127.0.0.1:15001\"}"),
        ("listen.inbound", "listen: {inbound: \"127.0.0.1:15006\"}"),
    ] {
        is_not_served(field, &a_node(text).expect_err(text));
    }
}

#[test]
fn what_a_gateway_does_not_serve_yet_is_refused_by_its_name() {
    for (field, text) in [
        ("role", "role: ingress"),
        ("role", "role: egress"),
        ("role", "role: waypoint"),
        (
            "identity.workloadApi",
            "role: east-west\nidentity: {workloadApi: \"unix:///s\"}",
        ),
        ("adminSocket", "role: east-west\nadminSocket: /s"),
        (
            "listen.admin",
            "role: east-west\nlisten: {admin: \"127.0.0.1:15000\"}",
        ),
        (
            "listen.hbone",
            "role: east-west\nlisten: {hbone: \"0.0.0.0:15008\"}",
        ),
    ] {
        let text = format!("{text}\nadvertise: [\"gw:15443\"]");
        is_not_served(field, &a_gateway(&text).expect_err(&text));
    }
}

#[test]
fn other_wrong_values_of_a_node_are_named_with_what_is_allowed() {
    for (text, expected) in [
        (
            "capture: {mode: iptables}",
            "capture.mode: iptables does not fit; allowed here: socks, none",
        ),
        (
            "inboundPlaintext: maybe",
            "inboundPlaintext: maybe does not fit; allowed here: refuse",
        ),
        (
            "identity: spire",
            "identity: spire does not fit; allowed here: pelago",
        ),
        (
            "workers: 0",
            "workers: 0 does not fit; allowed here: 1 to 256",
        ),
        (
            "capture: {mode: none}\nlisten: {socks: \"127.0.0.1:1\"}",
            "listen.socks: 127.0.0.1:1 does not fit; allowed here: no address where capture.mode is none",
        ),
        (
            "listen: {metrics: \"127.0.0.1:9\", health: \"127.0.0.1:9\"}",
            "listen.health: 127.0.0.1:9 does not fit; allowed here: an address of its own: listen.metrics listens there",
        ),
        (
            "listen: {hbon: \"127.0.0.1:1\"}",
            "node.yaml:5: unknown field listen.hbon: did you mean hbone?",
        ),
        (
            "tokenfile: x",
            "node.yaml:5: unknown field tokenfile: did you mean tokenFile?",
        ),
    ] {
        assert_eq!(a_node(text).expect_err(text).to_string(), expected);
    }
}

#[test]
fn other_wrong_values_of_a_gateway_are_named_with_what_is_allowed() {
    for (text, expected) in [
        (
            "role: north",
            "role: north does not fit; allowed here: east-west",
        ),
        (
            "role: east-west",
            "advertise is missing: [HOST:PORT, ...], where other clusters reach this gateway",
        ),
        (
            "role: east-west\nlisten: {gatway: \"127.0.0.1:1\"}",
            "gateway.yaml:6: unknown field listen.gatway: did you mean gateway?",
        ),
    ] {
        assert_eq!(a_gateway(text).expect_err(text).to_string(), expected);
    }
    let fault = a_gateway("role: east-west\nlisten: here").unwrap_err();
    let text = fault.to_string();
    assert!(
        text.contains("field listen: ") && text.contains("IP:PORT"),
        "{text}"
    );
}
