//! Who is let in, what browsers are told, and how it ends.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;

use crate::common::{noise, wav};
use crate::common_fit::fail;
use crate::common_serve::{Serving, hello};
use crate::support::checkpoint;

#[test]
fn other_hosts_and_other_pages_are_refused_at_requests_and_at_the_upgrade() {
    let server = Serving::start(&[checkpoint()], &["--host", "ser.example"]);
    let own = format!("http://{}", server.address);
    let recording = wav(16_000, &noise(1, 16_000));
    for (headers, status) in [
        (vec![], 200),
        (vec![("Host", "localhost")], 200),
        (vec![("Host", "ser.example:99")], 200),
        (vec![("Host", "evil.example")], 421),
        (vec![("Host", "10.1.2.3")], 421),
        (vec![("Origin", own.as_str())], 200),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Host", "ser.example"), ("Origin", "http://ser.example")], 200),
    ] {
        let reply = server.ask("POST", "/v1/predict", &headers, &recording);
        assert_eq!(reply.status, status, "{headers:?} {reply:?}");
        let stream = server.connect(&headers).map_or_else(|reply| reply.status, |_| 200);
        assert_eq!(stream, status, "{headers:?}");
    }
}

#[test]
fn browsers_are_told_to_load_nothing_else_and_to_share_nothing() {
    let server = Serving::start(&[checkpoint()], &[]);
    for path in
        ["/", "/app.js", "/worklet.js", "/style.css", "/v1/models", "/healthz", "/nothing", "/v1/predict"]
    {
        let reply = server.get(path);
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["cross-origin-resource-policy"], "same-origin");
        assert!(!reply.headers.keys().any(|name| name.starts_with("access-control")), "{path}: {reply:?}");
    }
    let preflight = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")];
    let reply = server.ask("OPTIONS", "/v1/predict", &preflight, &[]);
    assert_eq!(reply.status, 403);
    assert!(!reply.headers.keys().any(|name| name.starts_with("access-control")), "{reply:?}");
    let page = server.get("/").text();
    assert!(page.contains("<script src=\"/app.js\""), "{page}");
    assert!(!page.contains("style=") && !page.contains(" onclick") && !page.contains("http://"), "{page}");
}

#[test]
fn with_a_token_nothing_is_answered_without_it() {
    let server = Serving::start(&[checkpoint()], &["--token", "open-sesame"]);
    let recording = wav(16_000, &noise(1, 16_000));
    let with = |token: &str| {
        let value = format!("Bearer {token}");
        server.ask("POST", "/v1/predict", &[("Authorization", &value)], &recording).status
    };
    assert_eq!(with("open-sesame"), 200);
    assert_eq!(with("open-sesam"), 401);
    let without = server.predict(&recording);
    assert_eq!((without.status, without.headers["www-authenticate"].as_str()), (401, "Bearer"));
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.connect(&[]).unwrap_err().status, 401);
    let encoded = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode("open-sesame");
    let protocols = format!("ser.v1, ser.bearer.{encoded}");
    assert!(server.connect(&[("Sec-WebSocket-Protocol", &protocols)]).is_ok());
}

#[test]
fn an_address_that_asks_too_often_is_slowed_down() {
    let server = Serving::start(&[checkpoint()], &["--max-rate", "5"]);
    let replies: Vec<_> = (0..20).map(|_| server.get("/healthz")).collect();
    assert!(replies[..5].iter().all(|reply| reply.status == 200));
    let refused = replies.iter().find(|reply| reply.status == 429).unwrap();
    assert_eq!(refused.headers["retry-after"], "1");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_server_for_everyone_says_so_on_stderr() {
    let server = Serving::start(&[checkpoint()], &["--bind", "0.0.0.0:0"]);
    let (code, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("warning: everyone who reaches 0.0.0.0:0 may use this server"), "{stderr}");
    assert!(stderr.contains("without HTTPS"), "{stderr}");
    let server = Serving::start(&[checkpoint()], &[]);
    let (code, stderr) = server.end();
    assert_eq!(code, Some(0));
    assert!(!stderr.contains("warning"), "{stderr}");
}

#[test]
fn asked_to_end_it_tells_its_streams_and_ends_with_0() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (mut stream, _) = server.stream(&hello(16_000));
    let address = server.address;
    let since = Instant::now();
    let ended = std::thread::spawn(move || server.end());
    let said = stream.hear_out();
    assert_eq!(said.last().unwrap()["error"], "the server is stopping", "{said:?}");
    assert_eq!(stream.closed, Some(1001));
    drop(stream);
    let (code, stderr) = ended.join().unwrap();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn what_cannot_be_served_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-serve"));
        command.current_dir(folder.path()).args(arguments).env_remove("SER_SERVE_TOKEN");
        command
    };
    let complaint = fail(serve(&["--checkpoint", "nowhere.pt", "--bind", "127.0.0.1:0"]).env("X", "1"), 1);
    assert!(complaint.contains("nowhere.pt: cannot be read"), "{complaint}");
    std::fs::write(folder.path().join("no.pt"), b"not a checkpoint").unwrap();
    let complaint = fail(&mut serve(&["--checkpoint", "no.pt", "--bind", "127.0.0.1:0"]), 1);
    assert!(complaint.contains("no.pt: "), "{complaint}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let complaint = fail(&mut serve(&["--bind", &address]), 1);
    assert!(complaint.contains(&format!("cannot listen on {address}")), "{complaint}");
    for wrong in
        [["--token", " "], ["--max-streams", "0"], ["--idle", "-1"], ["--max-rate", "0"], ["--bind", "x"]]
    {
        fail(&mut serve(&wrong), 2);
    }
    for host in ["ser.example:8443", "https://ser.example"] {
        let complaint = fail(&mut serve(&["--bind", "127.0.0.1:0", "--host", host]), 2);
        assert!(complaint.contains(host) && complaint.contains("such as ser.example"), "{complaint}");
    }
    let complaint = fail(&mut serve(&["--bind", "127.0.0.1:0", "--max-duration", "0.01"]), 2);
    assert!(complaint.contains("--max-duration 0.01 is not above 0.05"), "{complaint}");
    let complaint = fail(&mut serve(&["--bind", "127.0.0.1:0", "--jobs", "100000"]), 2);
    assert!(complaint.contains("--jobs 100000 is far too many"), "{complaint}");
}

#[test]
fn a_token_that_no_client_could_send_is_refused_at_the_start() {
    let serve = |option: &[&str], variable: Option<&[u8]>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-serve"));
        command.arg("--checkpoint").arg(checkpoint()).args(["--bind", "127.0.0.1:0"]).args(option);
        match variable {
            Some(value) => command.env("SER_SERVE_TOKEN", OsStr::from_bytes(value)),
            None => command.env_remove("SER_SERVE_TOKEN"),
        };
        fail(&mut command, 2)
    };
    for token in ["", " ", "open sesame", "gehüim"] {
        let complaint = serve(&["--token", token], None);
        assert!(complaint.contains("--token cannot be used: the token "), "{token:?}: {complaint}");
    }
    for variable in [&b""[..], b"geheim ", b"geheim\xfc", "gehüim".as_bytes()] {
        let complaint = serve(&[], Some(variable));
        assert!(
            complaint.contains("SER_SERVE_TOKEN cannot be used: the token "),
            "{variable:?}: {complaint}"
        );
        assert!(!complaint.contains("geh"), "it is not printed: {complaint}");
    }
}
