//! Values that can be read and cannot be meant: a base with an endpoint's path, a misspelt
//! parameter.

use super::{Finding, Findings, Raw};
use banjia_gateway::{Profiles, Snapshot};
use banjia_types::{Target, Timestamp, nearest};
use std::collections::BTreeSet;

/// Ends of an address that belong to one endpoint. The gateway adds them itself.
const ENDPOINTS: [&str; 5] = ["/chat/completions", "/completions", "/embeddings", "/responses", "/messages"];
/// Parameters of OpenAI's chat completions and embeddings (API reference, 2026-09). Those of other
/// vendors come from the profiles.
const PARAMETERS: &str = "audio dimensions encoding_format frequency_penalty function_call functions input logit_bias \
     logprobs max_completion_tokens max_tokens messages metadata modalities model n parallel_tool_calls prediction \
     presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort response_format safety_identifier seed \
     service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity \
     web_search_options";
/// Parameters of other vendors that switch thinking or sampling, which profiles hold elsewhere.
const OF_OTHERS: &str =
    "do_sample enable_search enable_thinking min_p repetition_penalty thinking thinking_budget top_k";

impl Raw<'_> {
    /// Adds bases that hold more than a base.
    pub(crate) fn check_bases(&self, findings: &mut Findings) {
        for (i, vendor) in self.config.gateway.vendors.iter().enumerate() {
            let Some(base) = vendor.base.as_deref() else { continue };
            let bare = base.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let Some((start, end)) = ENDPOINTS.iter().find_map(|end| Some((bare.strip_suffix(end)?, end))) else {
                continue;
            };
            let span = self.span(&self.path_in_file(&format!("vendors[{i}].base")));
            let message = format!("the base ends in {end}, which the gateway adds by itself");
            findings.add(Finding::problem(span, message).hint(format!("write base = {start:?}")));
        }
    }

    /// Adds parameters of `may_drop` that nobody has. One that is nearly the name of another is
    /// misspelt; any other may belong to a vendor's model, so it is a warning.
    pub(crate) fn check_parameters(&self, profiles: &Profiles, findings: &mut Findings) {
        let rules = profiles.values().flat_map(|profile| profile.params()).map(|rule| rule.name.as_str());
        let known: BTreeSet<&str> =
            PARAMETERS.split_whitespace().chain(OF_OTHERS.split_whitespace()).chain(rules).collect();
        for (i, route) in self.config.gateway.routes.iter().enumerate() {
            for (j, name) in route.losses.may_drop.iter().enumerate() {
                // A loss may name a part of a parameter: messages.content.image_url.
                let first = name.split(['.', '[']).next().unwrap_or_default();
                if known.contains(first) || known.contains(name.as_str()) {
                    continue;
                }
                let span = self.span(&self.path_in_file(&format!("routes[{i}].losses.may_drop[{j}]")));
                let message = format!("no vendor has a parameter {name:?}");
                findings.add(match nearest(first, known.iter().copied()).filter(|_| first.len() > 4) {
                    Some(hint) => Finding::problem(span, message).hint(hint.replace('`', "")),
                    None => {
                        Finding::warning(span, message).hint("it is dropped only if a target's profile names it so")
                    }
                });
            }
        }
    }

    /// Warns of vendors that do not serve an account where its record says that it resides: its
    /// requests are never sent there.
    pub(crate) fn check_residences(&self, snapshot: &Snapshot, at: Timestamp, findings: &mut Findings) {
        let unserved = snapshot.unserved(at);
        for (i, account) in self.config.gateway.accounts.iter().enumerate() {
            let Some(place) = account.residence else { continue };
            let vendors: Vec<_> =
                unserved.iter().filter(|(id, _)| *id == account.id).map(|(_, vendor)| vendor).collect();
            let is_lost =
                |target: &&String| target.parse::<Target>().is_ok_and(|target| vendors.contains(&&target.vendor));
            let routes = self.config.gateway.routes.iter();
            let lost: Vec<_> = routes
                .map(|route| (route, route.targets.iter().filter(is_lost).count()))
                .filter(|(_, lost)| *lost > 0)
                .collect();
            if lost.is_empty() {
                continue;
            }
            let named = vendors.iter().map(|vendor| vendor.as_str()).collect::<Vec<_>>().join(", ");
            let (none, some): (Vec<_>, Vec<_>) = lost.iter().partition(|(route, lost)| *lost == route.targets.len());
            let names = |routes: &[&(&banjia_gateway::config::RouteConfig, usize)]| {
                routes.iter().map(|(route, _)| route.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let some = (!some.is_empty()).then(|| format!("its requests for {} go to the other targets", names(&some)));
            let none = (!none.is_empty())
                .then(|| format!("its requests for {} are refused, as no target is left", names(&none)));
            let both: Vec<_> = some.into_iter().chain(none).collect();
            let message =
                format!("{named} does not serve the account {} in {place}: {}", account.id, both.join(", and "));
            let hint = "give these routes a target that serves it; whom a vendor serves, its list says (banjia region show); \
                        serves = \"none\" at the vendor if its contract with you says otherwise";
            let span = self.span(&self.path_in_file(&format!("accounts[{i}].residence")));
            findings.add(Finding::warning(span, message).hint(hint));
        }
    }
}
