//! Codes and names of countries and territories.
//!
//! # Rules
//! - A place exists in this table or it does not. It is never found by a part of a name, by
//!   similarity, or through the country that a territory belongs to.
//! - Hong Kong, Macao and Taiwan are entries of their own, as in ISO 3166-1.
//! - Names are for display only and decide nothing.
//!
//! Sources: the codes of ISO 3166-1 with the user-assigned XK; names after Unicode CLDR in plain
//! form; ISO 3166-2:UA for the parts of Ukraine that lists except. Read 2026-11.

mod table;

use banjia_types::{Country, Place};
use std::borrow::Cow;
use table::ROWS;

/// A language of messages for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese, in simplified characters.
    Zh,
}

/// One country or territory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryName {
    /// The country's code.
    pub code: Country,
    /// The English name.
    pub en: &'static str,
    /// The Chinese name.
    pub zh: &'static str,
    /// The country whose overseas territory it is. Each list decides whether that matters.
    pub of: Option<Country>,
}

/// Parts of countries that lists name: code, English, Chinese.
const PARTS: [(&str, &str, &str); 4] = [
    ("UA-43", "Crimea", "克里米亚"),
    ("UA-40", "Sevastopol", "塞瓦斯托波尔"),
    ("UA-14", "Donetsk region", "顿涅茨克州"),
    ("UA-09", "Luhansk region", "卢甘斯克州"),
];

/// The entry of a code. `None` if ISO 3166-1 has no such code.
pub fn country(code: Country) -> Option<&'static CountryName> {
    ROWS.binary_search_by_key(&code, |row| row.code).ok().and_then(|at| ROWS.get(at))
}

/// All countries and territories, by code.
pub fn countries() -> impl Iterator<Item = &'static CountryName> {
    ROWS.iter()
}

/// Whether the country exists and, if `place` names a part, whether that part has a name here.
pub fn is_known(place: Place) -> bool {
    country(place.country).is_some() && (place.part.is_none() || part(place).is_some())
}

/// The name of a place, or its code if it has no name here.
pub fn name(place: Place, lang: Lang) -> Cow<'static, str> {
    let pick = |en: &'static str, zh: &'static str| if lang == Lang::Zh { zh } else { en };
    match (place.part, country(place.country)) {
        (Some(_), _) => part(place).map(|(_, en, zh)| Cow::Borrowed(pick(en, zh))),
        (None, row) => row.map(|row| Cow::Borrowed(pick(row.en, row.zh))),
    }
    .unwrap_or_else(|| Cow::Owned(place.to_string()))
}

fn part(place: Place) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let code = place.to_string();
    PARTS.iter().find(|(known, _, _)| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> bool {
        is_known(text.parse().unwrap())
    }

    #[test]
    fn each_code_is_there_once_and_in_order() {
        assert_eq!(ROWS.len(), 250, "249 of ISO 3166-1 and XK");
        assert!(ROWS.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(ROWS.iter().all(|row| row.of.is_none_or(|of| country(of).is_some())));
    }

    #[test]
    fn a_place_exists_or_it_does_not() {
        for yes in ["HK", "MO", "TW", "CN", "XK", "MP", "UA-43", "UA-09"] {
            assert!(known(yes), "{yes}");
        }
        // MI was once taken for the Northern Mariana Islands; UK and EU are names of something
        // else.
        for no in ["MI", "UK", "EU", "XX", "ZZ", "UA-99", "HK-43"] {
            assert!(!known(no), "{no}");
        }
    }

    #[test]
    fn names_are_plain() {
        let name = |code: &str, lang| name(code.parse().unwrap(), lang).into_owned();
        assert_eq!((name("HK", Lang::En), name("HK", Lang::Zh)), ("Hong Kong".into(), "香港".into()));
        assert_eq!(name("UA-43", Lang::En), "Crimea");
        assert_eq!(name("QQ", Lang::En), "QQ");
    }
}
