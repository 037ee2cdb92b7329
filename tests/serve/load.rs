//! The load test in a short form: that everybody is answered or told when to come back, and memory stays. The figures
//! are those of whatever else this machine does; `cargo bench --bench load` measures them.

use std::time::Duration;

use crate::common_serve::Serving;
use crate::common_serve::load::{first_answer, streams, uploads};
use crate::support::{checkpoint, recordings, repeated, samples};

#[test]
fn under_load_everybody_is_answered_or_told_when_to_come_back() {
    let paths = recordings("train");
    let files: Vec<Vec<u8>> = paths.iter().map(|(path, _)| std::fs::read(path).unwrap()).collect();
    let sound = repeated(&samples(&paths[0].0), 4 * 48_000);
    let start = first_answer(checkpoint(), &files[0]);

    let server = Serving::start(&[checkpoint()], &["--max-rate", "100000"]);
    uploads(&server, 4, Duration::from_secs(1), &files);
    let before = server.memory();
    let uploaded = uploads(&server, 8, Duration::from_secs(3), &files);
    let streamed = streams(&server, 10, Duration::from_secs(6), Duration::from_millis(100), &sound);
    let grown = server.memory().saturating_sub(before);
    println!(
        "first answer after {start:?}; {:.0} recordings a second (99 % within {:.0} ms); {} windows of {} streams (99 % \
         within {:.0} ms); {} KiB more memory",
        uploaded.per_second,
        uploaded.times.quantile(0.99),
        streamed.times.count(),
        10 - streamed.refused,
        streamed.times.quantile(0.99),
        grown >> 10
    );
    assert!(uploaded.times.count() > 0 && streamed.refused < 10);
    // Each stream is answered for about twice a second, unless windows are skipped, and then it is told so.
    let windows = streamed.times.count() as u64 + streamed.skipped;
    assert!(windows >= 5 * (10 - streamed.refused as u64), "{streamed:?}");
    assert!(grown < 128 << 20, "{grown} bytes");
    let (code, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}
