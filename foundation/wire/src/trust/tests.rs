use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::samples;

proptest! {
    #[test]
    fn entries_survive_the_wire(entry in samples::entry()) {
        let entries = encode_entries([&entry]);
        prop_assert_eq!(decode_entries(entries).unwrap(), vec![entry]);
    }

    #[test]
    fn grants_survive_the_wire(grant in samples::grant()) {
        prop_assert_eq!(decode_grant(encode_grant(&grant)).unwrap(), grant);
    }

    #[test]
    fn certificates_survive_the_wire(
        spiffe_id in samples::identity(),
        chain in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..4),
        seconds in any::<u64>(),
    ) {
        let issued = Issued { spiffe_id, chain, renew_after: Duration::from_secs(seconds) };
        prop_assert_eq!(decode_certificate(encode_certificate(&issued)).unwrap(), issued);
    }

    #[test]
    fn addresses_survive_the_wire(addresses in proptest::collection::vec(samples::address(), 0..4)) {
        prop_assert_eq!(decode_addresses("JoinRequest", &encode_addresses(&addresses)).unwrap(), addresses);
    }
}

fn entry() -> Entry {
    Entry {
        id: "shop.web".to_owned(),
        spiffe_id: "spiffe://td/ns/shop/sa/web".to_owned(),
        node: "vm1".to_owned(),
        selectors: vec!["unix:uid:1".to_owned()],
        ttl_seconds: 0,
        hint: String::new(),
    }
}

#[test]
fn an_entry_that_every_process_would_satisfy_or_that_grants_our_own_ids_is_refused() {
    assert!(decode_entry(entry()).is_ok());
    let mut open = entry();
    open.selectors.clear();
    assert_eq!(decode_entry(open).unwrap_err().field, "selectors");
    let mut reserved = entry();
    reserved.spiffe_id = "spiffe://td/pelago/node/east/vm1".to_owned();
    assert_eq!(decode_entry(reserved).unwrap_err().field, "spiffe_id");
}

#[test]
fn a_bad_secret_is_refused_without_being_quoted() {
    assert!(decode_secret("EnrolRequest", &[7; 32]).is_ok());
    let error = decode_secret("EnrolRequest", b"hunter2").unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn debug_of_messages_with_secrets_leaves_them_out() {
    let secret = vec![123; 32];
    let join = JoinRequest {
        secret: secret.clone(),
        ..JoinRequest::default()
    };
    let enrol = EnrolRequest {
        secret,
        ..EnrolRequest::default()
    };
    assert!(!format!("{join:?} {enrol:?}").contains("123"));
    let svid = crate::workload_api::X509svid {
        x509_svid_key: vec![123; 8],
        ..Default::default()
    };
    assert!(!format!("{svid:?}").contains("123"));
    let token = crate::admin::TokenResponse {
        token: "pelago1.x".to_owned(),
        ..Default::default()
    };
    assert!(!format!("{token:?}").contains("pelago1"));
}

#[test]
fn chains_and_requests_have_limits() {
    let certificate = |chain| Certificate {
        spiffe_id: "spiffe://td/ns/a/sa/b".to_owned(),
        chain,
        renew_after_seconds: 1,
    };
    assert!(decode_certificate(certificate(vec![vec![0; 9]; 8])).is_ok());
    assert!(decode_certificate(certificate(vec![vec![0; 9]; 9])).is_err());
    assert!(decode_certificate(certificate(Vec::new())).is_err());
    assert!(decode_certificate(certificate(vec![vec![0; 65 * 1024]])).is_err());
    assert!(decode_csr("IssueRequest", vec![0; 16 * 1024]).is_ok());
    assert!(decode_csr("IssueRequest", vec![0; 16 * 1024 + 1]).is_err());
    assert!(decode_csr("IssueRequest", Vec::new()).is_err());
}

#[test]
fn a_large_fraction_of_a_second_is_not_lost() {
    let issued = Issued {
        spiffe_id: SpiffeId::parse("spiffe://td/ns/a/sa/b").unwrap(),
        chain: vec![vec![1]],
        renew_after: Duration::from_millis(300),
    };
    let bytes = encode_certificate(&issued).encode_to_vec();
    assert_eq!(
        Certificate::decode(bytes.as_slice())
            .unwrap()
            .renew_after_seconds,
        1
    );
}
