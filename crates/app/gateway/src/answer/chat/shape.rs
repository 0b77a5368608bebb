//! What is done to the frames of a stream that needs an emulation. A stream that needs none never
//! comes here.

use crate::held::HeldBytes;
use crate::reasoning::{ReasoningCache, ReasoningCollector};
use banjia_types::AccountId;
use banjia_wire::chat::StreamShape;
use banjia_wire::{Frame, Notes};
use std::sync::Arc;

/// The emulations of one stream.
#[derive(Debug)]
pub(crate) struct StreamEmulation {
    shape: StreamShape,
    /// One for each request, if the vendor wants its reasoning back.
    collectors: Option<Vec<ReasoningCollector>>,
}

impl StreamEmulation {
    /// `None` if the frames may go as they are.
    pub(crate) fn new(notes: &Notes, held: &Arc<HeldBytes>) -> Option<Box<Self>> {
        let requests = notes.requests();
        if requests == 1 && notes.stop.is_empty() && !notes.replay_reasoning {
            return None;
        }
        let collectors = || (0..requests).map(|_| ReasoningCollector::within(held)).collect();
        let collectors = notes.replay_reasoning.then(collectors);
        Some(Box::new(Self { shape: StreamShape::new(notes), collectors }))
    }

    /// Works on the frames from `from` on, which came from the request with this number.
    pub(crate) fn apply(&mut self, request: u32, frames: &mut Vec<Frame>, from: usize) {
        let Self { shape, collectors } = self;
        let mut collector = collectors.as_mut().and_then(|collectors| collectors.get_mut(request as usize));
        shape.apply(request, frames, from, |chunk| {
            if let Some(collector) = &mut collector {
                collector.add_chunk(chunk);
            }
        });
    }

    /// Keeps the reasoning that the stream's tool calls will want back.
    pub(crate) fn keep_reasoning(&mut self, cache: &ReasoningCache, account: &AccountId) {
        for collector in self.collectors.take().into_iter().flatten() {
            collector.keep(cache, account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_an_emulation_has_no_shape() {
        assert!(StreamEmulation::new(&Notes::default(), &HeldBytes::new(0)).is_none());
    }
}
