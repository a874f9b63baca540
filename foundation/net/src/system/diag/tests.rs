use super::*;

fn ends() -> (SocketAddr, SocketAddr) {
    let own = "127.0.0.1:40000".parse().unwrap();
    let remote = "127.0.0.1:80".parse().unwrap();
    (own, remote)
}

/// An answer as the kernel lays it out.
fn answer(state: u8, own: SocketAddr, remote: SocketAddr, uid: u32, inode: u32) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(88_u32.to_ne_bytes());
    out.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend(0_u16.to_ne_bytes());
    out.extend(SEQUENCE.to_ne_bytes());
    out.extend(0_u32.to_ne_bytes());
    let family = if own.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    out.extend([u8::try_from(family).unwrap(), state, 0, 0]);
    out.extend(own.port().to_be_bytes());
    out.extend(remote.port().to_be_bytes());
    out.extend(words(own.ip()));
    out.extend(words(remote.ip()));
    out.extend([0; 24]);
    out.extend(uid.to_ne_bytes());
    out.extend(inode.to_ne_bytes());
    out
}

const ESTABLISHED: u8 = 1;

#[test]
fn an_open_connection_has_uid_and_inode() {
    let (own, remote) = ends();
    let bytes = answer(ESTABLISHED, own, remote, 1000, 77);
    let entry = Entry {
        uid: 1000,
        inode: 77,
    };
    assert_eq!(read_answer(&bytes, own, remote).unwrap(), Some(entry));
}

#[test]
fn an_ipv4_connection_of_an_ipv6_socket_is_the_same_connection() {
    let (own, remote) = ends();
    let mapped = |at: SocketAddr| match at.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), at.port()),
        IpAddr::V6(_) => at,
    };
    let bytes = answer(ESTABLISHED, mapped(own), mapped(remote), 1000, 77);
    assert!(read_answer(&bytes, own, remote).unwrap().is_some());
}

#[test]
fn listeners_the_dead_and_other_connections_are_no_answer() {
    let (own, remote) = ends();
    let other = "127.0.0.1:81".parse().unwrap();
    for none in [
        answer(TCP_LISTEN, own, remote, 0, 77),
        answer(TCP_TIME_WAIT, own, remote, 0, 77),
        answer(ESTABLISHED, own, remote, 0, 0),
        answer(ESTABLISHED, own, other, 0, 77),
        answer(ESTABLISHED, other, remote, 0, 77),
    ] {
        assert_eq!(read_answer(&none, own, remote).unwrap(), None);
    }
}

#[test]
fn an_unknown_socket_is_none_and_other_errors_are_errors() {
    let (own, remote) = ends();
    let error = |errno: i32| {
        let mut out = answer(0, own, remote, 0, 0);
        out.splice(4..6, NLMSG_ERROR.to_ne_bytes());
        out.splice(16..20, errno.wrapping_neg().to_ne_bytes());
        read_answer(&out, own, remote)
    };
    assert_eq!(error(libc::ENOENT).unwrap(), None);
    assert_eq!(
        error(libc::EPERM).unwrap_err().raw_os_error(),
        Some(libc::EPERM)
    );
    assert!(error(i32::MIN).is_err() && error(0).is_err());
}

#[test]
fn a_short_or_foreign_answer_is_refused() {
    let (own, remote) = ends();
    let whole = answer(ESTABLISHED, own, remote, 1000, 77);
    for length in 0..whole.len() {
        assert!(
            read_answer(&whole[..length], own, remote).is_err(),
            "{length}"
        );
    }
    let mut foreign = whole;
    foreign[8] ^= 0xff;
    assert!(read_answer(&foreign, own, remote).is_err());
}

#[test]
fn the_question_has_the_length_it_says() {
    let (own, remote) = ends();
    assert_eq!(question(own, remote).len(), QUESTION_BYTES);
}
