//! What the tests and the load test of ser-serve share: a server as a program of its own, and clients that speak to it.
#![allow(dead_code, reason = "each uses a part of it")]

pub(crate) mod load;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// A running ser-serve, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Option<std::thread::JoinHandle<String>>,
}

impl Serving {
    /// Starts one on a free port with these checkpoints and options.
    pub(crate) fn start(checkpoints: &[&Path], options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-serve"));
        for checkpoint in checkpoints {
            command.arg("--checkpoint").arg(checkpoint);
        }
        if !options.contains(&"--bind") {
            command.args(["--bind", "127.0.0.1:0"]);
        }
        command.args(options).env_remove("SER_SERVE_TOKEN");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().rsplit_once("//") else {
            let _ = child.wait();
            panic!("{command:?} says {line:?} and {}", complaints.join().unwrap());
        };
        Self { child, address: address.parse().unwrap(), stderr: Some(complaints) }
    }

    /// Asks it to end, waits, and returns its exit code and what it said on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, self.stderr.take().unwrap().join().unwrap())
    }

    /// Resident memory, bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], &[])
    }

    /// The answer for a recording.
    pub(crate) fn predict(&self, recording: &[u8]) -> Reply {
        self.ask("POST", "/v1/predict", &[], recording)
    }

    /// One request on a connection of its own; a Host goes along unless `headers` has one.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        connection.write_all(head.as_bytes()).unwrap();
        // A server that refuses need not read it all.
        let _ = connection.write_all(body);
        let mut reader = BufReader::new(connection);
        Reply::read(&mut reader).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// A stream after its first message `hello`, and the server's answer to that.
    pub(crate) fn stream(&self, hello: &Value) -> (Stream, Value) {
        let mut stream = self.connect(&[]).unwrap_or_else(|reply| panic!("{reply:?}"));
        stream.say(hello);
        let ready = stream.hear().unwrap();
        (stream, ready)
    }

    /// A stream before its first message, or the answer that refuses it.
    pub(crate) fn connect(&self, headers: &[(&str, &str)]) -> Result<Stream, Reply> {
        let mut request = format!("ws://{}/v1/stream", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            let name: tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        match tungstenite::client(request, connection) {
            Ok((socket, _)) => Ok(Stream { socket, closed: None }),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                let headers = response.headers().iter().map(|(name, value)| {
                    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                });
                Err(Reply {
                    status: response.status().as_u16(),
                    headers: headers.collect(),
                    body: response.body().clone().unwrap_or_default(),
                })
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// By name in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The next answer on a connection; none where it was closed.
    pub(crate) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length: &String| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { status, headers, body })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A client's end of a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) socket: WebSocket<TcpStream>,
    /// The code that the server closed it with.
    pub(crate) closed: Option<u16>,
}

impl Stream {
    pub(crate) fn say(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).unwrap();
    }

    /// Sends samples as 32-bit floating point; false where the server has closed the stream.
    pub(crate) fn play(&mut self, samples: &[f32]) -> bool {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.socket.send(Message::binary(bytes)).is_ok()
    }

    /// The next message; none once the server has closed the stream.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => self.closed = frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// All that comes until the server closes the stream.
    pub(crate) fn hear_out(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.hear()).collect()
    }
}

/// The first message for samples at `sample_rate` Hz.
pub(crate) fn hello(sample_rate: u32) -> Value {
    json!({ "sample_rate": sample_rate })
}
