//! Numbers in JSON as Python writes and reads them, which has NaN and infinities where the standard has none.

/// A number as Python's `repr` and `json.dumps` write it: `1e-05`, `0.1`, `1.0`, `NaN`.
pub(crate) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ if number.fract() == 0.0 => format!("{number:.1}"),
        _ => format!("{number}"),
    }
}

/// A line of JSON with `null` for each `NaN`, `Infinity` and `-Infinity` outside its strings.
pub(crate) fn without_non_finite(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    let (mut in_string, mut escaped) = (false, false);
    while let Some(c) = rest.chars().next() {
        if !in_string {
            let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word));
            if let Some(word) = word {
                clean.push_str("null");
                rest = &rest[word.len()..];
                continue;
            }
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        clean.push(c);
        rest = &rest[c.len_utf8()..];
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (number, text) in [
            (1e-5, "1e-05"),
            (1.5e-10, "1.5e-10"),
            (0.0001, "0.0001"),
            (0.1, "0.1"),
            (1.0, "1.0"),
            (-2.0, "-2.0"),
            (123_456.789, "123456.789"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (0.0, "0.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(python_float(number), text);
        }
    }

    #[test]
    fn what_json_does_not_know_is_replaced_outside_strings_only() {
        let line = r#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" NaN \\","d":NaN}"#;
        let clean = r#"{"a":null,"b":[null,null],"c":"NaN \" NaN \\","d":null}"#;
        assert_eq!(without_non_finite(line), clean);
    }
}
