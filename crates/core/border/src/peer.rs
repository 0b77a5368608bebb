//! The client's address of a request: the rightmost untrusted hop.
//!
//! # Rules
//! - The connecting peer is the client, unless it is a proxy that the operator trusts. Headers are
//!   read only from such a proxy.
//! - Hops are walked from the right, where our own proxies write. The first untrusted hop is the
//!   client. Everything left of it is the client's own text and is never read.
//! - If a hop that counts is malformed, hidden or unknown, the address is unknown. That is an
//!   error, never a guess.
//!
//! Sources: RFC 7239 for `Forwarded`; the common practice that `X-Forwarded-For` is one list over
//! several lines, in order.

mod forwarded;
#[cfg(test)]
mod tests;

use ipnet::IpNet;
use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// The trusted proxies, and the header they use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerRules {
    /// Networks of our own proxies, for example `["10.0.0.0/8"]`. Default: none, so no header is
    /// read.
    pub trusted: Vec<IpNet>,
    /// The header that they write. Default: `none`.
    pub header: PeerHeader,
    /// A header with more hops is rejected as a flood.
    pub hops_max: usize,
    /// A longer header is rejected as a flood.
    pub header_bytes_max: usize,
}

impl Default for PeerRules {
    fn default() -> Self {
        Self { trusted: Vec::new(), header: PeerHeader::None, hops_max: 32, header_bytes_max: 8192 }
    }
}

/// The header in which trusted proxies report addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PeerHeader {
    /// No header is read: the connecting peer is the client.
    #[default]
    None,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// A header with one address, in lower case: `cf-connecting-ip`, `x-real-ip`.
    Named(String),
}

impl TryFrom<String> for PeerHeader {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        Ok(match name.as_str() {
            "none" => Self::None,
            "forwarded" => Self::Forwarded,
            "x-forwarded-for" => Self::XForwardedFor,
            _ if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => Self::Named(name),
            _ => {
                return Err(format!(
                    "{text:?} is no header: say \"forwarded\", \"x-forwarded-for\", or a name such as \"x-real-ip\""
                ));
            }
        })
    }
}

impl PeerHeader {
    /// The header's name in lower case. `None` if no header is read.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Forwarded => Some("forwarded"),
            Self::XForwardedFor => Some("x-forwarded-for"),
            Self::Named(name) => Some(name),
        }
    }
}

/// A client's address and its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address. An IPv4 address in IPv6 form is returned as IPv4.
    pub address: IpAddr,
    /// Whether it is the connection's own address.
    pub is_direct: bool,
}

/// Why a client's address is unknown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PeerError {
    /// A trusted proxy did not say whom it speaks for.
    #[error("a trusted proxy sent no address header")]
    Missing,
    /// A hop that counts is no address.
    #[error("a hop that counts is malformed")]
    Malformed,
    /// A hop that counts is `unknown` or a hidden name (RFC 7239 section 6.3).
    #[error("a hop that counts is hidden")]
    Hidden,
    /// Too many hops or too long a header.
    #[error("the address header is longer than it may be")]
    Flood,
    /// Every hop is one of our own proxies.
    #[error("every hop is a trusted proxy")]
    AllTrusted,
    /// A header that holds one address came more than once.
    #[error("the address header is there twice")]
    Twice,
}

impl PeerRules {
    /// Whether `address` is one of our own proxies.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came over a connection from `peer`. `lines` are the values of
    /// the header of [`PeerHeader::name`], in the order in which they came.
    ///
    /// # Errors
    /// Why the address is unknown.
    pub fn client<'h>(
        &self,
        peer: IpAddr,
        lines: impl DoubleEndedIterator<Item = &'h [u8]> + Clone,
    ) -> Result<Client, PeerError> {
        let peer = peer.to_canonical();
        if self.header == PeerHeader::None || !self.trusts(peer) {
            return Ok(Client { address: peer, is_direct: true });
        }
        if lines.clone().map(<[u8]>::len).sum::<usize>() > self.header_bytes_max {
            return Err(PeerError::Flood);
        }
        let address = match &self.header {
            PeerHeader::None => return Ok(Client { address: peer, is_direct: true }),
            PeerHeader::Forwarded => self.walk(forwarded::hops(lines))?,
            PeerHeader::XForwardedFor => self.walk(listed(lines))?,
            PeerHeader::Named(_) => single(lines)?,
        };
        Ok(Client { address, is_direct: false })
    }

    /// Walks hops from the right to the first that is not ours.
    fn walk(&self, hops: impl Iterator<Item = Result<IpAddr, PeerError>>) -> Result<IpAddr, PeerError> {
        let mut is_empty = true;
        for (count, hop) in hops.enumerate() {
            is_empty = false;
            if count >= self.hops_max {
                return Err(PeerError::Flood);
            }
            let hop = hop?;
            if !self.trusts(hop) {
                return Ok(hop);
            }
        }
        Err(if is_empty { PeerError::Missing } else { PeerError::AllTrusted })
    }
}

/// The hops of `X-Forwarded-For`, from the right.
fn listed<'h>(lines: impl DoubleEndedIterator<Item = &'h [u8]>) -> impl Iterator<Item = Result<IpAddr, PeerError>> {
    lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b',').map(node))
}

fn single<'h>(mut lines: impl Iterator<Item = &'h [u8]>) -> Result<IpAddr, PeerError> {
    let line = lines.next().ok_or(PeerError::Missing)?;
    if lines.next().is_some() {
        return Err(PeerError::Twice);
    }
    node(line)
}

/// An address as proxies write it: bare, or with a port, IPv6 perhaps in brackets.
fn node(text: &[u8]) -> Result<IpAddr, PeerError> {
    let text = std::str::from_utf8(text).map_err(|_| PeerError::Malformed)?.trim_matches([' ', '\t']);
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Err(PeerError::Hidden);
    }
    let bare = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    let inside = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::from);
    bare.ok().or_else(inside).map(|address| address.to_canonical()).ok_or(PeerError::Malformed)
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
