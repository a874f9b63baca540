use proptest::prelude::*;

use super::*;

fn token() -> Token {
    Token {
        purpose: Purpose::Part {
            kind: PartKind::Node,
            name: Name::parse("n1").unwrap(),
        },
        cluster: ClusterId::parse("east").unwrap(),
        controller: SpiffeId::parse("spiffe://east.example/pelago/controller/east").unwrap(),
        addresses: vec![HostPort::parse("gw.east.example:15443").unwrap()],
        pins: vec![Pin([7; 32])],
        secret: Secret::new([9; 32]),
        expires: 1_800_000_000,
    }
}

#[test]
fn round_trip() {
    let text = token().encode();
    assert!(text.starts_with("pelago1.") && !text.contains('\n'));
    let back = Token::decode(&format!("  {}\n", text.as_str())).unwrap();
    assert_eq!(back.encode(), text);
}

#[test]
fn the_secret_does_not_print() {
    assert!(
        !format!("{:?}", token()).contains("CQkJ"),
        "base64 of the secret"
    );
}

#[test]
fn what_is_no_token_is_told_apart() {
    assert_eq!(Token::decode("hello").unwrap_err(), TokenError::NotAToken);
    assert_eq!(
        Token::decode("pelago2.abc").unwrap_err(),
        TokenError::OtherFormat("pelago2".into())
    );
    assert_eq!(
        Token::decode("pelago1.abc").unwrap_err(),
        TokenError::Damaged
    );
    let text = token().encode();
    assert_eq!(
        Token::decode(&text[..text.len() - 4]).unwrap_err(),
        TokenError::Damaged
    );
    assert_eq!(
        Token::decode(&format!("pelago1.{}", "a".repeat(100_000))).unwrap_err(),
        TokenError::Damaged
    );
}

proptest! {
    #[test]
    fn an_altered_token_is_damaged(at in 8_usize..400, with in "[A-Za-z0-9_-]") {
        let text = token().encode();
        let at = at % text.len();
        prop_assume!(text.get(at..=at) != Some(with.as_str()));
        let mut altered = text.to_string();
        altered.replace_range(at..=at, &with);
        prop_assert!(Token::decode(&altered).is_err());
    }
}
