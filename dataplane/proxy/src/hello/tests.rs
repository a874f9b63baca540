use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;

fn vector(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    [&length[length.len() - width..], bytes].concat()
}

fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(2, value)].concat()
}

fn server_name(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|name| [vec![0], vector(2, name)].concat())
        .collect();
    extension(0, &vector(2, &list))
}

fn alpn(protocols: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = protocols
        .iter()
        .flat_map(|p| vector(1, p.as_bytes()))
        .collect();
    extension(16, &vector(2, &list))
}

/// A hello in records of at most `record` bytes.
fn hello(extensions: &[Vec<u8>], padding: usize, record: usize) -> Vec<u8> {
    let mut all = extensions.concat();
    all.extend(extension(21, &vec![0; padding]));
    let body = [
        vec![3, 3],
        vec![7; 32],
        vector(1, &[1; 32]),
        vector(2, &[0x13, 1]),
        vector(1, &[0]),
        vector(2, &all),
    ]
    .concat();
    let message = [vec![1], vector(3, &body)].concat();
    message
        .chunks(record)
        .flat_map(|piece| [vec![22, 3, 1], vector(2, piece)].concat())
        .collect()
}

fn assembled(bytes: &[u8]) -> Result<Option<ClientHello>, HelloError> {
    Assembler::default().push(bytes)
}

fn selected(extensions: &[Vec<u8>]) -> Selected {
    let hello = assembled(&hello(extensions, 0, 16_000)).unwrap().unwrap();
    select(
        &hello,
        Some(&Hostname::parse("controller.east.example").unwrap()),
    )
}

#[test]
fn the_name_and_alpn_select() {
    let h2 = alpn(&["h2"]);
    let named = |name: &str| server_name(&[name.as_bytes()]);
    let refused = Selected::Refused;
    let table = [
        (
            vec![named("control.pelago"), h2.clone()],
            Selected::Controller,
        ),
        (
            vec![named("peering.pelago"), h2.clone()],
            Selected::Controller,
        ),
        (vec![named("bundle.pelago")], Selected::Controller),
        (vec![named("controller.east.example")], Selected::Controller),
        (vec![named("hbone.pelago"), h2.clone()], Selected::Hbone),
        (vec![h2.clone()], Selected::Hbone),
        (
            vec![named("hbone.pelago")],
            refused(Reason::UnknownServerName),
        ),
        (
            vec![named("hbone.pelago"), alpn(&["h2", "http/1.1"])],
            refused(Reason::UnknownServerName),
        ),
        (vec![], refused(Reason::UnknownServerName)),
        (
            vec![alpn(&["http/1.1"])],
            refused(Reason::UnknownServerName),
        ),
        (
            vec![
                named("outbound_.80_._.api.shop.svc.cluster.local"),
                h2.clone(),
            ],
            refused(Reason::PassthroughUnsupported),
        ),
        (
            vec![named("kube-dns.kube-system.svc.cluster.local"), h2],
            refused(Reason::UnknownServerName),
        ),
    ];
    for (extensions, expected) in table {
        assert_eq!(selected(&extensions), expected, "{extensions:?}");
    }
}

#[test]
fn names_that_are_not_exactly_one_host_name_select_nothing() {
    let long = [b'a'; 300];
    let bad: [&[&[u8]]; 9] = [
        &[b"control.pelago", b"peering.pelago"],
        &[],
        &[&long],
        &[b"CONTROL.pelago"],
        &[b"control.pelago."],
        &[b"10.0.0.1"],
        &[b"control.pelago\0.example"],
        &[b"\x1b[31mcontrol.pelago"],
        &[b"\xff\xfe"],
    ];
    for names in bad {
        let extensions = [server_name(names), alpn(&["h2"])];
        assert_eq!(
            selected(&extensions),
            Selected::Refused(Reason::BadClientHello),
            "{names:?}"
        );
    }
    let twice = [server_name(&[b"control.pelago"]), server_name(&[b"x.y"])];
    assert_eq!(
        assembled(&hello(&twice, 0, 16_000)),
        Err(HelloError::NotTls)
    );
}

#[test]
fn what_is_no_hello_is_refused_by_its_first_bytes() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0",
        // An SSLv2 hello.
        &[0x80, 0x2e, 1, 3, 1],
        &[22, 2, 0, 0, 1, 1],
        // A ServerHello.
        &[22, 3, 3, 0, 4, 2, 0, 0, 0],
        // An empty record.
        &[22, 3, 1, 0, 0],
        // A record longer than any.
        &[22, 3, 1, 0xff, 0xff],
        // Application data after a first fragment.
        &[22, 3, 1, 0, 1, 1, 23, 3, 3, 0, 1, 0],
    ] {
        assert_eq!(assembled(bytes), Err(HelloError::NotTls), "{bytes:?}");
    }
}

#[test]
fn a_hello_that_says_it_is_too_large_is_refused_at_once() {
    let bytes = [&[22, 3, 1, 0, 4, 1][..], &65_536_u32.to_be_bytes()[1..]].concat();
    assert_eq!(assembled(&bytes), Err(HelloError::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_too_slow_and_nothing_more_is_read() {
    let (mut near, mut far) = tokio::io::duplex(64);
    let bytes = hello(&[server_name(&[b"control.pelago"])], 0, 16_000);
    let drip = async move {
        for byte in bytes {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if near.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let reading = read(&mut far);
    tokio::select! {
        read = reading => assert_eq!(read.unwrap_err(), HelloError::TooSlow),
        () = drip => panic!("it should have been given up"),
    }
}

#[tokio::test]
async fn at_most_sixteen_kib_are_held() {
    let (mut near, mut far) = tokio::io::duplex(128 * 1024);
    // One byte per record: the message never completes within the limit.
    near.write_all(&hello(&[], 12_000, 1)).await.unwrap();
    assert_eq!(read(&mut far).await.unwrap_err(), HelloError::TooLarge);
}

proptest! {
    #[test]
    fn a_hello_is_read_however_it_is_cut(
        padding in 0_usize..4000,
        record in 30_usize..9000,
        cuts in proptest::collection::vec(1_usize..900, 1..40),
    ) {
        let bytes = hello(&[server_name(&[b"hbone.pelago"]), alpn(&["h2"])], padding, record);
        let mut assembler = Assembler::default();
        let mut rest = bytes.as_slice();
        let mut cuts = cuts.iter().cycle();
        let mut found = None;
        while found.is_none() && !rest.is_empty() {
            let (piece, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            found = assembler.push(piece).unwrap();
            rest = later;
        }
        prop_assert!(rest.is_empty(), "complete with its last byte and not before");
        prop_assert_eq!(select(&found.unwrap(), None), Selected::Hbone);
        prop_assert_eq!(assembler.into_bytes(), bytes);
    }

    #[test]
    fn any_bytes_are_judged_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = assembled(&bytes);
        let framed = [&[22, 3, 1][..], &vector(2, &bytes)].concat();
        let _ = assembled(&framed);
    }

    #[test]
    fn a_damaged_hello_is_judged_without_harm(at in 0_usize..120, byte in any::<u8>()) {
        let mut bytes = hello(&[server_name(&[b"hbone.pelago"]), alpn(&["h2"])], 0, 16_000);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Some(hello)) = assembled(&bytes) {
            let _ = select(&hello, None);
        }
    }
}
