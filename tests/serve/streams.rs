//! Live sound.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common_serve::{Serving, hello};
use crate::support::{checkpoint, model, recordings, repeated, samples};

const RATE: u32 = 16_000;

#[test]
fn a_window_is_answered_to_the_last_bit_as_by_the_library() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (path, _) = recordings("train").swap_remove(0);
    let sound = repeated(&samples(&path), 4 * RATE as usize);
    let (mut stream, ready) = server.stream(&hello(RATE));
    assert_eq!(ready["model"], "best");
    assert_eq!(ready["hop_s"], 0.5);
    let window = (ready["window_s"].as_f64().unwrap() * f64::from(RATE)).round() as usize;
    let (mut model, mut front_end) = model();
    let hop = RATE as usize / 2;
    let mut spoken = 0;
    for (number, piece) in sound.chunks(hop).enumerate() {
        assert!(stream.play(piece));
        let answer = stream.hear().unwrap();
        let end = (number + 1) * hop;
        assert_eq!(answer["t"], end as f64 / f64::from(RATE), "{answer}");
        assert_eq!(answer["filling"], end < window / 2);
        assert_eq!(answer["skipped"], 0);
        assert!(answer["level_dbfs"].as_f64().unwrap() > -60.0);
        if answer["speech"] == true {
            spoken += 1;
            let heard = &sound[end.saturating_sub(window)..end];
            let clip = front_end.samples(heard, RATE).unwrap();
            let expected = model.answer(&[clip]).unwrap().swap_remove(0);
            assert_eq!(answer["label"], model.labels()[expected.predicted]);
            for (label, probability) in model.labels().iter().zip(&expected.probabilities) {
                assert_eq!(answer["probabilities"][label].as_f64().unwrap() as f32, *probability);
            }
        } else {
            assert_eq!(answer.get("label"), None, "nothing is guessed without speech: {answer}");
        }
    }
    assert!(spoken >= 3, "{spoken}");
}

#[test]
fn silence_is_no_speech_and_gets_no_label() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (mut stream, _) = server.stream(&json!({ "sample_rate": 48_000, "hop_s": 0.25 }));
    for piece in [0.0f32; 4 * 48_000].chunks(12_000) {
        stream.play(piece);
        let answer = stream.hear().unwrap();
        assert_eq!((&answer["speech"], &answer["level_dbfs"]), (&Value::Bool(false), &json!(-120.0)));
        assert_eq!(answer.get("probabilities"), None);
    }
}

#[test]
fn integers_are_heard_like_floating_point() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (path, _) = recordings("train").swap_remove(1);
    let integers: Vec<i16> = repeated(&samples(&path), 2 * RATE as usize)
        .iter()
        .map(|sample| (sample * 32_767.0) as i16)
        .collect();
    let floats: Vec<f32> = integers.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let said = |format: &str| {
        let (mut stream, _) = server.stream(&json!({ "sample_rate": RATE, "format": format, "hop_s": 2 }));
        match format {
            "f32" => assert!(stream.play(&floats)),
            _ => {
                let bytes: Vec<u8> = integers.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                stream.socket.send(tungstenite::Message::binary(bytes)).unwrap();
            }
        }
        let mut answer = stream.hear().unwrap();
        answer.as_object_mut().unwrap().remove("latency_ms");
        answer
    };
    assert_eq!(said("f32"), said("i16"));
}

/// What the server says and closes with after these messages.
fn refused(server: &Serving, messages: &[tungstenite::Message]) -> (u16, String) {
    let mut stream = server.connect(&[]).unwrap();
    for message in messages {
        if stream.socket.send(message.clone()).is_err() {
            break;
        }
    }
    let said = stream.hear_out();
    let error = said.iter().find_map(|message| message["error"].as_str()).unwrap_or_default().to_owned();
    (stream.closed.unwrap_or_default(), error)
}

#[test]
fn what_a_client_does_wrong_is_said_before_the_stream_is_closed() {
    let server = Serving::start(&[checkpoint()], &["--idle", "1"]);
    let text = |text: &str| tungstenite::Message::text(text.to_owned());
    let samples = |seconds: usize| tungstenite::Message::binary(vec![0; seconds * 8_000 * 4]);
    let ready = || text(r#"{"sample_rate": 8000}"#);
    for (messages, code, words) in [
        (vec![text("hello")], 1008, "the first message cannot be understood"),
        (vec![text("{}")], 1008, "sample_rate"),
        (vec![text(r#"{"sample_rate": 16000, "rate": 1}"#)], 1008, "unknown field"),
        (vec![text(r#"{"sample_rate": 7}"#)], 1008, "sample_rate = 7 is not from 8000 to 192000"),
        (vec![text(r#"{"sample_rate": 16000, "hop_s": 0}"#)], 1008, "hop_s = 0 is not from 0.1 to 10"),
        (
            vec![text(r#"{"sample_rate": 16000, "model": "x"}"#)],
            1008,
            "there is no such model; there is best",
        ),
        (vec![samples(1)], 1008, "the first message must be JSON"),
        (vec![ready(), text("more")], 1003, "only samples may come"),
        (vec![ready(), tungstenite::Message::binary(vec![0; 7])], 1007, "7 bytes are not a whole number"),
        (vec![ready(), tungstenite::Message::binary(vec![0xff; 8])], 1007, "a sample is NaN"),
        (vec![ready(), samples(20)], 1009, "a message is larger than this server takes"),
        (vec![ready(); 1], 1008, "no samples came for too long"),
        ([vec![ready()], vec![samples(4); 5]].concat(), 1008, "samples come faster than they are spoken"),
    ] {
        let (closed, error) = refused(&server, &messages);
        assert!(error.contains(words), "{words}: {error:?} ({closed})");
        assert_eq!(closed, code, "{words}");
    }
    assert_eq!(server.get("/readyz").json()["streams"], 0);
}

#[test]
fn one_stream_too_many_is_told_when_to_come_back() {
    let server = Serving::start(&[checkpoint()], &["--max-streams", "2"]);
    let (first, _) = server.stream(&hello(RATE));
    let (_second, _) = server.stream(&hello(RATE));
    let refused = server.connect(&[]).unwrap_err();
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "10"));
    assert!(refused.json()["error"].as_str().unwrap().contains("2 streams are open"), "{refused:?}");
    assert_eq!(server.get("/readyz").json()["takes_streams"], false);
    drop(first);
    let since = Instant::now();
    while server.connect(&[]).is_err() {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "the place of a client that is gone is free again"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn pieces_longer_than_a_hop_are_answered_at_every_hop() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (mut stream, ready) = server.stream(&json!({ "sample_rate": RATE, "hop_s": 0.1 }));
    let window = (ready["window_s"].as_f64().unwrap() * f64::from(RATE)).round() as usize;
    let (path, _) = recordings("train").swap_remove(0);
    let sound = repeated(&samples(&path), 3 * RATE as usize);
    let (mut model, mut front_end) = model();
    let (mut hops, mut spoken) = (0, 0);
    for piece in sound.chunks(RATE as usize / 2) {
        assert!(stream.play(piece));
        for _ in 0..5 {
            hops += 1;
            let end = hops * RATE as usize / 10;
            let answer = stream.hear().unwrap();
            assert_eq!((&answer["t"], &answer["skipped"]), (&json!(end as f64 / f64::from(RATE)), &json!(0)));
            if answer["speech"] == true {
                spoken += 1;
                // What came after its end, in the same piece, is no part of it.
                let heard = &sound[end.saturating_sub(window)..end];
                let clip = front_end.samples(heard, RATE).unwrap();
                let expected = model.answer(&[clip]).unwrap().swap_remove(0);
                let label = &model.labels()[expected.predicted];
                assert_eq!(answer["label"], *label);
                assert_eq!(
                    answer["probabilities"][label].as_f64().unwrap() as f32,
                    expected.probabilities[expected.predicted]
                );
            }
        }
    }
    assert!(spoken >= 5, "{spoken}");
    assert_eq!(server.get("/readyz").json()["takes_streams"], true);
    assert!(server.get("/metrics").text().contains("ser_windows_skipped_total 0"));
}

#[test]
fn a_soft_voice_is_speech_where_a_loud_one_is() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (path, _) = recordings("train").swap_remove(0);
    let mut voices = vec![repeated(&samples(&path), 3 * RATE as usize)];
    match std::env::var_os("SER_RAVDESS").filter(|path| !path.is_empty()) {
        Some(corpus) => voices.push(samples(&Path::new(&corpus).join("Actor_01/03-01-06-02-01-01-01.wav"))),
        None => eprintln!("SKIPPED: SER_RAVDESS is not set; a voice of the corpus RAVDESS was not heard"),
    }
    for voice in voices {
        let peak = voice.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let speech = |loudest: f32| -> Vec<bool> {
            let (mut stream, _) = server.stream(&json!({ "sample_rate": RATE, "hop_s": 0.25 }));
            let answers = voice.chunks_exact(RATE as usize / 4).map(|piece| {
                let piece: Vec<f32> = piece.iter().map(|sample| sample * loudest / peak).collect();
                assert!(stream.play(&piece));
                stream.hear().unwrap()["speech"] == true
            });
            answers.collect()
        };
        let loud = speech(0.9);
        assert!(loud.iter().filter(|speech| **speech).count() >= 5, "{loud:?}");
        assert_eq!(speech(0.03), loud);
    }
}

#[test]
fn limits_of_recordings_are_none_of_windows() {
    let server = Serving::start(&[checkpoint()], &["--max-duration", "0.4"]);
    let (path, _) = recordings("train").swap_remove(0);
    let (mut stream, _) = server.stream(&hello(RATE));
    let sound = repeated(&samples(&path), 3 * RATE as usize);
    let said = sound.chunks(RATE as usize / 2).map(|piece| {
        assert!(stream.play(piece));
        stream.hear().unwrap()
    });
    let labelled = said.filter(|answer| answer["label"].is_string()).count();
    assert!(labelled >= 3, "{labelled}");
}
