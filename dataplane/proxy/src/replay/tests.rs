use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn first_bytes_come_first_and_once_however_small_the_buffer() {
    let (mut near, far) = tokio::io::duplex(64);
    near.write_all(b" world").await.unwrap();
    let mut replay = Replay::new(b"hello".to_vec(), far);
    let mut text = [0; 3];
    replay.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"hel");
    replay.write_all(b"back").await.unwrap();
    drop(near.shutdown().await);
    let mut rest = String::new();
    replay.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "lo world");
}
