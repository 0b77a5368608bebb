//! What an operator may say about connections to vendors.
//!
//! Rules: plain data with defaults; units in the names; unknown keys are refused.

use serde::Deserialize;
use std::path::PathBuf;

/// Connections to vendors: how they are opened, kept and bounded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name look-up, TCP and TLS together must be done within this time.
    pub connect_ms: u64,
    /// An idle connection is closed after this time. Vendors' front ends close theirs after a
    /// minute or more; ours must be the first, or a request would meet a closed connection.
    pub idle_connection_ms: u64,
    /// Idle connections kept for one host. Fewer than requests to it at once, and under load a part
    /// of them opens a connection of its own each time.
    pub idle_connections_per_host_max: usize,
    /// The largest head of an answer, and the most that is read ahead of one answer, in bytes. At
    /// least 8192.
    pub read_buffer_bytes_max: usize,
    /// The most header fields that an answer may have.
    pub header_fields_max: usize,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// A proxy for all vendors alike. Not supported yet: setting it is an error, so that nobody
    /// believes it is used.
    pub proxy: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            idle_connection_ms: 50_000,
            idle_connections_per_host_max: 4_096,
            read_buffer_bytes_max: 64 * 1024,
            header_fields_max: 100,
            roots: Roots::default(),
            proxy: None,
        }
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roots {
    /// Mozilla's list, built in: works in an image without any files.
    #[default]
    Webpki,
    /// The operating system's list (a company's own authority is usually there).
    System,
    /// The certificates of one PEM file and no others.
    File(PathBuf),
}
