//! Small named fixes for habits that no verb can say.
//!
//! Rules:
//! - A quirk does one thing. It has a name that says it, and a test.
//! - A quirk reports a loss whenever it changes what the client asked for.
//! - A quirk knows the request only, never the vendor: the profile decides who needs it.

mod content;
mod scalars;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

use crate::encode::{Draft, Refusal};
use std::fmt;

/// What a quirk does to the parameter of this name.
#[derive(Clone, Copy)]
enum Action {
    /// Changes it.
    Fix(fn(&mut Draft<'_>, &str)),
    /// Changes it, or finds that the vendor would refuse it in any form.
    Check(fn(&mut Draft<'_>, &str) -> Result<(), Refusal>),
}

/// One quirk.
#[derive(Clone, Copy)]
pub struct Quirk {
    /// Its name in profiles.
    pub name: &'static str,
    /// Whether it also acts on requests without the parameter.
    pub(crate) adds: bool,
    action: Action,
}

const fn fix(name: &'static str, action: fn(&mut Draft<'_>, &str)) -> Quirk {
    Quirk { name, adds: false, action: Action::Fix(action) }
}

const fn add(name: &'static str, action: fn(&mut Draft<'_>, &str)) -> Quirk {
    Quirk { name, adds: true, action: Action::Fix(action) }
}

const fn check(name: &'static str, action: fn(&mut Draft<'_>, &str) -> Result<(), Refusal>) -> Quirk {
    Quirk { name, adds: false, action: Action::Check(action) }
}

/// Every quirk, by name.
const ALL: [Quirk; 25] = [
    fix("allowed_tools_are_the_tools", tools::allowed_tools_are_the_tools),
    fix("bare_base64_images", content::bare_base64_images),
    fix("call_index_filled", tools::call_index_filled),
    fix("description_filled", tools::description_filled),
    check("ends_with_user", turns::ends_with_user),
    fix("function_tools_only", tools::function_tools_only),
    fix("image_detail_dropped", content::image_detail_dropped),
    check("images_refused_by_text_models", content::images_refused_by_text_models),
    fix("json_stops_thinking", scalars::json_stops_thinking),
    fix("json_word_in_messages", scalars::json_word_in_messages),
    check("last_message_not_blank", turns::last_message_not_blank),
    fix("none_drops_tools", tools::none_drops_tools),
    check("not_only_system", turns::not_only_system),
    fix("one_system_first", turns::one_system_first),
    fix("only_tool_is_named", tools::only_tool_is_named),
    fix("same_role_turns_merged", turns::same_role_turns_merged),
    fix("search_tool_renamed", tools::search_tool_renamed),
    fix("seed_folded", scalars::seed_folded),
    fix("seed_folded_above_zero", scalars::seed_folded_above_zero),
    fix("text_parts_joined", content::text_parts_joined),
    fix("tool_content_as_text", content::tool_content_as_text),
    fix("tool_name_copied", tools::tool_name_copied),
    add("true_with_tools", tools::true_with_tools),
    fix("user_of_6_to_128", scalars::user_of_6_to_128),
    fix("zero_is_greedy", scalars::zero_is_greedy),
];

impl Quirk {
    /// The quirk of this name.
    pub fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|quirk| quirk.name == name)
    }

    /// Does it to the parameter `name`.
    pub(crate) fn apply(&self, draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
        match self.action {
            Action::Fix(action) => {
                action(draft, name);
                Ok(())
            }
            Action::Check(action) => action(draft, name),
        }
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.into_iter().map(|quirk| quirk.name)
    }
}

impl fmt::Debug for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quirk({})", self.name)
    }
}
