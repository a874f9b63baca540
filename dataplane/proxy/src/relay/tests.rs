use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// A relay between two duplexes: the outer ends, and its result when done.
async fn relayed<T>(
    size: usize,
    run: impl AsyncFnOnce(DuplexStream, DuplexStream) -> T,
) -> (io::Result<()>, Meter, T) {
    let (client, mut near) = duplex(size);
    let (mut far, server) = duplex(size);
    let (meter, buffers) = (Meter::default(), Buffers::default());
    let (result, value) = tokio::join!(
        async {
            let result = relay(&mut near, &mut far, &meter, &buffers).await;
            drop((near, far));
            result
        },
        run(client, server)
    );
    (result, meter, value)
}

#[tokio::test]
async fn a_half_close_is_passed_on_and_the_way_back_stays_open() {
    let (result, meter, ()) = relayed(16, async |mut client, mut server| {
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        server.write_all(b"a later answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "a later answer");
    })
    .await;
    result.unwrap();
    assert_eq!((meter.sent(), meter.received()), (8, 14));
}

#[tokio::test]
async fn a_failure_on_one_side_ends_both() {
    let (result, _, ()) = relayed(16, async |mut client, server| {
        drop(server);
        let mut rest = Vec::new();
        // The server's end first reads as an end; writing to it then fails.
        let _ = client.write_all(&[7; 1000]).await;
        let _ = client.read_to_end(&mut rest).await;
    })
    .await;
    assert!(result.is_err());
}

#[tokio::test]
async fn idle_relays_hold_no_buffer() {
    let buffers = Buffers::default();
    let meter = Meter::default();
    let (mut client, mut near) = duplex(64);
    let (mut far, mut server) = duplex(64);
    let running = relay(&mut near, &mut far, &meter, &buffers);
    let talking = async {
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        tokio::task::yield_now().await;
        assert_eq!(
            buffers.free.lock().unwrap().len(),
            1,
            "one was enough, and it is free"
        );
    };
    tokio::select! {
        _ = running => panic!("nobody has ended"),
        () = talking => {}
    }
}

proptest! {
    #[test]
    fn bytes_arrive_whole_and_in_order_both_ways(
        out in proptest::collection::vec(any::<u8>(), 0..100_000),
        back in proptest::collection::vec(any::<u8>(), 0..100_000),
        size in 1_usize..9000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (result, meter, (got_out, got_back)) = runtime.block_on(relayed(size, async |client, server| {
            let (mut client_read, mut client_write) = tokio::io::split(client);
            let (mut server_read, mut server_write) = tokio::io::split(server);
            let (mut got_out, mut got_back) = (Vec::new(), Vec::new());
            let _ = tokio::join!(
                async { client_write.write_all(&out).await.unwrap(); client_write.shutdown().await.unwrap() },
                async { server_write.write_all(&back).await.unwrap(); server_write.shutdown().await.unwrap() },
                client_read.read_to_end(&mut got_back),
                server_read.read_to_end(&mut got_out),
            );
            (got_out, got_back)
        }));
        prop_assert!(result.is_ok());
        prop_assert_eq!((meter.sent(), meter.received()), (out.len() as u64, back.len() as u64));
        prop_assert!(got_out == out && got_back == back);
    }
}
