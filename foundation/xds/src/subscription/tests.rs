use std::sync::Arc;

use super::*;
use crate::samples::{client, name, resource, snapshot};

fn sent(kind: Kind, n: u8, version: u8) -> Resource {
    let resource = resource(kind, n, version);
    Resource {
        version: resource.version().to_string(),
        name: resource.name().to_string(),
        resource: Some(discovery::encode(&resource)),
        aliases: Vec::new(),
    }
}

fn response(kind: Kind, resources: Vec<Resource>, removed: &[&str]) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: discovery::type_url(kind).to_owned(),
        nonce: "7".to_owned(),
        resources,
        removed_resources: removed.iter().map(|&name| name.to_owned()).collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn broken(n: u8) -> Resource {
    let mut bad = sent(Kind::Policy, n, 9);
    bad.resource.as_mut().unwrap().value = vec![0xff; 9];
    bad
}

#[test]
fn the_first_request_alone_says_who_we_are() {
    let node = pelago_wire::ads::encode_client(&client());
    let requests = Subscription::default().connect(&node);
    let nodes: Vec<_> = requests
        .iter()
        .map(|request| request.node.is_some())
        .collect();
    assert_eq!(nodes, [true, false, false, false]);
    for (request, kind) in requests.iter().zip(Kind::ALL) {
        assert_eq!(request.type_url, discovery::type_url(kind));
        assert_eq!(request.resource_names_subscribe, ["*"]);
    }
}

#[test]
fn it_is_synced_when_every_kind_was_told_in_full_be_it_nothing() {
    let mut subscription = Subscription::default();
    for kind in Kind::ALL {
        assert!(!subscription.synced());
        let mut part = response(kind, Vec::new(), &[]);
        part.system_version_info = MORE.to_owned();
        subscription.response(part).unwrap();
        assert!(!subscription.synced());
        subscription
            .response(response(kind, Vec::new(), &[]))
            .unwrap();
    }
    assert!(subscription.synced());
}

#[test]
fn a_bad_resource_is_rejected_by_name_and_the_good_ones_are_taken() {
    let mut subscription = Subscription::default();
    let first = response(Kind::Policy, vec![sent(Kind::Policy, 2, 1)], &[]);
    subscription.response(first).unwrap();
    let mixed = response(
        Kind::Policy,
        vec![
            sent(Kind::Policy, 1, 1),
            broken(2),
            sent(Kind::Policy, 3, 1),
        ],
        &[],
    );
    let received = subscription.response(mixed).unwrap();
    assert_eq!(received.delta.upserts.len(), 2);
    assert_eq!(received.rejected.len(), 1);
    let refusal = received.answer.error_detail.unwrap();
    assert!(
        refusal.message.starts_with("\"shop/p2\": "),
        "{}",
        refusal.message
    );
    assert_eq!(received.answer.response_nonce, "7");
    assert!(subscription.last_error().is_some());
    // The last good version is what the next stream says we hold.
    let requests = subscription.connect(&Node::default());
    let held = &requests[0].initial_resource_versions;
    assert_eq!(held.len(), 3);
    assert_eq!(held["shop/p2"], sent(Kind::Policy, 2, 1).version);
    // Told anew and well, it is forgotten that it was bad.
    let better = response(Kind::Policy, vec![sent(Kind::Policy, 2, 3)], &[]);
    let received = subscription.response(better).unwrap();
    assert!(received.answer.error_detail.is_none());
    assert_eq!(subscription.last_error(), None);
}

#[test]
fn removals_are_of_what_is_held_and_the_rest_is_ignored() {
    let mut subscription = Subscription::default();
    let first = response(Kind::Gateway, vec![sent(Kind::Gateway, 1, 1)], &[]);
    subscription.response(first).unwrap();
    let gone = response(Kind::Gateway, Vec::new(), &["east/g1", "east/g2", "?"]);
    let received = subscription.response(gone).unwrap();
    assert_eq!(received.delta.removals, [name(Kind::Gateway, 1)]);
    assert!(received.answer.error_detail.is_none());
}

#[test]
fn a_type_that_was_not_asked_for_changes_nothing() {
    let mut other = response(Kind::Gateway, Vec::new(), &[]);
    other.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    assert!(Subscription::default().response(other).is_err());
}

#[test]
fn what_is_held_at_the_start_is_gone_on_from() {
    let state = snapshot([resource(Kind::Service, 1, 1)]);
    let requests = Subscription::resume(&state).connect(&Node::default());
    let service = name(Kind::Service, 1);
    let version = state.version(&service).unwrap().to_string();
    assert_eq!(
        requests[2].initial_resource_versions,
        BTreeMap::from([(service.to_string(), version)])
    );
}

#[test]
fn too_much_to_say_is_found_out_from_the_full_answer() {
    let mut subscription = Subscription::default();
    let long = "v".repeat(128);
    for n in 0..20_000_u32 {
        let mut policy = match resource(Kind::Policy, 0, 0) {
            pelago_model::Resource::Policy(policy) => (*policy).clone(),
            other => panic!("{other:?}"),
        };
        policy.key = format!("shop/p{n}").try_into().unwrap();
        let name = ResourceName::Policy(policy.key);
        subscription.held.insert(name, long.clone());
    }
    let service = sent(Kind::Service, 1, 1);
    subscription
        .response(response(Kind::Service, vec![service], &[]))
        .unwrap();
    let requests = subscription.connect(&Node::default());
    assert!(requests[0].initial_resource_versions.is_empty());
    assert_eq!(requests[2].initial_resource_versions.len(), 1);
    let mut part = response(Kind::Policy, vec![sent(Kind::Policy, 1, 1)], &[]);
    part.system_version_info = MORE.to_owned();
    assert!(
        subscription
            .response(part)
            .unwrap()
            .delta
            .removals
            .is_empty()
    );
    // An unreadable one is still there.
    let rest = response(Kind::Policy, vec![broken(2), sent(Kind::Policy, 3, 1)], &[]);
    let received = subscription.response(rest).unwrap();
    assert_eq!(received.delta.removals.len(), 20_000 - 3);
    let mut names: Vec<_> = subscription.held.keys().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["shop/p1", "shop/p2", "shop/p3", "shop/s1.shop.svc"]);
}

#[test]
fn a_refusal_of_very_many_stays_small() {
    let bad: Vec<_> = (0..=255).map(broken).cycle().take(2000).collect();
    let received = Subscription::default()
        .response(response(Kind::Policy, bad, &[]))
        .unwrap();
    assert_eq!(received.rejected.len(), 2000);
    let refusal = received.answer.error_detail.unwrap().message;
    assert!(refusal.len() < 17 * 1024 && refusal.ends_with("and more"));
}

#[test]
fn a_held_resource_counts_once() {
    let state: Arc<Snapshot> = snapshot([resource(Kind::Policy, 1, 1)]);
    let mut subscription = Subscription::resume(&state);
    let again = response(Kind::Policy, vec![sent(Kind::Policy, 1, 1)], &[]);
    subscription.response(again).unwrap();
    assert_eq!(subscription.held.len(), 1);
}
