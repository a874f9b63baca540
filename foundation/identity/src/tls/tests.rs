use rustls::NamedGroup;
use rustls::pki_types::UnixTime;
use tests_suites::mint::{self, NOW, Spec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::kit::{Domain, cluster, svid};
use crate::state::IdentityWriter;

const WEB: &str = "ns/shop/sa/web";
const API: &str = "ns/shop/sa/api";

type Both = (
    Result<(TlsStream<DuplexStream>, VerifiedPeer), TlsError>,
    Result<(TlsStream<DuplexStream>, PeerCertificate), TlsError>,
);

/// A handshake between two identities, each speaking as its own.
async fn meet(client: &Identity, server: &Identity, expect: &Expect, auth: ClientAuth) -> Both {
    let (near, far) = duplex(64 * 1024);
    let as_client = client.own_id().unwrap();
    let as_server = server.own_id().unwrap();
    let connecting = client.connect(near, &as_client, "hbone.pelago", expect);
    tokio::join!(connecting, server.accept(far, &as_server, auth))
}

fn api(domain: &Domain) -> Expect {
    Expect::exactly(domain.id(API))
}

#[tokio::test]
async fn both_sides_learn_whom_they_verified_and_bytes_flow() {
    let east = Domain::new("east");
    let (_w, client) = east.identity(WEB, &[&east]);
    let (_w, server) = east.identity(API, &[&east]);
    let expect = api(&east).issued_by(cluster("east"));
    let (near, far) = meet(&client, &server, &expect, ClientAuth::Required).await;
    let ((mut near, server), (mut far, client)) = (near.unwrap(), far.unwrap());
    assert_eq!(*server.id(), east.id(API));
    assert_eq!(server.issuer_cluster(), Some(&cluster("east")));
    let client = client.verified().unwrap();
    assert_eq!(*client.id(), east.id(WEB));
    assert_eq!(client.issuer_cluster(), Some(&cluster("east")));
    near.write_all(b"ping").await.unwrap();
    near.shutdown().await.unwrap();
    let mut read = String::new();
    far.read_to_string(&mut read).await.unwrap();
    // The other half stays open after a half-close.
    far.write_all(b"pong").await.unwrap();
    far.shutdown().await.unwrap();
    let mut back = String::new();
    near.read_to_string(&mut back).await.unwrap();
    assert_eq!((read.as_str(), back.as_str()), ("ping", "pong"));
}

#[tokio::test]
async fn federated_domains_meet_and_strangers_do_not() {
    let (east, west) = (Domain::new("east"), Domain::new("west"));
    let (_w, client) = east.identity(WEB, &[&east, &west]);
    let (_w, friend) = west.identity(API, &[&west, &east]);
    let (near, far) = meet(&client, &friend, &api(&west), ClientAuth::Required).await;
    assert_eq!(near.unwrap().1.issuer_cluster(), Some(&cluster("west")));
    assert_eq!(*far.unwrap().1.verified().unwrap().id(), east.id(WEB));

    let (_w, stranger) = west.identity(API, &[&west]);
    let (_, far) = meet(&client, &stranger, &api(&west), ClientAuth::Required).await;
    let error = far.unwrap_err();
    assert_eq!(error.reason(), pelago_model::Reason::UnknownTrustDomain);
    let (_w, alone) = east.identity(WEB, &[&east]);
    let (near, far) = meet(&alone, &friend, &api(&west), ClientAuth::Required).await;
    let error = near.unwrap_err();
    assert_eq!(error.reason(), pelago_model::Reason::UnknownTrustDomain);
    assert!(far.is_err());
}

#[tokio::test]
async fn x6_another_domains_root_vouches_for_no_one_here() {
    let (east, west) = (Domain::new("east"), Domain::new("west"));
    let (_w, client) = east.identity(WEB, &[&east, &west]);
    // West's CA signs an identity of east.
    let forged = west.root.leaf(&Spec::leaf(east.id(API).as_str()));
    let (writer, server) = east.identity(API, &[&east, &west]);
    writer.update(|state| state.own = Some(svid(forged)));
    let (near, far) = meet(&client, &server, &api(&east), ClientAuth::Required).await;
    let error = near.unwrap_err();
    assert_eq!(error.reason(), pelago_model::Reason::BadCertificate);
    assert!(far.is_err());
}

#[tokio::test]
async fn another_identity_or_issuing_cluster_than_expected_is_refused() {
    let east = Domain::new("east");
    let (_w, client) = east.identity(WEB, &[&east]);
    let (_w, server) = east.identity(API, &[&east]);
    let other = Expect::exactly(east.id("ns/shop/sa/other"));
    let nobody = Expect {
        ids: Vec::new(),
        issuer_cluster: None,
    };
    let elsewhere = api(&east).issued_by(cluster("west"));
    let found = |expect: Expect| {
        let (client, server) = (client.clone(), server.clone());
        async move {
            let met = meet(&client, &server, &expect, ClientAuth::Required);
            let limit = Duration::from_secs(1);
            tokio::time::timeout(limit, met)
                .await
                .unwrap()
                .0
                .unwrap_err()
        }
    };
    assert!(matches!(found(other).await, TlsError::WrongIdentity { .. }));
    assert!(matches!(
        found(elsewhere).await,
        TlsError::WrongCluster { .. }
    ));
    assert!(matches!(found(nobody).await, TlsError::NobodyExpected));
}

#[tokio::test]
async fn an_optional_listener_records_what_it_could_not_verify() {
    let (east, west) = (Domain::new("east"), Domain::new("west"));
    let (_w, server) = east.identity("pelago/controller/east", &[&east]);
    let (_w, joiner) = west.identity("pelago/controller/west", &[&west, &east]);
    let expect = Expect::exactly(east.id("pelago/controller/east"));
    let (near, far) = meet(&joiner, &server, &expect, ClientAuth::Optional).await;
    assert!(near.is_ok());
    match far.unwrap().1 {
        PeerCertificate::Unverified { chain, why } => {
            let shown = joiner.current();
            assert_eq!(*chain, *shown.own.as_ref().unwrap().chain_der());
            assert_eq!(why.reason(), pelago_model::Reason::UnknownTrustDomain);
        }
        other => panic!("expected an unverified peer, got {other:?}"),
    }
}

/// A pinned first contact without a certificate of our own.
async fn pin(server: &Identity, auth: ClientAuth, root: &[u8]) -> Both {
    let (near, far) = duplex(64 * 1024);
    let controller = server.own_id().unwrap();
    let pins = [pelago_svid::pin(root).unwrap()];
    let connecting = connect_pinned(near, "control.pelago", &pins, &controller, None, NOW);
    tokio::join!(connecting, server.accept(far, &controller, auth))
}

#[tokio::test]
async fn a_joiner_pins_the_root_that_an_optional_listener_presents() {
    let east = Domain::new("east");
    let (_w, server) = east.identity("pelago/controller/east", &[&east]);
    let (near, far) = pin(&server, ClientAuth::Optional, east.root.der()).await;
    assert_eq!(*near.unwrap().1.id(), east.id("pelago/controller/east"));
    assert!(matches!(far.unwrap().1, PeerCertificate::Absent));
    let other = Domain::new("east");
    let (near, _) = pin(&server, ClientAuth::Optional, other.root.der()).await;
    match near.unwrap_err() {
        TlsError::Unverified(why) => assert_eq!(*why, pelago_svid::VerifyError::NotPinned),
        other => panic!("expected a pin error, got {other:?}"),
    }
}

#[tokio::test]
async fn a_client_without_certificate_is_refused_where_one_is_required() {
    let east = Domain::new("east");
    let root = Domain::new("east").root;
    let (writer, server) = east.identity(API, &[&east]);
    let chain = east.intermediate.leaf(&Spec::leaf(east.id(API).as_str()));
    let with_root = mint::Minted {
        chain: chain.with_root(),
        ..chain
    };
    writer.update(|state| state.own = Some(svid(with_root)));
    let (_, far) = pin(&server, ClientAuth::Required, east.root.der()).await;
    let error = far.unwrap_err();
    assert!(matches!(error, TlsError::NoCertificate), "{error:?}");
    let (_, far) = pin(&server, ClientAuth::Required, root.der()).await;
    assert!(far.is_err());
}

fn hold(writer: &IdentityWriter, domain: &Domain, sequence: u64, roots: &[&[u8]]) {
    let mut bundle = domain.bundle(sequence);
    bundle.x509_authorities = roots.iter().map(|der| Arc::from(*der)).collect();
    writer.update(|state| state.bundles.accept(Arc::new(bundle)).unwrap());
}

#[tokio::test]
async fn a_rotation_of_root_and_leaf_needs_no_restart() {
    let old = Domain::new("east");
    let new = Domain::new("east");
    let (client_writer, client) = old.identity(WEB, &[&old]);
    let (server_writer, server) = old.identity(API, &[&old]);
    let expect = api(&old);
    let met = || meet(&client, &server, &expect, ClientAuth::Required);
    assert!(met().await.0.is_ok());
    // The new leaf before its root is in the bundles: refused.
    server_writer.update(|state| state.own = Some(new.svid(API)));
    assert!(met().await.0.is_err());
    for writer in [&client_writer, &server_writer] {
        hold(writer, &old, 2, &[old.root.der(), new.root.der()]);
    }
    let (near, far) = met().await;
    let authority = pelago_svid::pin(new.root.der()).unwrap();
    assert_eq!(near.unwrap().1.authority(), authority);
    assert!(far.is_ok());
    // Without the old root the client's old leaf no longer counts.
    hold(&server_writer, &old, 3, &[new.root.der()]);
    assert!(met().await.1.is_err());
    client_writer.update(|state| state.own = Some(new.svid(WEB)));
    assert!(met().await.1.is_ok());
}

#[tokio::test]
async fn we_never_speak_without_a_valid_svid_of_our_own() {
    let east = Domain::new("east");
    let (writer, client) = east.identity(WEB, &[&east]);
    let connect = |id: SpiffeId| {
        let (near, _far) = duplex(1024);
        let (client, expect) = (client.clone(), api(&east));
        async move { client.connect(near, &id, "hbone.pelago", &expect).await }
    };
    let error = connect(east.id("ns/shop/sa/nobody")).await.unwrap_err();
    assert!(matches!(error, TlsError::NoSvid { .. }));
    let stale = Spec::leaf(east.id(WEB).as_str()).valid(mint::FROM, NOW - 1);
    writer.update(|state| state.own = Some(svid(east.intermediate.leaf(&stale))));
    let error = connect(east.id(WEB)).await.unwrap_err();
    assert!(matches!(error, TlsError::SvidExpired { .. }));
    assert_eq!(error.reason(), pelago_model::Reason::NoSvid);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_in_time() {
    let east = Domain::new("east");
    let (_w, identity) = east.identity(WEB, &[&east]);
    let (near, _far) = duplex(1024);
    let id = east.id(WEB);
    let began = tokio::time::Instant::now();
    let accepted = identity.accept(near, &id, ClientAuth::Required).await;
    assert!(matches!(accepted, Err(TlsError::TimedOut { .. })));
    assert_eq!(began.elapsed(), HANDSHAKE_LIMIT);
    let (near, _far) = duplex(1024);
    let connected = identity
        .connect(near, &id, "hbone.pelago", &api(&east))
        .await;
    assert!(matches!(connected, Err(TlsError::TimedOut { .. })));
}

/// A client that trusts anyone, to see what our server offers to a stranger.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

async fn raw(
    version: &'static rustls::SupportedProtocolVersion,
    alpn: &[&[u8]],
) -> (
    io::Result<tokio_rustls::client::TlsStream<DuplexStream>>,
    Result<(TlsStream<DuplexStream>, PeerCertificate), TlsError>,
) {
    let east = Domain::new("east");
    let (_w, server) = east.identity("pelago/controller/east", &[&east]);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("control.pelago").unwrap();
    let id = server.own_id().unwrap();
    tokio::join!(
        TlsConnector::from(Arc::new(config)).connect(name, near),
        server.accept(far, &id, ClientAuth::Optional)
    )
}

#[tokio::test]
async fn only_tls_1_3_with_h2_is_served_and_post_quantum_is_preferred() {
    let (near, far) = raw(&TLS13, &[b"http/1.1", b"h2"]).await;
    let near = near.unwrap();
    let (_, session) = near.get_ref();
    assert_eq!(
        session.negotiated_key_exchange_group().unwrap().name(),
        NamedGroup::X25519MLKEM768
    );
    assert_eq!(session.alpn_protocol(), Some(H2));
    assert!(far.is_ok());
    // No ticket arrives.
    let (mut server, _) = far.unwrap();
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
    let mut near = near;
    assert_eq!(near.read_u8().await.unwrap(), b'x');
    assert_eq!(near.get_ref().1.tls13_tickets_received(), 0);

    let (near, far) = raw(&rustls::version::TLS12, &[b"h2"]).await;
    assert!(near.is_err() && far.is_err());
    let (_, far) = raw(&TLS13, &[b"http/1.1"]).await;
    assert!(matches!(far, Err(TlsError::NoHttp2)), "{far:?}");
    let (_, far) = raw(&TLS13, &[]).await;
    assert!(matches!(far, Err(TlsError::NoHttp2)), "{far:?}");
}
