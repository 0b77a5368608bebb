//! The money that a move still has for copies of requests.

use crate::lock::lock;
use banjia_types::{Currency, Money};
use std::sync::Mutex;

/// What copies may still cost. A currency that is not named has no bound.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// The budget as the move gave it.
    given: Vec<Money>,
    left: Mutex<Vec<Money>>,
}

impl Budget {
    pub(crate) fn new(given: &[Money]) -> Self {
        Self { given: given.to_vec(), left: Mutex::new(given.to_vec()) }
    }

    /// Checks whether a move gives the same budget as before. What was spent then still counts.
    pub(crate) fn was_given(&self, given: &[Money]) -> bool {
        self.given == given
    }

    /// Whether nothing in this currency is left.
    pub(crate) fn is_empty(&self, currency: Currency) -> bool {
        lock(&self.left).iter().any(|left| left.currency == currency && left.micros <= 0)
    }

    pub(crate) fn spend(&self, cost: Money) {
        for left in lock(&self.left).iter_mut().filter(|left| left.currency == cost.currency) {
            left.micros = left.micros.saturating_sub(cost.micros);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_empty_when_its_currency_is_spent() {
        let yuan = |micros| Money { micros, currency: Currency::Cny };
        let budget = Budget::new(&[yuan(10)]);
        budget.spend(Money { micros: 1_000, currency: Currency::Usd });
        budget.spend(yuan(9));
        assert!(!budget.is_empty(Currency::Cny) && !budget.is_empty(Currency::Usd));
        budget.spend(yuan(1));
        assert!(budget.is_empty(Currency::Cny) && !budget.is_empty(Currency::Usd));
        assert!(budget.was_given(&[yuan(10)]) && !budget.was_given(&[yuan(1)]));
        assert!(!Budget::new(&[]).is_empty(Currency::Cny));
    }
}
