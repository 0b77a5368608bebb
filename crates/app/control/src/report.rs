//! Pages for people: what was found and what is proposed, in English and Chinese.

pub mod plan;
