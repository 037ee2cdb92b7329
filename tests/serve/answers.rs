//! What is answered to requests.

use std::fs;

use serde_json::Value;

use crate::common::{noise, wav};
use crate::common_serve::{Reply, Serving};
use crate::support::{checkpoint, model, recordings, samples};

#[test]
fn a_recording_is_answered_to_the_last_bit_as_by_the_library() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (mut model, mut front_end) = model();
    let labels = model.labels().to_vec();
    for (path, _) in recordings("test").into_iter().take(5) {
        let bytes = fs::read(&path).unwrap();
        let clip = front_end.bytes(bytes.clone()).unwrap();
        let expected = model.answer(&[clip]).unwrap().swap_remove(0);
        let answer = server.predict(&bytes).json();
        assert_eq!(answer["label"], labels[expected.predicted]);
        for (label, probability) in labels.iter().zip(&expected.probabilities) {
            assert_eq!(answer["probabilities"][label].as_f64().unwrap() as f32, *probability, "{answer}");
        }
        let set = expected.set.clone().map(|set| set.iter().map(|&index| labels[index].clone()).collect());
        let set: Value = set.map_or(Value::Null, |set: Vec<String>| set.into());
        assert_eq!(answer["set"], set);
        assert_eq!(answer["unsure"], expected.is_unsure());
        assert_eq!(answer["seconds"], expected.seconds);
        assert_eq!(answer["model"], "best");
        assert_eq!((&answer["heard_before"], &answer["heard_in"]), (&false.into(), &Value::Null));
    }
}

#[test]
fn answers_are_mostly_right_and_training_recordings_are_recognised() {
    let server = Serving::start(&[checkpoint()], &[]);
    let training = recordings("train");
    let right = training.iter().filter(|(path, label)| {
        let answer = server.predict(&fs::read(path).unwrap()).json();
        let heard = (&answer["heard_before"], &answer["heard_in"]);
        assert_eq!(heard, (&true.into(), &"training".into()), "{}", path.display());
        answer["label"] == **label
    });
    let right = right.count();
    let (validation, _) = recordings("val").swap_remove(0);
    let answer = server.predict(&fs::read(validation).unwrap()).json();
    assert_eq!((&answer["heard_before"], &answer["heard_in"]), (&true.into(), &"validation".into()));
    assert!(2 * right > training.len(), "{right} of {}", training.len());
}

#[test]
fn a_form_says_what_the_bare_recording_says() {
    let server = Serving::start(&[checkpoint()], &[]);
    let (path, _) = recordings("test").swap_remove(0);
    let bytes = fs::read(path).unwrap();
    let bare = server.predict(&bytes);
    let form = |fields: &[&[u8]]| {
        let mut body = Vec::new();
        for field in fields {
            body.extend(
                b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n",
            );
            body.extend(*field);
            body.extend(b"\r\n");
        }
        body.extend(b"--xyz--\r\n");
        server.ask("POST", "/v1/predict", &[("Content-Type", "multipart/form-data; boundary=xyz")], &body)
    };
    assert_eq!(bare.status, 200, "{bare:?}");
    assert_eq!(form(&[&bytes]).json(), bare.json());
    assert_eq!(form(&[&bytes, &bytes]).status, 400);
    assert_eq!(form(&[]).status, 400);
    let no_boundary = server.ask("POST", "/v1/predict", &[("Content-Type", "multipart/form-data")], &bytes);
    assert_eq!(no_boundary.status, 400, "{no_boundary:?}");
}

#[test]
fn what_cannot_be_used_is_refused_with_the_reason() {
    let server = Serving::start(&[checkpoint()], &["--max-body", "1", "--max-duration", "20"]);
    let refused = |body: &[u8], status: u16, words: &str| {
        let reply = server.predict(body);
        assert_eq!(reply.status, status, "{words}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{words}: {error}");
        // The flags of the server are nothing to a client.
        assert!(!error.contains("--"), "{error}");
    };
    refused(b"", 400, "holds no recording");
    refused(b"Dear server, what do I feel?", 415, "the recording");
    refused(&wav(16_000, &[0; 16_000]), 422, "the recording");
    refused(&wav(16_000, &noise(1, 100)), 422, "the recording");
    refused(&wav(8_000, &noise(1, 25 * 8_000)), 413, "the recording");
    refused(&wav(16_000, &noise(1, 40 * 16_000)), 413, "larger than this server takes");
    let cut = &wav(16_000, &noise(1, 16_000))[..9_000];
    refused(cut, 422, "the recording");
    assert_eq!(server.predict(&wav(16_000, &noise(1, 16_000))).status, 200);
}

#[test]
fn models_are_asked_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pt");
    fs::copy(checkpoint(), &other).unwrap();
    let server = Serving::start(&[checkpoint(), &other], &[]);
    let cards = server.get("/v1/models").json();
    let names: Vec<&str> =
        cards.as_array().unwrap().iter().map(|card| card["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["best", "other"]);
    let (model, _) = model();
    assert_eq!(cards[0]["in_words"], model.about().in_words);
    assert_eq!(cards[0]["digest"], cards[1]["digest"]);
    assert_eq!(cards[0]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(cards[0]["labels"].as_array().unwrap().len(), 7);
    assert!(cards[0]["window_s"].as_f64().unwrap() > 0.4, "{cards}");

    let recording = wav(16_000, &noise(1, 16_000));
    let ask = |path: &str| server.ask("POST", path, &[], &recording);
    assert_eq!(ask("/v1/predict").json()["model"], "best");
    assert_eq!(ask("/v1/predict?model=other").json()["model"], "other");
    let unknown = ask("/v1/predict?model=third");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["error"], "there is no such model; there is best, other");
    assert_eq!(ask("/v1/predict?modle=other").status, 400);
}

#[test]
fn its_state_and_its_interface_can_be_read() {
    let server = Serving::start(&[checkpoint()], &[]);
    assert_eq!(server.get("/healthz").text(), "ok\n");
    let ready = server.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &Value::Bool(true)));
    assert_eq!(ready.json()["takes_streams"], true);

    let document = server.get("/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{document}");
    for (path, method) in [("/v1/predict", "post"), ("/v1/stream", "get"), ("/v1/models", "get")] {
        assert!(document["paths"][path][method]["responses"].is_object(), "{path}");
    }
    let fields = &document["components"]["schemas"]["WindowAnswer"];
    assert!(fields.to_string().contains("level_dbfs"), "{fields}");

    assert_eq!(server.predict(&wav(16_000, &noise(1, 16_000))).status, 200);
    let metrics = server.get("/metrics");
    assert!(metrics.headers["content-type"].starts_with("application/openmetrics-text"));
    let text = metrics.text();
    for line in [
        r#"ser_requests_total{path="/v1/predict",status="200"} 1"#,
        "ser_upload_seconds_count 1",
        "ser_streams 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let missing: Reply = server.get("/v1/nothing");
    assert_eq!((missing.status, &missing.json()["error"]), (404, &"there is nothing here".into()));
    assert_eq!(server.get("/v1/predict").status, 405);
}

#[test]
fn long_recordings_become_timelines_in_any_format() {
    let server = Serving::start(&[checkpoint()], &[]);
    let known = recordings("train");
    let pause = vec![0.0; 16_000];
    let pieces: Vec<Vec<f32>> = known.iter().take(3).map(|(path, _)| samples(path)).collect();
    let sound = [&pieces[0][..], &pause, &pieces[1], &pause, &pieces[2]].concat();
    let recording = ser_audio::pcm16_wav(&sound, 16_000);
    let ask = |query: &str| server.ask("POST", &format!("/v1/timeline{query}"), &[], &recording);
    let timeline = ask("").json();
    assert!(
        (timeline["seconds"].as_f64().unwrap() - sound.len() as f64 / 16_000.0).abs() < 1e-6,
        "{timeline}"
    );
    let passages = timeline["passages"].as_array().unwrap();
    assert!(
        !passages.is_empty() && passages.iter().all(|passage| passage["label"].is_string()),
        "{timeline}"
    );
    for (format, kind, words) in [
        ("csv", "text/csv", "start_s,end_s,label"),
        ("vtt", "text/vtt", "WEBVTT"),
        ("srt", "text/plain", " --> "),
        ("textgrid", "text/plain", "TextGrid"),
        ("svg", "image/svg+xml", "<svg"),
    ] {
        let reply = ask(&format!("?format={format}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.headers["content-type"].starts_with(kind), "{reply:?}");
        assert!(reply.text().contains(words), "{}", reply.text());
    }
    for wrong in ["?format=docx", "?format=..%2Fjson", "?hop_s=0.01", "?hop_s=10", "?hop_s=NaN", "?hop=1"] {
        assert_eq!(ask(wrong).status, 400, "{wrong}");
    }
    assert_eq!(server.ask("POST", "/v1/timeline", &[], b"no sound").status, 415);
}

/// Some recordings that the model knows, one after another.
fn talk() -> Vec<u8> {
    let known = recordings("train");
    let pieces: Vec<Vec<f32>> = known.iter().take(3).map(|(path, _)| samples(path)).collect();
    ser_audio::pcm16_wav(&pieces.concat(), 16_000)
}

#[test]
fn timelines_are_of_the_model_that_was_loaded_whatever_becomes_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("best.pt");
    let timeline = |server: &Serving| server.ask("POST", "/v1/timeline?format=csv", &[], &talk());
    let expected = timeline(&Serving::start(&[checkpoint()], &[]));
    assert_eq!(expected.status, 200, "{expected:?}");
    for change in ["written over", "removed"] {
        fs::copy(checkpoint(), &copy).unwrap();
        let server = Serving::start(&[&copy], &[]);
        match change {
            "removed" => fs::remove_file(&copy).unwrap(),
            _ => fs::write(&copy, b"another model").unwrap(),
        }
        let reply = timeline(&server);
        assert_eq!((reply.status, reply.text()), (200, expected.text()), "{change}");
    }
}

#[test]
fn timelines_have_limits_of_their_own() {
    let server = Serving::start(&[checkpoint()], &["--max-duration", "2", "--max-timeline", "10"]);
    let ask = |body: &[u8]| server.ask("POST", "/v1/timeline", &[], body);
    let refused = |body: &[u8], words: &str| {
        let reply = ask(body);
        assert_eq!(reply.status, 413, "{words}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words) && !error.contains("--"), "{words}: {error}");
    };
    refused(&wav(8_000, &noise(1, 11 * 8_000)), "the recording lasts 11.000 s, more than the limit of 10 s");
    refused(
        &wav(96_000, &noise(1, 6 * 96_000)),
        "the recording has 576000 samples, more than the limit of 480000",
    );
    let longer_than_a_recording = wav(16_000, &noise(1, 5 * 16_000));
    assert_eq!(server.predict(&longer_than_a_recording).status, 413);
    assert_eq!(ask(&longer_than_a_recording).json()["seconds"], 5.0);
}
