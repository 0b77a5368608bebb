//! Whom a policy hits, with evidence.
