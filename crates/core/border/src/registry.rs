//! Dated lists of the countries and territories that a provider supports.
//!
//! # Rules
//! - A list is an allow list. A place that is not on it is not served, and neither is an unknown
//!   one.
//! - Codes are checked against ISO 3166. A wrong one is an error and never a guess.
//! - A territory is served if it is listed. It follows its parent only on a list with `territories
//!   = "follow_parent"`.
//! - An excepted part is not served although its country is.
//! - An incomplete list can be viewed and is never the newest.

mod places;

pub use places::PlaceSet;

use crate::country;
use crate::read::{Reader, did_you_mean};
use banjia_types::{Country, Place, Problem};
use chrono::NaiveDate;
use serde::Deserialize;
use std::fmt;
use std::sync::{Arc, LazyLock};
use toml::Spanned;

/// A change that removes more places than this in one step needs a second look by a person.
pub const REMOVED_AT_ONCE_MAX: usize = 5;

/// One provider's lists, oldest first.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The provider, which is also the name of its file in `registry/`.
    pub provider: String,
    /// The lists, by date.
    pub lists: Vec<Arc<List>>,
    /// Counts that were reported without a list.
    pub reported: Vec<Reported>,
}

/// A reported number of places without the list that it counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// The date of the report.
    #[serde(deserialize_with = "date_text")]
    pub date: NaiveDate,
    /// The number of places.
    pub count: usize,
    /// What is known about it.
    pub note: String,
    /// The source of the report.
    pub source: String,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The name of the list, for example `openai-2024`.
    pub id: String,
    /// The provider.
    pub provider: String,
    /// The day whose state it shows.
    pub as_of: NaiveDate,
    /// The document that it was read from.
    pub source: String,
    /// How reliable it is: `high`, `good` or `low`.
    pub confidence: String,
    /// Further remarks. May be empty.
    pub note: String,
    /// Whether it is complete. Only complete lists are used by default.
    pub is_complete: bool,
    /// The places that it serves.
    pub places: PlaceSet,
    /// Parts of listed countries that are not served.
    pub except: Vec<Place>,
    /// Entries that sources disagree on.
    pub disputed: Vec<Country>,
    /// Whether a listed country's territories are served with it.
    pub follow_parent: bool,
}

/// A list's answer for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The list serves it.
    Yes,
    /// The list does not have it.
    No,
    /// The list has its country and excepts this part.
    Excepted,
}

impl List {
    /// Whether the list serves a place.
    pub fn serves(&self, place: Place) -> Served {
        if place.part.is_some() && self.except.contains(&place) {
            return Served::Excepted;
        }
        if self.places.has(place) || self.follow_parent && self.serves_parent(place.country) {
            return Served::Yes;
        }
        Served::No
    }

    fn serves_parent(&self, code: Country) -> bool {
        country::country(code).and_then(|row| row.of).is_some_and(|parent| self.places.has(parent.into()))
    }
}

/// The difference between two lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Places that only the second list serves.
    pub added: Vec<Place>,
    /// Places that only the first list serves.
    pub removed: Vec<Place>,
}

impl Diff {
    /// Whether so many places are removed that a person must look twice.
    pub fn is_steep(&self) -> bool {
        self.removed.len() > REMOVED_AT_ONCE_MAX
    }
}

/// Compares what two lists serve, place by place, excepted parts included.
pub fn diff(from: &List, to: &List) -> Diff {
    let mut diff = Diff::default();
    let parts = from.except.iter().chain(&to.except).copied();
    let mut places: Vec<Place> = country::countries().map(|row| row.code.into()).chain(parts).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        match (from.serves(place) == Served::Yes, to.serves(place) == Served::Yes) {
            (false, true) => diff.added.push(place),
            (true, false) => diff.removed.push(place),
            _ => {}
        }
    }
    diff
}

impl Registry {
    /// Reads a provider's lists.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(text);
        let parsed = parse(&mut reader);
        match parsed {
            Some(registry) if reader.problems.is_empty() => Ok(registry),
            _ => Err(reader.problems),
        }
    }

    /// The list with this name.
    pub fn list(&self, id: &str) -> Option<&Arc<List>> {
        self.lists.iter().find(|list| list.id == id)
    }

    /// The newest complete list.
    pub fn newest(&self) -> Option<&Arc<List>> {
        self.lists.iter().rev().find(|list| list.is_complete)
    }

    /// The newest complete list that is not newer than `date`.
    pub fn at(&self, date: NaiveDate) -> Option<&Arc<List>> {
        self.lists.iter().rev().find(|list| list.is_complete && list.as_of <= date)
    }
}

/// The registries that are built in.
pub fn embedded() -> &'static [Registry] {
    const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/registries.rs"));
    static REGISTRIES: LazyLock<Vec<Registry>> = LazyLock::new(|| {
        TEXTS
            .iter()
            .map(|(name, text)| match Registry::parse(text) {
                Ok(registry) => registry,
                Err(problems) => panic!("registry/{name}.toml is broken, which a test should have found: {problems:?}"),
            })
            .collect()
    });
    &REGISTRIES
}

/// The list with this name, from any of `registries`.
pub fn find<'r>(registries: &'r [Registry], id: &str) -> Option<&'r Arc<List>> {
    registries.iter().find_map(|registry| registry.list(id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTop {
    provider: String,
    #[serde(default)]
    territories: Territories,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Territories {
    #[default]
    OwnEntry,
    FollowParent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    id: Spanned<String>,
    #[serde(deserialize_with = "date_text")]
    as_of: NaiveDate,
    source: String,
    confidence: Spanned<String>,
    #[serde(default)]
    note: String,
    #[serde(default = "yes")]
    complete: bool,
    territories: Option<Territories>,
    places: Vec<Spanned<String>>,
    #[serde(default)]
    except: Vec<Spanned<String>>,
    #[serde(default)]
    disputed: Vec<Spanned<String>>,
}

const fn yes() -> bool {
    true
}

fn date_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|_| serde::de::Error::custom("a date is written \"2024-07-09\", in quotes"))
}

fn parse(reader: &mut Reader<'_>) -> Option<Registry> {
    let (top, elements) = reader.top::<RawTop>(&["list", "reported"])?;
    let mut registry = Registry { provider: top.provider, lists: Vec::new(), reported: Vec::new() };
    for element in elements {
        if element.list == "reported" {
            registry.reported.extend(reader.one::<Reported>(element.value));
            continue;
        }
        let Some(raw) = reader.one::<RawList>(element.value) else { continue };
        let list = check(reader, raw, &registry.provider, top.territories);
        if registry.list(&list.id).is_none() {
            registry.lists.push(Arc::new(list));
        }
    }
    registry.lists.sort_by_key(|list| list.as_of);
    Some(registry)
}

fn check(reader: &mut Reader<'_>, raw: RawList, provider: &str, territories: Territories) -> List {
    const CONFIDENCE: [&str; 3] = ["high", "good", "low"];
    if !CONFIDENCE.contains(&raw.confidence.get_ref().as_str()) {
        let hint = did_you_mean(raw.confidence.get_ref(), CONFIDENCE.iter().copied());
        reader.problem(raw.confidence.span(), format!("there is no confidence {:?}", raw.confidence.get_ref()), hint);
    }
    let places = PlaceSet::from(read_places(reader, &raw.places));
    let except = read_except(reader, &raw.except, &places);
    let disputed = read_places(reader, &raw.disputed).iter().map(|place| place.country).collect();
    if raw.places.is_empty() {
        reader.problem(raw.id.span(), "the list is empty: nobody would be served", "name its places");
    }
    List {
        id: raw.id.into_inner(),
        provider: provider.to_owned(),
        as_of: raw.as_of,
        source: raw.source,
        confidence: raw.confidence.into_inner(),
        note: raw.note,
        is_complete: raw.complete,
        places,
        except,
        disputed,
        follow_parent: matches!(raw.territories.unwrap_or(territories), Territories::FollowParent),
    }
}

/// Parts that a list excepts: of countries that it serves.
pub(crate) fn read_except(reader: &mut Reader<'_>, texts: &[Spanned<String>], served: &PlaceSet) -> Vec<Place> {
    let except = read_places(reader, texts);
    for (place, said) in except.iter().zip(texts) {
        if place.part.is_none() || !served.has(place.country.into()) {
            let message = format!("{place} is excepted from a list that does not serve its country");
            reader.problem(said.span(), message, "except parts of listed countries only; leave the others out");
        }
    }
    except
}

/// Places of a list: known ones, each once.
pub(crate) fn read_places(reader: &mut Reader<'_>, texts: &[Spanned<String>]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(texts.len());
    for text in texts {
        match text.get_ref().parse::<Place>() {
            Err(message) => reader.problem(text.span(), message, "see ISO 3166-1, and ISO 3166-2 for parts"),
            Ok(place) if !country::is_known(place) => {
                let message = format!("there is no country or territory {place}");
                reader.problem(
                    text.span(),
                    message,
                    "see ISO 3166-1; the United Kingdom is GB, Northern Mariana Islands MP",
                );
            }
            Ok(place) if places.contains(&place) => {
                reader.problem(text.span(), format!("{place} is there twice"), "take one out");
            }
            Ok(place) => places.push(place),
        }
    }
    places
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "served",
            Self::No => "not on the list",
            Self::Excepted => "excepted",
        })
    }
}

#[cfg(test)]
mod tests;
