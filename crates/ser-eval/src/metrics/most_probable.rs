//! The class that a network answers.

/// The class with the highest of these probabilities, or logits; the first of equals. What is not a number
/// is never the highest.
pub fn most_probable(probabilities: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, &probability) in probabilities.iter().enumerate() {
        if probability > best.1 {
            best = (class, probability);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_answered() {
        assert_eq!(most_probable(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(most_probable(&[-3.0, -2.0, f32::NAN]), 1);
        assert_eq!(most_probable(&[]), 0);
    }
}
