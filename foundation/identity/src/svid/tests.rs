use super::*;
use crate::kit::Domain;

#[test]
fn key_and_leaf_must_belong_together() {
    let east = Domain::new("east");
    let (a, b) = (east.svid("ns/x/sa/a"), east.svid("ns/x/sa/b"));
    let chain = |svid: &Svid| svid.chain_der().iter().map(|der| der.to_vec()).collect();
    let key = |svid: &Svid| Zeroizing::new(svid.key_der().to_vec());
    assert!(Svid::new(chain(&a), key(&a)).is_ok());
    let mixed = Svid::new(chain(&a), key(&b));
    assert!(matches!(mixed, Err(SvidError::Key(_))));
    let none = Svid::new(Vec::new(), key(&a));
    assert!(matches!(none, Err(SvidError::Empty)));
    let root = Svid::new(vec![east.root.der().to_vec()], key(&a));
    assert!(matches!(root, Err(SvidError::Leaf(_))));
    let no_key = Svid::new(chain(&a), Zeroizing::new(b"no key".to_vec()));
    assert!(matches!(no_key, Err(SvidError::Key(_))));
}

#[test]
fn what_the_workload_api_writes_reads_back() {
    let east = Domain::new("east");
    let svid = east.svid("ns/x/sa/a");
    let chain: Vec<u8> = svid
        .chain_der()
        .iter()
        .flat_map(|der| der.to_vec())
        .collect();
    let again = Svid::from_concatenated(&chain, svid.key_der()).unwrap();
    assert_eq!(again.chain_der(), svid.chain_der());
    assert_eq!(
        (again.id(), again.not_after()),
        (svid.id(), svid.not_after())
    );
    let cut = Svid::from_concatenated(&chain[1..], svid.key_der());
    assert!(matches!(cut, Err(SvidError::Chain(_))));
}

#[test]
fn debug_shows_no_key() {
    let svid = Domain::new("east").svid("ns/x/sa/a");
    let shown = format!("{svid:?}");
    assert!(shown.contains("ns/x/sa/a") && !shown.contains("key") && shown.len() < 200);
}
