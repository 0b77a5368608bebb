//! Whose address a request has: the rightmost untrusted hop.
