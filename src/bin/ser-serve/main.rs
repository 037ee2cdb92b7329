//! `ser-serve`: checkpoints in, a server and a live page out.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ser::{Ending, stop_on_interrupt};
use ser_audio::Limits;
use ser_core::{Error, ErrorKind, Result};
use ser_encoder::Encoders;
use ser_eval::DEFAULT_COVERAGE;
use ser_predict::ModelOptions;
use ser_serve::{ServeLimits, ServeOptions, Server, TlsFiles, Token};

/// Serve checkpoints on this machine: a page that listens to a microphone, POST /v1/predict for recordings and GET
/// /v1/stream for live sound.
///
/// Nothing that is sent to it is stored. Other machines reach it only where --bind says so, and then it should ask for a
/// token and speak HTTPS: browsers give a microphone to pages of this machine or by HTTPS alone.
#[derive(Debug, Parser)]
#[command(name = "ser-serve", version)]
struct Arguments {
    /// Checkpoint to serve; may be given more than once, the first is asked unless a client names another
    #[arg(long, value_name = "FILE", default_value = "best.pt")]
    checkpoint: Vec<PathBuf>,
    /// Folder of the pretrained encoder that a checkpoint begins with or reads the states of; may be given more than once
    /// [default: where it was in preparation or training]
    #[arg(long, value_name = "FOLDER")]
    encoder: Vec<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7777")]
    bind: SocketAddr,
    /// Name that clients may call this server by, besides its addresses and localhost, without a port; may be given more than
    /// once
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// What clients have to show as "Authorization: Bearer …": visible ASCII without spaces [default: SER_SERVE_TOKEN in the environment, which, unlike
    /// options, others cannot list]
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,
    /// Certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Coverage of the prediction sets
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_COVERAGE)]
    coverage: f64,
    /// auto, cpu, cuda or cuda:<N>
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of each network; 0 for one per processor
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Threads that decode recordings, and as many for streams; 0 for one per processor
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    /// Largest recording, MiB
    #[arg(long, value_name = "MIB", default_value_t = ServeLimits::default().max_body_bytes >> 20)]
    max_body: usize,
    /// Longest recording, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = ServeLimits::default().max_duration_s)]
    max_duration: f64,
    /// Longest recording that becomes a timeline, seconds; at rates above 48,000 Hz accordingly less
    #[arg(long, value_name = "SECONDS", default_value_t = ServeLimits::default().max_timeline_s)]
    max_timeline: f64,
    /// Requests that an address may make each second
    #[arg(long, value_name = "N", default_value_t = ServeLimits::default().requests_per_s)]
    max_rate: u32,
    /// Streams at a time
    #[arg(long, value_name = "N", default_value_t = ServeLimits::default().max_streams)]
    max_streams: usize,
    /// Recordings answered for at a time
    #[arg(long, value_name = "N", default_value_t = ServeLimits::default().max_uploads)]
    max_uploads: usize,
    /// Seconds after which a silent connection or stream is closed
    #[arg(long, value_name = "SECONDS", default_value_t = ServeLimits::default().idle_s)]
    idle: f64,
    /// Milliseconds from the last sample of a window to its answer that no stream may be made to exceed by another
    #[arg(long, value_name = "MS", default_value_t = ServeLimits::default().promise_s * 1e3)]
    promise: f64,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ser::run("ser-serve", || run(arguments))
}

fn run(mut arguments: Arguments) -> Result<Ending> {
    let token = token(arguments.token.take(), std::env::var_os(TOKEN_VARIABLE))?;
    let limits = limits(&arguments)?;
    let stop = stop_on_interrupt("ser-serve: stopping; streams and requests may end")?;
    let is_open = !arguments.bind.ip().is_loopback();
    if is_open && token.is_none() {
        ser::say(&format!(
            "ser-serve: warning: everyone who reaches {} may use this server; give it a token with --token, or bind it \
             to 127.0.0.1",
            arguments.bind
        ));
    }
    if is_open && arguments.tls_cert.is_none() {
        ser::say(
            "ser-serve: warning: without HTTPS (--tls-cert, --tls-key, or a proxy in front) browsers give the page no \
             microphone, and others can listen in",
        );
    }
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let tls =
        arguments.tls_cert.zip(arguments.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let server = Server::bind(ServeOptions {
        checkpoints: arguments.checkpoint,
        model: ModelOptions {
            device: arguments.device,
            threads: arguments.threads,
            coverage: arguments.coverage,
            encoders: Encoders::new(arguments.encoder),
        },
        bind: arguments.bind,
        hosts: arguments.host,
        token,
        tls,
        jobs: arguments.jobs,
        limits,
    })?;
    if !arguments.quiet {
        let models: Vec<&str> = server.models().collect();
        ser::print(&format!("serving {} on {scheme}://{}\n", models.join(", "), server.address()))?;
    }
    server.run(&stop)?;
    Ok(Ending::Done)
}

/// Where a token may be that others cannot list.
const TOKEN_VARIABLE: &str = "SER_SERVE_TOKEN";

/// The token of the option, or else that of the environment.
fn token(option: Option<String>, variable: Option<OsString>) -> Result<Option<Token>> {
    let from = if option.is_some() { "--token" } else { TOKEN_VARIABLE };
    let Some(text) = option.map(OsString::from).or(variable) else { return Ok(None) };
    // What is no UTF-8 is no ASCII either, and is refused with the rest.
    let token = Token::new(text.to_string_lossy());
    token.map(Some).map_err(|error| {
        let what = format!("{from} cannot be used: {}", error.reason());
        Error::new(ErrorKind::Usage, what)
    })
}

/// The limits that were asked for.
fn limits(arguments: &Arguments) -> Result<ServeLimits> {
    let positive = |name: &str, value: f64| match value > 0.0 && value <= 86_400.0 {
        true => Ok(value),
        false => {
            Err(Error::new(ErrorKind::Usage, format!("--{name} {value} is not above 0 and at most 86400")))
        }
    };
    let count = |name: &str, value: usize, most: usize| match (1..=most).contains(&value) {
        true => Ok(value),
        false => Err(Error::new(ErrorKind::Usage, format!("--{name} {value} is not from 1 to {most}"))),
    };
    let shortest = Limits::default().min_duration_s;
    if arguments.max_duration <= shortest {
        let what = format!("--max-duration {} is not above {shortest}", arguments.max_duration);
        let help = "give more: a shorter recording gets no answer";
        return Err(Error::new(ErrorKind::Usage, what).help(help));
    }
    let timeline_s = positive("max-timeline", arguments.max_timeline)?;
    Ok(ServeLimits {
        max_body_bytes: count("max-body", arguments.max_body, 4096)? << 20,
        max_duration_s: positive("max-duration", arguments.max_duration)?,
        max_timeline_s: timeline_s,
        max_timeline_samples: (timeline_s * 48_000.0) as usize,
        requests_per_s: count("max-rate", arguments.max_rate as usize, 1_000_000)? as u32,
        max_streams: count("max-streams", arguments.max_streams, 10_000)?,
        max_uploads: count("max-uploads", arguments.max_uploads, 10_000)?,
        idle_s: positive("idle", arguments.idle)?,
        promise_s: positive("promise", arguments.promise)? / 1e3,
        ..ServeLimits::default()
    })
}
