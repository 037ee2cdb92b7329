//! Nothing that a client sends makes the server stop answering.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tungstenite::Message;

use crate::common::{noise, wav};
use crate::common_serve::{Reply, Serving, hello};
use crate::support::checkpoint;

/// Runs `test` on `cases` drawn inputs, the same ones every time.
fn drawn<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&strategy, |value| {
            test(value);
            Ok(())
        })
        .unwrap();
}

/// It still answers, and has said nothing of a panic.
fn is_well(server: Serving) {
    let recording = wav(16_000, &noise(1, 16_000));
    let reply = server.predict(&recording);
    assert_eq!(reply.status, 200, "{reply:?}");
    let (mut stream, _) = server.stream(&hello(16_000));
    assert!(stream.play(&[0.0; 8_000]));
    assert!(stream.hear().unwrap()["t"].is_number());
    drop(stream);
    let (code, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn any_body_gets_an_answer() {
    let server = Serving::start(&[checkpoint()], &[]);
    let whole = wav(16_000, &noise(3, 8_000));
    let heads = [
        &b"RIFF"[..],
        b"OggS",
        b"fLaC",
        b"ID3\x04",
        b"\xff\xfb\x90\x64",
        b"\x1a\x45\xdf\xa3",
        b"\0\0\0\x20ftypM4A ",
    ];
    let damaged = (any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>());
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2_000),
        (prop::sample::select(heads.to_vec()), prop::collection::vec(any::<u8>(), 0..2_000))
            .prop_map(|(head, rest)| [head, &rest].concat()),
        damaged.prop_map(move |(at, byte, end)| {
            let mut bytes = whole.clone();
            let at = at.index(100);
            bytes[at] = byte;
            bytes.truncate(end.index(bytes.len()) + 1);
            bytes
        }),
    ];
    let kinds = prop::sample::select(vec![
        "audio/wav",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=",
        "application/json",
    ]);
    drawn(200, (body, kinds), |(body, kind)| {
        let reply = server.ask("POST", "/v1/predict", &[("Content-Type", kind)], &body);
        assert!([200, 400, 413, 415, 422].contains(&reply.status), "{kind}: {reply:?}");
        // An empty 400, which none of our answers is, came from hyper once, on a loaded machine; why is not known.
        assert!((reply.status == 400 && reply.body.is_empty()) || reply.json().is_object(), "{reply:?}");
    });
    is_well(server);
}

#[test]
fn any_frames_end_in_an_answer_or_a_close() {
    let server = Serving::start(&[checkpoint()], &["--max-rate", "100000"]);
    let json = prop_oneof![
        Just(r#"{"sample_rate": 8000}"#.to_owned()),
        Just(r#"{"sample_rate": 192000, "hop_s": 0.1, "format": "i16"}"#.to_owned()),
        (any::<i64>(), any::<f64>())
            .prop_map(|(rate, hop)| format!(r#"{{"sample_rate": {rate}, "hop_s": {hop}}}"#)),
        ".*",
    ];
    let frame = prop_oneof![
        json.prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..20_000).prop_map(Message::binary),
        prop::collection::vec(-1.0f32..1.0, 0..5_000).prop_map(|samples| {
            Message::binary(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>())
        }),
        prop::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| Message::Ping(bytes.into())),
    ];
    let first = prop::bool::weighted(0.8);
    drawn(60, (first, prop::collection::vec(frame, 0..8)), |(first, frames)| {
        let mut stream = server.connect(&[]).unwrap();
        if first {
            stream.say(&hello(16_000));
        }
        for frame in frames {
            if stream.socket.send(frame).is_err() {
                break;
            }
        }
        let _ = stream.socket.close(None);
        for said in stream.hear_out() {
            assert!(said.is_object());
        }
    });
    is_well(server);
}

#[test]
fn bytes_that_are_no_http_harm_nobody() {
    let server = Serving::start(&[checkpoint()], &["--idle", "2"]);
    let address = server.address;
    let start = prop::sample::select(vec![
        "",
        "GET / HTTP/1.1\r\n",
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ]);
    drawn(60, (start, prop::collection::vec(any::<u8>(), 0..3_000)), |(start, rest)| {
        let mut connection = TcpStream::connect(address).unwrap();
        let _ = connection.write_all(start.as_bytes());
        let _ = connection.write_all(&rest);
        let _ = connection.shutdown(Shutdown::Write);
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
    });
    is_well(server);
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Serving::start(&[checkpoint()], &["--idle", "1"]);
    let mut connections: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    connections[1].write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    connections[2].write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    for mut connection in connections {
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("the server closes it first");
    }
    is_well(server);
}

#[test]
fn uploads_that_stall_are_given_up_and_keep_nobody_out() {
    let server = Serving::start(&[checkpoint()], &["--max-uploads", "1", "--idle", "1"]);
    let mut stalled = TcpStream::connect(server.address).unwrap();
    stalled.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\na";
    stalled.write_all(head).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let reply = server.predict(&wav(16_000, &noise(1, 16_000)));
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = Reply::read(&mut BufReader::new(stalled)).expect("it is told why, and soon");
    assert_eq!(reply.status, 408, "{reply:?}");
    assert_eq!(reply.json()["error"], "nothing more of the recording came for too long");
    is_well(server);
}

#[test]
fn a_client_that_sends_all_before_it_listens_is_told_why_it_is_refused() {
    let server = Serving::start(&[checkpoint()], &["--max-body", "1", "--token", "open-sesame"]);
    let body = vec![0; 24 << 20];
    for (token, status) in [("Authorization: Bearer open-sesame\r\n", 413), ("", 401)] {
        let mut connection = TcpStream::connect(server.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        let head = format!(
            "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&body).expect("the server reads on");
        let reply = Reply::read(&mut BufReader::new(connection)).unwrap();
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let (code, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_client_that_asks_and_never_reads_is_closed() {
    let server = Serving::start(&[checkpoint()], &["--idle", "1", "--max-rate", "1000000"]);
    let mut connection = TcpStream::connect(server.address).unwrap();
    connection.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let requests = format!("GET /live.js HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).repeat(100);
    let since = Instant::now();
    // Once the server cannot write any more it reads no more, and writing here waits, until the connection is closed.
    let closed = loop {
        match connection.write_all(requests.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => break error,
            _ => assert!(since.elapsed() < Duration::from_secs(60), "the server waits for ever"),
        }
    };
    assert!(closed.kind() != std::io::ErrorKind::TimedOut, "{closed}");
    is_well(server);
}

#[test]
fn a_client_that_reads_slowly_is_not_closed() {
    let server = Serving::start(&[checkpoint()], &["--idle", "2", "--max-rate", "1000000"]);
    let mut connection = TcpStream::connect(server.address).unwrap();
    // Some megabytes of answers.
    let requests = format!("GET /live.js HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).repeat(400);
    connection.write_all(requests.as_bytes()).unwrap();
    let (since, mut piece) = (Instant::now(), vec![0; 32 << 10]);
    while since.elapsed() < Duration::from_secs(6) {
        connection.read_exact(&mut piece).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(connection);
    is_well(server);
}
