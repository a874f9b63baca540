//! First contact: a token's pins and no bundle.

use super::*;

#[test]
fn a_pinned_root_is_believed_for_one_identity() {
    let east = east();
    let controller = SpiffeId::parse("spiffe://east.example/pelago/controller/east").unwrap();
    let leaf = east.intermediate.leaf(&Spec::leaf(controller.as_str()));
    let presented = chain(&leaf.with_root());
    let pin = crate::pin(east.root.der()).unwrap();
    let other = Pin([7; 32]);
    let peer = verify_pinned(&presented, &[other, pin], &controller, NOW).unwrap();
    assert_eq!((peer.id(), peer.authority()), (&controller, pin));
    let refused = |presented: &[CertificateDer<'_>], pins: &[Pin], expected: &SpiffeId| {
        verify_pinned(presented, pins, expected, NOW).unwrap_err()
    };
    assert_eq!(
        refused(&presented, &[other], &controller),
        VerifyError::NotPinned
    );
    assert_eq!(
        refused(&presented, &[], &controller),
        VerifyError::NotPinned
    );
    // Without its root, the chain shows no pinned key.
    let rootless = chain(&leaf.chain);
    assert_eq!(
        refused(&rootless, &[pin], &controller),
        VerifyError::NotPinned
    );
    let someone = SpiffeId::parse(ID).unwrap();
    let wrong = refused(&presented, &[pin], &someone);
    assert_eq!(wrong.reason(), Reason::WrongIdentity);
}

#[test]
fn presenting_a_pinned_root_beside_a_strangers_chain_proves_nothing() {
    let east = east();
    let controller = SpiffeId::parse("spiffe://east.example/pelago/controller/east").unwrap();
    let pin = crate::pin(east.root.der()).unwrap();
    let stranger = Authority::root(&Spec::root("east.example"));
    let fake = stranger
        .authority(&Spec::intermediate("east", EAST))
        .leaf(&Spec::leaf(controller.as_str()));
    let mut presented = chain(&fake.with_root());
    presented.push(CertificateDer::from(east.root.der().to_vec()));
    assert!(matches!(
        path_error(verify_pinned(&presented, &[pin], &controller, NOW)),
        PathError::NoPath(_)
    ));
    // A pinned root that has expired is none.
    let old = Authority::root(&Spec::root("east.example").valid(mint::FROM, NOW - 1));
    let leaf = old
        .authority(&Spec::intermediate("east", EAST))
        .leaf(&Spec::leaf(controller.as_str()));
    let pin = crate::pin(old.der()).unwrap();
    let judged = verify_pinned(&chain(&leaf.with_root()), &[pin], &controller, NOW);
    assert!(matches!(judged, Err(VerifyError::NoValidRoot { .. })));
}
