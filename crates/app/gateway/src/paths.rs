//! Paths that are nearly right, and what `/` says.
//!
//! A client's base URL is often put together wrongly: without `/v1`, with it twice, with the path
//! of an endpoint in it, or with a slash at the end. The error then names the path that was meant.

use crate::problem::near;

/// The paths that are answered.
const KNOWN: [&str; 7] =
    ["/v1/chat/completions", "/v1/embeddings", "/v1/models", "/healthz", "/readyz", "/border/check", "/border/envoy"];

/// Longer paths are not compared: none is a misspelling of a known one.
const PATH_BYTES_MAX: usize = 200;

/// What `GET /` answers.
pub(crate) const ABOUT: &str = concat!(
    "Banjia ",
    env!("CARGO_PKG_VERSION"),
    ", a gateway for model vendors with OpenAI's interface.\n\n",
    "The base URL of clients is this address and /v1:\n",
    "  POST /v1/chat/completions\n",
    "  POST /v1/embeddings\n",
    "  GET  /v1/models\n\n",
    "For load balancers: GET /healthz, GET /readyz\n"
);

/// The path that a wrongly built one contains for certain. `None` if it is right, or something
/// else.
pub(crate) fn rebuilt(path: &str) -> Option<&'static str> {
    if path.len() > PATH_BYTES_MAX || KNOWN.contains(&path) {
        return None;
    }
    let lower = path.to_lowercase();
    let parts: Vec<_> = lower.split('/').filter(|part| !part.is_empty()).collect();
    KNOWN.into_iter().find(|known| {
        let wanted: Vec<_> = known.split('/').filter(|part| !part.is_empty()).collect();
        let bare: Vec<_> = wanted.iter().copied().filter(|part| *part != "v1").collect();
        let mut rest = parts.as_slice();
        while let Some(after) = rest.strip_prefix(&["v1"]) {
            rest = after;
        }
        let mut times = 0;
        while let Some(after) = rest.strip_prefix(bare.as_slice()) {
            rest = after;
            times += 1;
        }
        // `/v1/models/x` is a model; `/v1/models/models` is a base with a path in it.
        times > 0 && rest.is_empty()
    })
}

/// The known path that is nearest to one. `None` if none is near.
pub(crate) fn nearest(path: &str) -> Option<&'static str> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    // Without what all have in common: `/v1/nonsense` is not near to `/v1/models`.
    let bare = |path: &'static str| path.strip_prefix("/v1/").unwrap_or(path);
    rebuilt(path).or_else(|| {
        let found = near(path.strip_prefix("/v1/").unwrap_or(path), KNOWN.into_iter().map(bare))?;
        KNOWN.into_iter().find(|known| bare(known) == found)
    })
}

#[cfg(test)]
mod tests {
    use super::{nearest, rebuilt};

    #[test]
    fn a_wrongly_built_path_names_the_right_one() {
        for path in [
            "/chat/completions",
            "/v1/v1/chat/completions",
            "/v1/chat/completions/",
            "//v1/chat/completions",
            "/v1/Chat/Completions",
            "/v1/chat/completions/chat/completions",
        ] {
            assert_eq!(rebuilt(path), Some("/v1/chat/completions"), "{path}");
        }
        assert_eq!((rebuilt("/models"), rebuilt("/v1/embeddings/")), (Some("/v1/models"), Some("/v1/embeddings")));
        for path in ["/v1/chat/completions", "/v1/models/gpt-4o", "/v1/files", "/", "/v1"] {
            assert_eq!(rebuilt(path), None, "{path}");
        }
    }

    #[test]
    fn a_misspelt_path_is_near_to_the_right_one() {
        for (path, wanted) in [
            ("/v1/chat/completion", Some("/v1/chat/completions")),
            ("/v1/embedding", Some("/v1/embeddings")),
            ("/v1/model", Some("/v1/models")),
            ("/healthy", Some("/healthz")),
            ("/readyz/", Some("/readyz")),
            ("/v1/nonsense", None),
            ("/favicon.ico", None),
            ("/", None),
        ] {
            assert_eq!(nearest(path), wanted, "{path}");
        }
    }
}
