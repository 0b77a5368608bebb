//! Who is told what, when.
