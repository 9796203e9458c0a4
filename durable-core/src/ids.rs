//! Identities: newtypes with one parsing rule each.
//!
//! Every id is validated once, here. Adapters may rely on it and only have to
//! escape, never to check.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text is not a valid id or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// The text is empty.
    #[error("{what} must not be empty")]
    Empty {
        /// What was being parsed, e.g. `instance id`.
        what: &'static str,
    },
    /// The text is longer than the limit.
    #[error("{what} is {bytes} bytes long; the limit is {max} bytes")]
    TooLong {
        /// What was being parsed.
        what: &'static str,
        /// Length found, in bytes of UTF-8.
        bytes: usize,
        /// Limit in bytes.
        max: usize,
    },
    /// The text holds a control character.
    #[error("{what} holds the control character U+{code:04X} at byte {at}; remove it")]
    ControlCharacter {
        /// What was being parsed.
        what: &'static str,
        /// Unicode code point.
        code: u32,
        /// Byte offset.
        at: usize,
    },
}

fn check(what: &'static str, text: &str, max: usize) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { what });
    }
    if text.len() > max {
        return Err(InvalidId::TooLong { what, bytes: text.len(), max });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, c)) => Err(InvalidId::ControlCharacter { what, code: c as u32, at }),
        None => Ok(()),
    }
}

/// Whether a text can be the version of an orchestration; the empty one is the unversioned one.
///
/// # Errors
/// [`InvalidId`] when it is too long or holds a control character.
pub fn check_version(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() { Ok(()) } else { check("version", text, limits::VERSION_BYTES_MAX) }
}

/// Whether a text can be the name of a change of code.
///
/// # Errors
/// [`InvalidId`] when it is empty, too long or holds a control character.
pub fn check_change(text: &str) -> Result<(), InvalidId> {
    check("name of a change", text, limits::VERSION_BYTES_MAX)
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;

                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("the text of an ", $what))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }

                from.deserialize_str(Text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl $name {
            /// Parses and validates.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, too long, or holds a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                check($what, text, $max)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;
            fn try_from(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        // Equality, order and hash are those of the text.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// The user-visible identity of an orchestration instance within a task hub.
    ///
    /// Case-sensitive, compared byte for byte; 1 to 256 bytes of UTF-8 without
    /// control characters. Any other character is allowed: adapters escape.
    InstanceId, "instance id", limits::INSTANCE_ID_BYTES_MAX
);
text_id!(
    /// The registered name of an orchestration, activity or external event.
    Name, "name", limits::NAME_BYTES_MAX
);
text_id!(
    /// The name of a task hub. Hubs on one store never see each other.
    HubName, "task hub name", limits::HUB_NAME_BYTES_MAX
);
text_id!(
    /// The name of an activity queue; routes activities to a pool of workers.
    QueueName, "activity queue name", limits::NAME_BYTES_MAX
);

impl QueueName {
    /// The queue used when nothing else is said.
    pub const DEFAULT: &'static str = "default";
}

impl Default for QueueName {
    fn default() -> Self {
        // Every envelope names a queue.
        static DEFAULT: LazyLock<QueueName> =
            LazyLock::new(|| QueueName(Arc::from(QueueName::DEFAULT)));
        DEFAULT.clone()
    }
}

impl HubName {
    /// The hub used when nothing else is said.
    pub const DEFAULT: &'static str = "default";
}

impl Default for HubName {
    fn default() -> Self {
        Self(Arc::from(Self::DEFAULT))
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u128::from_str_radix(text, 16).map(Self)
            }
        }
    };
}

number_id!(
    /// One generation of an instance. A fresh random value at every start,
    /// restart and continue-as-new, so that messages of an older generation
    /// can never touch a newer one.
    ExecutionId
);
number_id!(
    /// An unguessable proof of holding a lease. Compared by equality only.
    LeaseToken
);
number_id!(
    /// One worker process, for affinity and for people who read logs.
    WorkerId
);

/// Identity of a message for de-duplication: who caused it, and the how-manieth
/// effect of that cause it is. Sending the same message again under the same id
/// is always safe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId {
    /// The execution that sent it, or a random number for messages of clients.
    pub source: u128,
    /// Number of the action within the source; 0 for messages of clients.
    pub seq: u64,
}

impl MessageId {
    /// The id of the effect that `execution` caused by its action `seq`.
    pub fn of_action(execution: ExecutionId, seq: u64) -> Self {
        Self { source: execution.0, seq }
    }

    /// The id of a message that no orchestration caused; `random` must be fresh.
    pub fn random(random: u128) -> Self {
        Self { source: random, seq: 0 }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}/{}", self.source, self.seq)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_accept_any_printable_text() {
        for text in ["a", "order/1:{x}#\u{1F600} ..", "'; drop table", "\u{202E}rtl"] {
            assert_eq!(InstanceId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn ids_reject_what_no_store_could_keep_apart() {
        assert!(matches!(InstanceId::new(""), Err(InvalidId::Empty { .. })));
        assert!(matches!(
            InstanceId::new("x".repeat(257)),
            Err(InvalidId::TooLong { bytes: 257, .. })
        ));
        assert!(matches!(
            InstanceId::new("a\0b"),
            Err(InvalidId::ControlCharacter { code: 0, at: 1, .. })
        ));
    }

    #[test]
    fn deserializing_an_id_validates_it() {
        assert!(serde_json::from_str::<InstanceId>("\"\"").is_err());
    }
}
