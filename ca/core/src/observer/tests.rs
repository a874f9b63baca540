use std::sync::Arc;

use pelago_model::Bundle;

use super::*;

fn bundle(sequence: u64) -> Bundle {
    Bundle {
        trust_domain: TrustDomain::parse("east.example").expect("a domain"),
        sequence,
        refresh_hint: 60,
        x509_authorities: vec![Arc::from(
            [u8::try_from(sequence).expect("small")].as_slice(),
        )],
    }
}

fn offered(sequence: u64) -> BundleSet {
    let mut set = BundleSet::default();
    set.accept(Arc::new(bundle(sequence))).expect("accepted");
    set
}

fn ack(of: &Bundle) -> Ack {
    Ack {
        trust_domain: of.trust_domain.clone(),
        sequence: of.sequence,
        version: of.version(),
    }
}

fn id() -> SpiffeId {
    SpiffeId::parse("spiffe://east.example/pelago/node/east/vm1").expect("an ID")
}

#[test]
fn an_acknowledgement_is_kept_once() {
    let ack = ack(&bundle(2));
    let observer = acknowledge(None, &id(), &offered(2), &ack, 10).expect("counts");
    let observer = observer.expect("changed");
    let holding = observer.holdings.values().next().expect("there");
    assert_eq!((holding.sequence, holding.acknowledged), (2, 10));
    let again = acknowledge(Some(observer), &id(), &offered(2), &ack, 20);
    assert_eq!(again, Ok(None));
}

#[test]
fn an_older_bundle_counts_as_what_it_is() {
    let older = acknowledge(None, &id(), &offered(2), &ack(&bundle(1)), 10).expect("counts");
    let held = older.expect("changed").holdings;
    assert_eq!(held.values().next().map(|held| held.sequence), Some(1));
}

#[test]
fn what_was_not_offered_does_not_count() {
    let ahead = acknowledge(None, &id(), &offered(2), &ack(&bundle(3)), 10);
    assert!(matches!(ahead, Err(AckError::Ahead { .. })));
    let other = Ack {
        version: bundle(1).version(),
        ..ack(&bundle(2))
    };
    let other = acknowledge(None, &id(), &offered(2), &other, 10);
    assert!(matches!(other, Err(AckError::OtherContent { .. })));
    let unknown = acknowledge(None, &id(), &BundleSet::default(), &ack(&bundle(2)), 10);
    assert!(matches!(unknown, Err(AckError::NotOffered { .. })));
}
