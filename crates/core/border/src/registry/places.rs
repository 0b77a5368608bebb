//! A set of places with fast look-up, because it is used for every request.

use banjia_types::Place;

/// A set of places: whole countries as bits, parts as a short list. A country in the set includes
/// all of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceSet {
    countries: [u64; 11],
    parts: Vec<Place>,
}

impl PlaceSet {
    /// Whether the set has the place, or the whole country that it is a part of.
    pub fn has(&self, place: Place) -> bool {
        let index = place.country.index();
        let word = self.countries.get(index / 64).copied().unwrap_or(0);
        word >> (index % 64) & 1 == 1 || place.part.is_some() && self.parts.contains(&place)
    }

    /// Number of places that were added.
    pub fn len(&self) -> usize {
        self.countries.iter().map(|word| word.count_ones() as usize).sum::<usize>() + self.parts.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<Place> for PlaceSet {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut set = Self::default();
        for place in places {
            if place.part.is_some() {
                set.parts.push(place);
            } else if let Some(word) = set.countries.get_mut(place.country.index() / 64) {
                *word |= 1 << (place.country.index() % 64);
            }
        }
        set
    }
}

impl From<Vec<Place>> for PlaceSet {
    fn from(places: Vec<Place>) -> Self {
        places.into_iter().collect()
    }
}
