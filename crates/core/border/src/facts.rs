//! What is known of a caller, from where, how old.
