//! A verdict as data and as a sentence.
