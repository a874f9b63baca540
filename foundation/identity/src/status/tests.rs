use pelago_model::HostPort;
use pelago_net::BoxNet;
use pelago_wire::trust::EnrolRequest;
use pelago_wire::trust::trust_client::TrustClient;

use super::*;
use crate::channels::{Channels, Target};
use crate::kit::{Domain, hosts};
use crate::peer::Expect;

fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts
}

#[tokio::test(start_paused = true)]
async fn a_printed_chain_says_each_thing_once() {
    let east = Domain::new("east");
    let (_fabric, _, here) = hosts();
    let (_w, identity) = east.identity("pelago/node/east/n1", &[&east]);
    let channels = Channels::new(BoxNet::new(here), identity);
    let target = Target {
        addresses: vec![HostPort::parse("10.0.0.1:15012").unwrap()],
        sni: crate::SNI_CONTROL.to_owned(),
        as_id: east.id("pelago/node/east/n1"),
        expect: Expect::exactly(east.id("pelago/controller/east")),
    };
    let mut client = TrustClient::new(channels.channel(&target));
    let status = client.enrol(EnrolRequest::default()).await.unwrap_err();
    let told = chain(&StatusError::from(status));
    assert!(told.last().unwrap().contains("refused"), "{told:#?}");
    for (at, text) in told.iter().enumerate() {
        for cause in &told[at + 1..] {
            assert!(!text.contains(cause.as_str()), "{told:#?}");
        }
    }
}

#[test]
fn what_a_server_says_stays_on_one_line_and_short() {
    let said = tonic::Status::permission_denied(format!("no\nlevel=error {}", "x".repeat(9999)));
    let told = StatusError::from(said).to_string();
    assert!(
        told.starts_with("PermissionDenied: no\\nlevel=error"),
        "{told}"
    );
    assert!(told.len() < 1200);
}
