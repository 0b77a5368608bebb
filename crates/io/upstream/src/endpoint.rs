//! Where a request goes and what opens the door there, prepared once and used for every call.
//!
//! Rules: a base URL is parsed when a configuration is loaded, never per request; a credential
//! knows the origins (scheme, host and port) that it may be sent to; a secret becomes a header
//! value once and is marked sensitive.

use crate::UpstreamError;
use banjia_types::Secret;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri, header};
use std::fmt;
use std::sync::Arc;
use url::Url;

/// Scheme, host and port: what a credential is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    host: Arc<str>,
    port: u16,
}

impl Origin {
    /// The origin of a URL such as `https://api.openai.com/v1`.
    ///
    /// # Errors
    /// Not a URL, a scheme other than `http` and `https`, or a name and password inside the URL.
    pub fn parse(url: &str) -> Result<Self, UpstreamError> {
        Self::of(&parse_base(url)?)
    }

    fn of(url: &Url) -> Result<Self, UpstreamError> {
        let bad = |why| UpstreamError::BadUrl { url: shown(url), why };
        let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| bad("it has no port"))?;
        Ok(Self { https: url.scheme() == "https", host: Arc::from(host), port })
    }

    pub(crate) fn shared_host(&self) -> &Arc<str> {
        &self.host
    }

    /// The host's name or address.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.https { "https" } else { "http" }, self.host, self.port)
    }
}

/// One URL of one vendor, parsed once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) origin: Origin,
    pub(crate) uri: Uri,
    pub(crate) host: HeaderValue,
}

impl Endpoint {
    /// The endpoint `path` (such as `/chat/completions`) under `base` (such as
    /// `https://api.openai.com/v1`).
    ///
    /// # Errors
    /// A base that is no http or https URL, that holds a name and password, a query or a fragment;
    /// a path that does not fit.
    pub fn new(base: &str, path: &str) -> Result<Self, UpstreamError> {
        let url = parse_base(base)?;
        let bad = |why| UpstreamError::BadUrl { url: shown(&url), why };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("a base URL has no query and no fragment"));
        }
        if !path.is_empty() && !path.starts_with('/') {
            return Err(bad("the path that is added to it must begin with a slash"));
        }
        let whole = format!("{}{path}", url.path().trim_end_matches('/'));
        let path = if whole.is_empty() { "/" } else { whole.as_str() };
        let path = PathAndQuery::try_from(path).map_err(|_| bad("its path holds characters that no URL has"))?;
        let origin = Origin::of(&url)?;
        let named = match url.port() {
            Some(port) => format!("{}:{port}", origin.host),
            None => origin.host.to_string(),
        };
        let authority = Authority::try_from(named.as_str()).map_err(|_| bad("its host is not a host's name"))?;
        let host = HeaderValue::try_from(named.as_str()).map_err(|_| bad("its host is not a host's name"))?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if origin.https { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(authority);
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).map_err(|_| bad("it cannot be put together"))?;
        Ok(Self { origin, uri, host })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

/// How a vendor wants its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthForm {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone in a header of this name.
    Header(HeaderName),
}

/// A vendor's key, bound to that vendor's origins. It is sent nowhere else.
#[derive(Clone)]
pub struct Credential {
    name: HeaderName,
    value: HeaderValue,
    origins: Arc<[Origin]>,
}

impl Credential {
    /// Binds `secret` to `origins`, to be sent in the form that the vendor wants.
    ///
    /// # Errors
    /// A secret that no header can carry (a line break, a control character), or no origin at all.
    pub fn new(
        secret: &Secret,
        form: &AuthForm,
        origins: impl IntoIterator<Item = Origin>,
    ) -> Result<Self, UpstreamError> {
        let origins: Arc<[Origin]> = origins.into_iter().collect();
        if origins.is_empty() {
            return Err(UpstreamError::UnboundCredential);
        }
        let (name, text) = match form {
            AuthForm::Bearer => (header::AUTHORIZATION, format!("Bearer {}", secret.expose())),
            AuthForm::Header(name) => (name.clone(), secret.expose().to_owned()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| UpstreamError::BadSecret)?;
        value.set_sensitive(true);
        Ok(Self { name, value, origins })
    }

    /// Whether this key may be sent to `origin`.
    pub fn opens(&self, origin: &Origin) -> bool {
        self.origins.contains(origin)
    }

    /// The origins that it is bound to, for a person to read.
    pub(crate) fn bound_to(&self) -> String {
        self.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("origins", &self.origins).finish_non_exhaustive()
    }
}

fn parse_base(text: &str) -> Result<Url, UpstreamError> {
    // The text is not shown: one that cannot be parsed may hold a password anywhere.
    let url = Url::parse(text).map_err(|_| UpstreamError::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UpstreamError::BadUrl { url: shown(&url), why: "only http and https are spoken" });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UpstreamError::BadUrl { url: shown(&url), why: "a name or password in a URL ends up in logs" });
    }
    Ok(url)
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or(""), url.path())
}
