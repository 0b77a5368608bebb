//! Dates in a zone become moments.
