use std::collections::BTreeMap;

use pelago_wire::ads::Status;

use super::*;
use crate::samples::{name, resource, small, snapshot, told};

fn request(kind: Kind) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: discovery::type_url(kind).to_owned(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn subscribe(kind: Kind, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        resource_names_subscribe: names.iter().map(|&name| name.to_owned()).collect(),
        ..request(kind)
    }
}

fn answer(response: &DeltaDiscoveryResponse, error: Option<&str>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        error_detail: error.map(|message| Status {
            code: 3,
            message: message.to_owned(),
        }),
        ..DeltaDiscoveryRequest::default()
    }
}

/// A stream on which every kind was asked for and told.
fn settled(state: &Arc<Snapshot>) -> Publication {
    let mut publication = Publication::new(Arc::clone(state), Chunk::default());
    for kind in Kind::ALL {
        publication.request(&subscribe(kind, &["*"])).unwrap();
        let response = publication.respond().unwrap();
        publication.request(&answer(&response, None)).unwrap();
    }
    assert!(publication.progress().synced);
    publication
}

#[test]
fn nothing_is_told_before_it_is_asked_for() {
    let mut publication = Publication::new(small(1), Chunk::default());
    assert_eq!(publication.respond(), None);
    publication.publish(small(2));
    assert_eq!(publication.respond(), None);
    assert!(!publication.progress().synced);
}

#[test]
fn policies_are_told_before_what_they_govern_whatever_was_asked_first() {
    let mut publication = Publication::new(small(1), Chunk::default());
    for kind in Kind::ALL.into_iter().rev() {
        publication.request(&subscribe(kind, &["*"])).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| publication.respond())
        .map(|response| discovery::kind(&response.type_url).unwrap())
        .collect();
    assert_eq!(order, Kind::ALL);
}

#[test]
fn an_empty_answer_is_an_answer() {
    let mut publication = Publication::new(Arc::default(), Chunk::default());
    publication
        .request(&subscribe(Kind::Gateway, &["*"]))
        .unwrap();
    let response = publication.respond().unwrap();
    assert!(response.resources.is_empty());
    assert_ne!(response.nonce, "");
    assert_eq!(publication.respond(), None);
}

#[test]
fn no_names_in_the_first_request_are_the_wildcard() {
    let mut publication = Publication::new(small(1), Chunk::default());
    publication.request(&request(Kind::Policy)).unwrap();
    assert_eq!(told(&publication.respond().unwrap()), ["shop/p1"]);
    // In a later one they change nothing.
    publication.request(&request(Kind::Policy)).unwrap();
    assert_eq!(publication.respond(), None);
}

#[test]
fn what_the_client_holds_is_skipped_and_what_is_gone_is_told() {
    let state = snapshot([resource(Kind::Policy, 1, 1), resource(Kind::Policy, 2, 1)]);
    let version = |n| state.version(&name(Kind::Policy, n)).unwrap().to_string();
    let mut publication = Publication::new(Arc::clone(&state), Chunk::default());
    let mut first = subscribe(Kind::Policy, &["*"]);
    first.initial_resource_versions = BTreeMap::from([
        ("shop/p1".to_owned(), version(1)),
        ("shop/p2".to_owned(), "older".to_owned()),
        ("shop/p3".to_owned(), "whatever".to_owned()),
        ("not a name".to_owned(), String::new()),
    ]);
    publication.request(&first).unwrap();
    let response = publication.respond().unwrap();
    assert_eq!(told(&response), ["shop/p2"]);
    assert_eq!(response.removed_resources, ["not a name", "shop/p3"]);
    // Only the first request may say so.
    first.resource_names_subscribe.clear();
    publication.request(&first).unwrap();
    assert_eq!(publication.respond(), None);
}

#[test]
fn only_what_changed_is_told_and_only_the_newest_of_it() {
    let mut publication = settled(&small(1));
    publication.publish(small(2));
    publication.publish(snapshot([
        resource(Kind::Policy, 1, 1),
        resource(Kind::Gateway, 1, 3),
    ]));
    let responses: Vec<_> = std::iter::from_fn(|| publication.respond()).collect();
    let names: Vec<_> = responses
        .iter()
        .map(|response| (told(response), response.removed_resources.len()))
        .collect();
    // The policy went there and back: telling it once more is harmless.
    assert_eq!(
        names,
        [
            (vec!["shop/p1"], 0),
            (vec!["east/g1"], 0),
            (vec![], 1),
            (vec![], 1)
        ]
    );
    let network = match discovery::decode(
        Kind::Gateway,
        "east/g1",
        responses[1].resources[0].resource.as_ref().unwrap(),
        &mut pelago_model::Interner::default(),
    ) {
        Ok(pelago_model::Resource::Gateway(gateway)) => gateway.network.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(network, "east/net3");
}

#[test]
fn a_rejected_resource_is_told_again_only_when_it_changes() {
    let mut publication = settled(&small(1));
    let two = |v, w| snapshot([resource(Kind::Policy, 1, v), resource(Kind::Policy, 2, w)]);
    publication.publish(two(2, 2));
    let response = publication.respond().unwrap();
    assert_eq!(told(&response), ["shop/p1", "shop/p2"]);
    let refusal = r#""shop/p2": Policy.rules is not valid"#;
    publication
        .request(&answer(&response, Some(refusal)))
        .unwrap();
    while let Some(response) = publication.respond() {
        assert!(told(&response).is_empty(), "{response:?}");
        publication.request(&answer(&response, None)).unwrap();
    }
    assert!(!publication.progress().synced);
    assert_eq!(publication.progress().last_error, refusal);
    // The good one goes on alone; the bad one stays in doubt.
    publication.publish(two(3, 2));
    let response = publication.respond().unwrap();
    assert_eq!(told(&response), ["shop/p1"]);
    publication.request(&answer(&response, None)).unwrap();
    assert_eq!(publication.progress().last_error, refusal);
    publication.publish(two(3, 3));
    let response = publication.respond().unwrap();
    assert_eq!(told(&response), ["shop/p2"]);
    publication.request(&answer(&response, None)).unwrap();
    assert!(publication.progress().synced);
    assert_eq!(publication.progress().last_error, "");
}

#[test]
fn a_stale_nonce_acknowledges_nothing_but_its_subscription_counts() {
    let mut publication = Publication::new(small(1), Chunk::default());
    publication
        .request(&subscribe(Kind::Policy, &["shop/p1"]))
        .unwrap();
    let response = publication.respond().unwrap();
    let mut stale = subscribe(Kind::Policy, &["shop/p9"]);
    stale.response_nonce = "99".to_owned();
    stale.error_detail = Some(Status::default());
    publication.request(&stale).unwrap();
    assert_eq!(publication.progress().last_error, "");
    let absent = publication.respond().unwrap();
    assert_eq!(absent.removed_resources, ["shop/p9"]);
    publication.publish(snapshot([resource(Kind::Policy, 9, 1)]));
    let both = publication.respond().unwrap();
    assert_eq!(
        (told(&both), both.removed_resources.len()),
        (vec!["shop/p9"], 1)
    );
    assert_ne!(response.nonce, both.nonce);
}

#[test]
fn names_are_subscribed_to_and_let_go() {
    let state = snapshot([resource(Kind::Policy, 1, 1), resource(Kind::Policy, 2, 1)]);
    let mut publication = Publication::new(state, Chunk::default());
    publication
        .request(&subscribe(Kind::Policy, &["shop/p1"]))
        .unwrap();
    assert_eq!(told(&publication.respond().unwrap()), ["shop/p1"]);
    // Asked for again: told again, although unchanged.
    publication
        .request(&subscribe(Kind::Policy, &["shop/p1", "*"]))
        .unwrap();
    assert_eq!(
        told(&publication.respond().unwrap()),
        ["shop/p1", "shop/p2"]
    );
    // Let go by name, but still covered by the wildcard.
    let mut letting_go = request(Kind::Policy);
    letting_go.resource_names_unsubscribe = vec!["shop/p1".to_owned()];
    publication.request(&letting_go).unwrap();
    assert_eq!(told(&publication.respond().unwrap()), ["shop/p1"]);
    letting_go.resource_names_unsubscribe = vec!["*".to_owned()];
    publication.request(&letting_go).unwrap();
    publication.publish(snapshot([]));
    assert_eq!(publication.respond(), None);
}

#[test]
fn a_large_answer_comes_in_parts_and_the_last_says_so() {
    let state = snapshot((0..5).map(|n| resource(Kind::Policy, n, 1)));
    let chunk = Chunk {
        resources: 2,
        bytes: 1 << 20,
    };
    let mut publication = Publication::new(Arc::clone(&state), chunk);
    publication
        .request(&subscribe(Kind::Policy, &["*"]))
        .unwrap();
    let parts: Vec<_> = std::iter::from_fn(|| publication.respond()).collect();
    let sizes: Vec<_> = parts.iter().map(|part| part.resources.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    let marks: Vec<_> = parts
        .iter()
        .map(|part| part.system_version_info.as_str())
        .collect();
    assert_eq!(marks, ["more", "more", &state.state_hash().to_string()]);
}

#[test]
fn a_client_that_never_answers_is_told_a_bounded_number_of_times() {
    let mut publication = settled(&small(0));
    let mut told = 0;
    for version in 1..100 {
        publication.publish(snapshot([resource(Kind::Policy, 1, version)]));
        told += std::iter::from_fn(|| publication.respond())
            .filter(|response| discovery::kind(&response.type_url) == Some(Kind::Policy))
            .count();
    }
    assert_eq!(told, 16);
}

#[test]
fn an_oversized_resource_is_withheld_and_the_rest_goes_on() {
    let mut publication = settled(&Arc::default());
    let pelago_model::Resource::Policy(policy) = resource(Kind::Policy, 1, 1) else {
        panic!("a policy");
    };
    let mut large = (*policy).clone();
    let labels = (0..2000)
        .map(|n| (format!("{n:0>1000}"), String::new()))
        .collect();
    large.scope = pelago_model::authz::Scope::Workloads(labels);
    let large = pelago_model::Resource::Policy(Arc::new(large));
    publication.publish(snapshot([large, resource(Kind::Policy, 2, 1)]));
    assert_eq!(told(&publication.respond().unwrap()), ["shop/p2"]);
    let error = publication.progress().last_error;
    assert!(
        error.contains("shop/p1") && error.contains("was not sent"),
        "{error}"
    );
}

#[test]
fn unknown_types_and_too_many_names_end_the_stream() {
    let mut publication = Publication::new(small(1), Chunk::default());
    let mut other = request(Kind::Policy);
    other.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    assert!(matches!(
        publication.request(&other),
        Err(RequestError::UnknownType { .. })
    ));
    let names: Vec<String> = (0..10_001).map(|n| format!("shop/p{n}")).collect();
    let mut many = request(Kind::Policy);
    many.resource_names_subscribe = names;
    assert_eq!(publication.request(&many), Err(RequestError::TooManyNames));
}
