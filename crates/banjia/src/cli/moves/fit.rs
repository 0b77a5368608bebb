//! What of a move the configuration lacks, each with what to do.

use crate::config::{Loaded, nearest};
use banjia_control::moves::fit::{self, Needed};
use banjia_movement::spec::MoveSpec;

/// Everything that does not fit, as sentences.
pub(super) fn misfits(spec: &MoveSpec, loaded: &Loaded, needed: Needed) -> Vec<String> {
    let routes = loaded.config.gateway.routes.iter();
    let routes: Vec<_> = routes.map(|route| (route.name.clone(), route.targets.clone())).collect();
    let sentence = |misfit: fit::Misfit| {
        let (wanted, known) = misfit.names();
        let near = nearest(&wanted, known.iter().map(String::as_str));
        let hint = near.map_or_else(|| misfit.remedy().to_owned(), |near| format!("did you mean {near}?"));
        format!("{misfit}: {hint}")
    };
    fit::misfits(spec, &routes, needed).into_iter().map(sentence).collect()
}
