//! Servers on this machine, in Python: S3 (moto), with a proxy in front of it that can go wrong on purpose, and WebDAV (wsgidav).

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::common::{Ran, contents};
use crate::common_python::python_with;

/// What is given as the secret key, and must never be seen again.
pub(crate) const SECRET: &str = "hunter2-is-secret";

/// A signature in form alone, which is all that the server looks at; and objects are there for everybody to read.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=a\r\nx-amz-acl: public-read\r\n";

/// It, and that for WebDAV, end when their input does, so that they never outlive the test.
const S3: &str = "
import os, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0)
server.start()
print('port', server.get_host_and_port()[1], flush=True)
sys.stdin.read()
os._exit(0)
";

const WEBDAV: &str = "
import os, sys, threading
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
app = WsgiDAVApp({
    'provider_mapping': {'/': sys.argv[1]},
    'simple_dc': {'user_mapping': {'*': True}},
    'logging': {'enable': False},
    'verbose': 0,
})
server = wsgi.Server(('127.0.0.1', 0), app)
server.prepare()
threading.Thread(target=server.serve, daemon=True).start()
print('port', server.bind_addr[1], flush=True)
sys.stdin.read()
os._exit(0)
";

/// A server in Python.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts `program`, which prints its port; nothing where Python lacks `modules`.
    fn start(program: &str, modules: &str, argument: &OsStr) -> Option<Self> {
        let mut process = Command::new(python_with(modules)?)
            .args(["-c", program])
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("port ")?.parse().ok()).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, port })
    }
}

/// A web server with WebDAV.
pub(crate) struct Web(Server);

impl Web {
    /// Starts one that serves `root`.
    pub(crate) fn start(root: &Path) -> Option<Self> {
        Server::start(WEBDAV, "wsgidav, cheroot", root.as_os_str()).map(Self)
    }

    /// The URL of a folder.
    pub(crate) fn url(&self, folder: &str) -> String {
        format!("http://127.0.0.1:{}/{folder}", self.0.port)
    }
}

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hands it on, and the answer back.
    None,
    /// Answers with this status.
    Status(u16),
    /// Hands the answer back a little at a time.
    Slow,
    /// Leaves out the second half of the body, of which the length was announced.
    Truncated,
}

/// Says what to do with a request, by its method and path.
type Rule = Box<dyn FnMut(&str, &str) -> Fault + Send>;

/// The server with one bucket, and the proxy.
pub(crate) struct Store {
    server: Server,
    proxy: u16,
    seen: Arc<Mutex<Vec<String>>>,
    rule: Arc<Mutex<Rule>>,
}

impl Store {
    /// Starts a server with an empty bucket, `bucket`; nothing where Python lacks what it needs.
    pub(crate) fn start() -> Option<Self> {
        let server = Server::start(S3, "moto, flask_cors", OsStr::new(""))?;
        let port = server.port;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_, _| Fault::None)));
        let (log, faults) = (seen.clone(), rule.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, faults) = (log.clone(), faults.clone());
                std::thread::spawn(move || serve(client, port, &log, &faults));
            }
        });
        let store = Self { server, proxy, seen, rule };
        store.request("PUT", "", b"");
        Some(store)
    }

    /// Writes an object, past the proxy.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.request("PUT", key, bytes);
    }

    /// Removes an object, past the proxy.
    pub(crate) fn delete(&self, key: &str) {
        self.request("DELETE", key, b"");
    }

    /// An object's bytes, past the proxy.
    pub(crate) fn get(&self, key: &str) -> Vec<u8> {
        self.request("GET", key, b"")
    }

    /// Writes every file below `folder`, as `prefix/…`.
    pub(crate) fn put_folder(&self, folder: &Path, prefix: &str) {
        for (path, bytes) in contents(folder) {
            self.put(&format!("{prefix}/{path}"), &bytes);
        }
    }

    /// How to write an object, past the proxy, from within a rule.
    pub(crate) fn writer(&self) -> impl Fn(&str, &[u8]) + Send + use<> {
        let port = self.server.port;
        move |key, bytes| drop(request(port, "PUT", key, bytes))
    }

    fn request(&self, method: &str, key: &str, body: &[u8]) -> Vec<u8> {
        request(self.server.port, method, key, body)
    }

    /// What the proxy does from now on.
    pub(crate) fn on(&self, rule: impl FnMut(&str, &str) -> Fault + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// The requests since this was last asked, such as `GET /bucket/a.wav`; queries are left out.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Runs a command that finds the store through the proxy. Nothing that it prints holds the secret.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        run_with(program, arguments, &self.endpoint())
    }

    /// Where the proxy is.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy)
    }
}

/// Runs a command with an S3 store at `endpoint`.
pub(crate) fn run_with(program: &str, arguments: &[&str], endpoint: &str) -> Ran {
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDTESTING"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let ran = run_in(program, arguments, &environment);
    for secret in [SECRET, "AKIDTESTING"] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{ran:?}");
    }
    ran
}

/// Runs a command in an environment.
pub(crate) fn run_in(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let program = match program {
        "ser-prep" => env!("CARGO_BIN_EXE_ser-prep"),
        "ser-cache" => env!("CARGO_BIN_EXE_ser-cache"),
        other => panic!("{other}"),
    };
    let output = Command::new(program).args(arguments).envs(environment.iter().copied()).output().unwrap();
    let ran = Ran::of(&output);
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// A request past the proxy, and the body of its answer.
fn request(port: u16, method: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let key: String = key
        .bytes()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    let slash = if key.is_empty() { "" } else { "/" };
    let head = format!(
        "{method} /bucket{slash}{key} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n{SIGNED}Connection: close\r\n\r\n",
        body.len()
    );
    server.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {key}: {head}");
    body.to_vec()
}

/// The head of a message, and what comes after it.
fn split(message: &[u8]) -> (String, &[u8]) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    (String::from_utf8_lossy(&message[..end]).into_owned(), &message[end..])
}

/// Hands one request on, as the rule says.
fn serve(mut client: TcpStream, port: u16, log: &Mutex<Vec<String>>, rule: &Mutex<Rule>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8(head).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut words = text.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    // Lists are of the bucket itself, whatever their query.
    log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
    let fault = rule.lock().unwrap_or_else(PoisonError::into_inner)(method, path);
    if let Fault::Status(status) = fault {
        let answer = format!("HTTP/1.1 {status} Injected\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes()).ok();
    }
    let kept: String = text
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let mut server = TcpStream::connect(("127.0.0.1", port)).ok()?;
    server.write_all(&[format!("{kept}Connection: close\r\n\r\n").as_bytes(), &body].concat()).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    let (head, body) = split(&answer);
    let head_length = answer.len() - body.len();
    debug_assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
    match fault {
        Fault::Truncated => client.write_all(&answer[..head_length + body.len() / 2]).ok(),
        Fault::Slow => answer.chunks(answer.len().div_ceil(4).max(1)).try_for_each(|piece| {
            client.write_all(piece).ok()?;
            std::thread::sleep(Duration::from_millis(60));
            Some(())
        }),
        _ => client.write_all(&answer).ok(),
    }
}
