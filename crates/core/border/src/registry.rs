//! Dated lists of supported countries and territories.
