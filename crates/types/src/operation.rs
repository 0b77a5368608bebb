//! The operations of OpenAI's API that this gateway knows by name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One thing that a client asks the API to do. Paths and bodies stand in the table of
/// `banjia-wire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A chat completion.
    #[serde(rename = "chat")]
    ChatCompletions,
    /// A text completion of the older kind.
    Completions,
    /// A response.
    Responses,
    /// Vectors for texts.
    Embeddings,
    /// A check of texts and images against the vendor's rules on content.
    Moderations,
    /// Images from a text.
    ImageGeneration,
    /// Images from other images and a text.
    ImageEdit,
    /// Variations of an image.
    ImageVariation,
    /// Speech from a text.
    Speech,
    /// The text of a recording.
    Transcription,
    /// The text of a recording, in English.
    Translation,
    /// A session over a socket.
    Realtime,
    /// The list of models, and one of them.
    Models,
    /// Files.
    Files,
    /// Files that are uploaded in parts.
    Uploads,
    /// Batches of requests.
    Batches,
    /// Fine-tuning jobs.
    FineTuning,
    /// Stored conversations.
    Conversations,
    /// The border's check for other APIs: it is not OpenAI's, and only the ledger names it.
    #[serde(rename = "check")]
    BorderCheck,
}

/// A text that names no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no operation is named {0:?}")]
pub struct UnknownOperation(pub String);

impl Operation {
    /// Every operation, in declaration order.
    pub const ALL: &'static [Self] = &[
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Moderations,
        Self::ImageGeneration,
        Self::ImageEdit,
        Self::ImageVariation,
        Self::Speech,
        Self::Transcription,
        Self::Translation,
        Self::Realtime,
        Self::Models,
        Self::Files,
        Self::Uploads,
        Self::Batches,
        Self::FineTuning,
        Self::Conversations,
        Self::BorderCheck,
    ];

    /// The name used in the ledger, in captures and in profiles.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::ImageGeneration => "image_generation",
            Self::ImageEdit => "image_edit",
            Self::ImageVariation => "image_variation",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Translation => "translation",
            Self::Realtime => "realtime",
            Self::Models => "models",
            Self::Files => "files",
            Self::Uploads => "uploads",
            Self::Batches => "batches",
            Self::FineTuning => "fine_tuning",
            Self::Conversations => "conversations",
            Self::BorderCheck => "check",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        let found = Self::ALL.iter().copied().find(|operation| operation.as_str() == text);
        found.ok_or_else(|| UnknownOperation(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_read_back_from_its_name() {
        for operation in Operation::ALL {
            assert_eq!(operation.as_str().parse(), Ok(*operation));
        }
    }

    #[test]
    fn serde_uses_the_names_of_as_str() {
        for operation in Operation::ALL {
            let text = format!("{:?}", operation.as_str());
            assert_eq!(serde_json::to_string(operation).unwrap(), text);
            assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), *operation);
        }
    }

    #[test]
    fn the_stored_words_stay_as_they_are() {
        let stored = [Operation::ChatCompletions, Operation::Embeddings, Operation::Models, Operation::BorderCheck];
        assert_eq!(stored.map(Operation::as_str), ["chat", "embeddings", "models", "check"]);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        for text in ["", "Chat", "chat ", "chat_completions"] {
            assert_eq!(text.parse::<Operation>(), Err(UnknownOperation(text.to_owned())));
        }
    }
}
