//! Shares along chains of owners.
