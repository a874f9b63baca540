//! Durations in configuration: `500ms`, `20s`, `15m`, `24h`, `7d`, `1h30m`.
//!
//! For `#[serde(with = "pelago_runtime::config::duration")]`; a number without a
//! unit is refused, because nobody remembers which unit a field had.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// The longest duration accepted: a hundred years of 365 days.
pub const MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a duration.
///
/// # Errors
/// [`DurationError`] quotes the text and says what is accepted.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let refused = || DurationError {
        text: text.chars().take(64).collect(),
    };
    if text.is_empty() {
        return Err(refused());
    }
    let mut total = Duration::ZERO;
    let mut last = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, unit, after) = part(rest).ok_or_else(refused)?;
        // Each unit once, from large to small, so that a slip does not add up.
        if unit >= last {
            return Err(refused());
        }
        last = unit;
        total = total.checked_add(part).ok_or_else(refused)?;
        rest = after;
    }
    if total > MAX {
        return Err(refused());
    }
    Ok(total)
}

/// Writes a duration so that [`parse`] reads it back, to the microsecond.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, size) in UNITS {
        if micros >= size {
            text.push_str(&format!("{}{unit}", micros / size));
            micros %= size;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// For serde's `with` and `deserialize_with`.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// For serde's `with` and `serialize_with`.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a duration: write whole numbers with d, h, m, s, ms or us, \
     largest first, such as 24h or 1h30m, at most 36500d"
)]
pub struct DurationError {
    /// The text as given, cut to 64 characters.
    pub text: String,
}

/// The first number and unit, the unit's size, and what follows.
fn part(text: &str) -> Option<(Duration, u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at_checked(digits)?;
    let letters = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(letters)?;
    let (_, size) = UNITS.iter().find(|(unit, _)| *unit == name)?;
    let micros = number.parse::<u64>().ok()?.checked_mul(*size)?;
    Some((Duration::from_micros(micros), *size, after))
}

/// Units and their size in microseconds, largest first.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
