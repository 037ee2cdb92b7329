//! Load: streams in real time, and as many recordings as can be answered for.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Reply, Serving, Stream};

/// Samples of a message, and their rate: what a browser's microphone gives.
const PIECE: usize = 1024;
const RATE: u32 = 48_000;

/// How long answers took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of the answers took at most, milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
        sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// What came of streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streamed {
    /// From when the last sample of a window was sent to when its answer was there, for windows that were answered for.
    pub(crate) times: Times,
    /// Windows that the server skipped.
    pub(crate) skipped: u64,
    /// Streams that it refused with 503 and a time to come back.
    pub(crate) refused: usize,
    /// Windows in which it heard speech.
    pub(crate) spoken: usize,
}

/// Lets `count` clients send `sound` over and over in real time for that long, one starting every `apart`.
pub(crate) fn streams(
    server: &Serving,
    count: usize,
    duration: Duration,
    apart: Duration,
    sound: &[f32],
) -> Streamed {
    let total = Mutex::new(Streamed::default());
    std::thread::scope(|scope| {
        for number in 0..count {
            let total = &total;
            scope.spawn(move || {
                std::thread::sleep(apart * number as u32);
                let one = match server.connect(&[]) {
                    Ok(stream) => in_real_time(stream, duration, sound, number),
                    Err(refusal) => {
                        assert_eq!(refusal.status, 503, "{refusal:?}");
                        assert!(refusal.headers.contains_key("retry-after"), "{refusal:?}");
                        Streamed { refused: 1, ..Streamed::default() }
                    }
                };
                let mut total = total.lock().unwrap();
                total.times.0.extend(one.times.0);
                total.skipped += one.skipped;
                total.refused += one.refused;
                total.spoken += one.spoken;
            });
        }
    });
    total.into_inner().unwrap()
}

fn in_real_time(mut stream: Stream, duration: Duration, sound: &[f32], number: usize) -> Streamed {
    stream.say(&json!({ "sample_rate": RATE }));
    assert!(stream.hear().unwrap()["window_s"].is_number());
    let writer = stream.socket.get_ref().try_clone().unwrap();
    // When each piece was sent.
    let sent = Mutex::new(Vec::new());
    let mut streamed = Streamed::default();
    std::thread::scope(|scope| {
        scope.spawn(|| play(writer, duration, sound, number, &sent));
        while let Some(answer) = stream.hear() {
            let here = Instant::now();
            let t = answer["t"].as_f64().unwrap_or_else(|| panic!("{answer}"));
            streamed.skipped += answer["skipped"].as_u64().unwrap();
            streamed.spoken += usize::from(answer["speech"] == true);
            if answer["filling"] == false {
                let piece = (t * f64::from(RATE) / PIECE as f64).round() as usize - 1;
                streamed.times.0.push(here - sent.lock().unwrap()[piece]);
            }
        }
    });
    streamed
}

/// Sends a piece whenever a microphone would, then closes the stream.
fn play(
    mut connection: TcpStream,
    duration: Duration,
    sound: &[f32],
    number: usize,
    sent: &Mutex<Vec<Instant>>,
) {
    let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let piece_bytes = PIECE * 4;
    // A final binary frame with 16 bits of length, masked as a client's must be, with zeros, which change nothing.
    let mut frame = vec![0x82, 0x80 | 126];
    frame.extend((piece_bytes as u16).to_be_bytes());
    frame.extend([0; 4]);
    let head = frame.len();
    frame.resize(head + piece_bytes, 0);
    let began = Instant::now();
    // Clients do not begin in the same place.
    let mut at = number * 7_919 * 4 % bytes.len();
    for piece in 1.. {
        let due = Duration::from_secs_f64(piece as f64 * PIECE as f64 / f64::from(RATE));
        if due > duration {
            break;
        }
        for byte in &mut frame[head..] {
            *byte = bytes[at % bytes.len()];
            at += 1;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        sent.lock().unwrap().push(Instant::now());
        if connection.write_all(&frame).is_err() {
            break;
        }
    }
    // A close without a reason.
    let _ = connection.write_all(&[0x88, 0x80, 0, 0, 0, 0]);
}

/// What came of recordings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploaded {
    /// From when a request was sent to when its answer was there.
    pub(crate) times: Times,
    /// Requests that were refused with 503 and a time to come back.
    pub(crate) refused: usize,
    /// Answers a second.
    pub(crate) per_second: f64,
}

/// Lets `clients` send `recordings` one after the other on connections that stay open, each as soon as the one before is
/// answered.
pub(crate) fn uploads(
    server: &Serving,
    clients: usize,
    duration: Duration,
    recordings: &[Vec<u8>],
) -> Uploaded {
    let total = Mutex::new(Uploaded::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let total = &total;
            scope.spawn(move || {
                let mut connection = TcpStream::connect(server.address).unwrap();
                connection.set_nodelay(true).unwrap();
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                let mut one = Uploaded::default();
                for recording in recordings.iter().cycle().skip(client) {
                    if began.elapsed() > duration {
                        break;
                    }
                    let sent = Instant::now();
                    let head = format!(
                        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                        recording.len()
                    );
                    connection.write_all(&[head.as_bytes(), recording].concat()).unwrap();
                    let reply = Reply::read(&mut reader).unwrap();
                    match reply.status {
                        200 => one.times.0.push(sent.elapsed()),
                        503 | 429 => one.refused += 1,
                        _ => panic!("{reply:?}"),
                    }
                }
                let mut total = total.lock().unwrap();
                total.times.0.extend(one.times.0);
                total.refused += one.refused;
            });
        }
    });
    let mut total = total.into_inner().unwrap();
    total.per_second = total.times.count() as f64 / began.elapsed().as_secs_f64();
    total
}

/// From the start of a server to its first answer.
pub(crate) fn first_answer(checkpoint: &std::path::Path, recording: &[u8]) -> Duration {
    let began = Instant::now();
    let server = Serving::start(&[checkpoint], &[]);
    let reply = server.predict(recording);
    assert_eq!(reply.status, 200, "{reply:?}");
    began.elapsed()
}
