//! HTTPS.

use std::path::Path;
use std::process::Command;

use crate::common_fit::fail;
use crate::common_serve::Serving;
use crate::support::checkpoint;

/// A client that trusts this certificate alone.
const CLIENT: &str = "
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
print(urllib.request.urlopen(sys.argv[2] + '/healthz', context=context).read().decode(), end='')
";

/// Makes a certificate of one's own and its key in `folder`, with names that begin with `name`; false without openssl.
fn make_certificate(folder: &Path, name: &str) -> bool {
    let (key, chain) = (format!("{name}-key.pem"), format!("{name}-chain.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-keyout", &key, "-out", &chain])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .current_dir(folder)
        .output();
    let made = made.is_ok_and(|made| made.status.success());
    if !made {
        eprintln!("There is no openssl to make a certificate with: HTTPS was not tested.");
    }
    made
}

#[test]
fn it_speaks_https_with_a_certificate_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    if !make_certificate(folder.path(), "own") {
        return;
    }
    let (chain, key) = (folder.path().join("own-chain.pem"), folder.path().join("own-key.pem"));
    let files = ["--tls-cert", chain.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Serving::start(&[checkpoint()], &files);
    let url = format!("https://{}", server.address);
    let output = Command::new("python3").args(["-c", CLIENT]).arg(&chain).arg(url).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{output:?}");
    let (code, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn files_that_cannot_be_used_for_https_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    if !make_certificate(folder.path(), "own") || !make_certificate(folder.path(), "other") {
        return;
    }
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (chain, key, words) in [
        ("missing.pem", "own-key.pem", "missing.pem: cannot be read: "),
        ("own-chain.pem", "missing.pem", "missing.pem: cannot be read: "),
        ("empty.pem", "own-key.pem", "empty.pem: holds no certificate; "),
        ("own-key.pem", "own-chain.pem", "own-key.pem: holds no certificate; "),
        ("own-chain.pem", "empty.pem", "empty.pem: holds no private key; "),
        (
            "own-chain.pem",
            "other-key.pem",
            "other-key.pem: is not the private key of the certificate in own-chain.pem; ",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-serve"));
        command.current_dir(folder.path()).env_remove("SER_SERVE_TOKEN");
        command.args(["--bind", "127.0.0.1:0", "--tls-cert", chain, "--tls-key", key]);
        let complaint = fail(&mut command, 1);
        assert!(complaint.contains(words), "{chain} {key}: {complaint}");
    }
}

#[test]
fn it_says_that_it_serves_only_once_its_certificate_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let chain = folder.path().join("chain.pem");
    std::fs::write(&chain, "no certificate").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser-serve"));
    command.arg("--checkpoint").arg(checkpoint()).args(["--bind", "127.0.0.1:0"]);
    command.arg("--tls-cert").arg(&chain).arg("--tls-key").arg(&chain);
    let output = command.env_remove("SER_SERVE_TOKEN").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("chain.pem"), "{output:?}");
}
