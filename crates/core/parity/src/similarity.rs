//! The similarity of two texts in their letters: chrF, the F-score of shared character n-grams.
//!
//! It does not measure meaning. It ranks pairs for people to read, and shows whether the wording
//! changed. The measure is that of M. Popović, "chrF: character n-gram F-score for automatic MT
//! evaluation" (WMT 2015), with n-grams of one to six letters without spaces. Precision and recall
//! have equal weight, so the order of the texts does not matter.

use std::collections::HashMap;

/// Length of the longest n-gram.
const RUN_MAX: usize = 6;
/// Maximum number of letters of each text that are compared.
const LETTERS_MAX: usize = 8_000;

/// A number between 0 (nothing shared) and 1 (the same letters). Two empty texts are equal.
pub fn chrf(one: &str, other: &str) -> f64 {
    let letters = |text: &str| -> Vec<char> { text.chars().filter(|c| !c.is_whitespace()).take(LETTERS_MAX).collect() };
    let (one, other) = (letters(one), letters(other));
    if one == other {
        return 1.0;
    }
    let orders = RUN_MAX.min(one.len()).min(other.len());
    if orders == 0 {
        return 0.0;
    }
    (1..=orders).map(|order| shared(&one, &other, order)).sum::<f64>() / orders as f64
}

/// The F-score of n-grams of one length.
fn shared(one: &[char], other: &[char], order: usize) -> f64 {
    let mut counts: HashMap<&[char], u32> = HashMap::new();
    for run in one.windows(order) {
        *counts.entry(run).or_default() += 1;
    }
    let mut both = 0_u32;
    for run in other.windows(order) {
        if let Some(left) = counts.get_mut(run).filter(|left| **left > 0) {
            *left -= 1;
            both += 1;
        }
    }
    let runs = (one.len() - order + 1) + (other.len() - order + 1);
    2.0 * f64::from(both) / runs as f64
}

/// The cosine of two vectors, at least zero. `None` if they differ in length, are empty, or have no
/// direction.
pub fn cosine(one: &[f32], other: &[f32]) -> Option<f64> {
    if one.len() != other.len() || one.is_empty() {
        return None;
    }
    let product = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let length = (product(one, one) * product(other, other)).sqrt();
    let found = product(one, other) / length;
    found.is_finite().then(|| found.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn likeness_is_that_of_letters() {
        assert!((chrf("the cat", "thecat") - 1.0).abs() < 1e-12);
        assert!(chrf("the cat sat", "the cat sits") > chrf("the cat sat", "a dog lay"));
        assert_eq!((chrf("", ""), chrf("", "a"), chrf("abc", "xyz")), (1.0, 0.0, 0.0));
        // One run of length 1 of two, none of length 2: (1/2 + 0) / 2.
        assert!((chrf("ab", "ac") - 0.25).abs() < 1e-12);
        assert!(chrf("今天天气很好", "今天天气不错") > 0.3);
    }

    #[test]
    fn cosines_are_those_of_geometry() {
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert!((cosine(&[1.0, 1.0], &[1.0, 0.0]).unwrap() - 0.5_f64.sqrt()).abs() < 1e-7);
        assert_eq!((cosine(&[], &[]), cosine(&[0.0], &[1.0]), cosine(&[1.0], &[1.0, 2.0])), (None, None, None));
        assert_eq!(cosine(&[f32::NAN], &[1.0]), None);
    }

    proptest! {
        #[test]
        fn likeness_has_no_order(one in ".{0,40}", other in ".{0,40}") {
            let found = chrf(&one, &other);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert!((found - chrf(&other, &one)).abs() < 1e-12);
        }
    }
}
