//! The wall clock, and time as the mesh writes it down.
//!
//! Everything that decides takes `now` as an argument; whoever drives it asks a
//! [`Clock`]. [`SystemClock`] is the machine's; [`TokioClock`] starts where it is
//! told and advances with tokio's own clock, so that a mesh under a paused
//! runtime ages its certificates too. Durations are measured with
//! `tokio::time::Instant`, never by subtracting wall times.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A source of wall time.
pub trait WallClock: Send + Sync {
    /// The time now; never before 1970.
    fn now(&self) -> UnixTime;
}

/// The clock as it is passed around.
pub type Clock = Arc<dyn WallClock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> UnixTime {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the machine's wall clock"
        )]
        let now = SystemTime::now();
        UnixTime::from(now)
    }
}

/// A clock that starts at a given time and advances with tokio's (which tests
/// and in-process meshes may pause). Clones share their start.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: UnixTime,
    at: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `start` at this moment. Under a paused runtime call it
    /// inside that runtime.
    #[must_use]
    pub fn starting_at(start: UnixTime) -> Self {
        Self {
            start,
            at: tokio::time::Instant::now(),
        }
    }
}

impl WallClock for TokioClock {
    fn now(&self) -> UnixTime {
        self.start.plus(self.at.elapsed())
    }
}

/// A point in time: what has passed since 1970-01-01T00:00:00Z, without leap
/// seconds. Written as RFC 3339 in UTC (`2026-11-21T04:20:34Z`, with three, six
/// or nine decimals when there are any), in text and in serde alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnixTime(Duration);

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(Duration::ZERO);

    /// The last time that can be written: 9999-12-31T23:59:59.999999999Z.
    pub const MAX: Self = Self(Duration::new(LAST_SECOND, 999_999_999));

    /// From whole seconds since the epoch, at most [`UnixTime::MAX`].
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self::since_epoch(Duration::from_secs(seconds))
    }

    /// From the time passed since the epoch, at most [`UnixTime::MAX`].
    #[must_use]
    pub const fn since_epoch(passed: Duration) -> Self {
        if passed.as_secs() > LAST_SECOND {
            Self::MAX
        } else {
            Self(passed)
        }
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Whole milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.as_secs() * 1000 + self.0.subsec_millis() as u64
    }

    /// The time passed since the epoch.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// This much later, at most [`UnixTime::MAX`].
    #[must_use]
    pub const fn plus(self, later: Duration) -> Self {
        Self::since_epoch(self.0.saturating_add(later))
    }

    /// This much earlier, at least [`UnixTime::EPOCH`].
    #[must_use]
    pub const fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(earlier))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<SystemTime> for UnixTime {
    /// A time before 1970 becomes the epoch.
    fn from(time: SystemTime) -> Self {
        time.duration_since(UNIX_EPOCH)
            .map_or(Self::EPOCH, Self::since_epoch)
    }
}

impl From<UnixTime> for SystemTime {
    fn from(time: UnixTime) -> Self {
        UNIX_EPOCH + time.0
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = civil(seconds / DAY);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match self.0.subsec_nanos() {
            0 => {}
            n if n % 1_000_000 == 0 => write!(f, ".{:03}", n / 1_000_000)?,
            n if n % 1_000 == 0 => write!(f, ".{:06}", n / 1_000)?,
            n => write!(f, ".{n:09}")?,
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<UnixTime> for String {
    fn from(time: UnixTime) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for UnixTime {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl FromStr for UnixTime {
    type Err = TimeError;

    /// Reads what [`fmt::Display`] writes: RFC 3339 in UTC with a `Z`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        parse(text).ok_or_else(|| TimeError {
            text: text.chars().take(64).collect(),
        })
    }
}

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time: write it in UTC like 2026-11-21T04:20:34Z")]
pub struct TimeError {
    /// The text as given, cut to 64 characters.
    pub text: String,
}

fn parse(text: &str) -> Option<UnixTime> {
    let (date, rest) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = match rest.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (rest, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    let nanos = match fraction {
        None => 0,
        Some(digits) if (1..=9).contains(&digits.len()) => {
            let width = u32::try_from(9 - digits.len()).ok()?;
            u32::try_from(digits_of(digits)?).ok()? * 10_u32.pow(width)
        }
        Some(_) => return None,
    };
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    Some(UnixTime(Duration::new(seconds, nanos)))
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut out = [0; 3];
    for (slot, width) in out.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *slot = digits_of(part)?;
    }
    parts.next().is_none().then_some(out)
}

fn digits_of(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The proleptic Gregorian date of a day since 1970, counted in 400-year eras
/// that begin on 1 March.
const fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + ERA_OFFSET;
    let era = shifted / ERA;
    let of_era = shifted % ERA;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, date)
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let march = (month + 9) % 12;
    let year_of_era = shifted % 400;
    let of_year = (153 * march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (shifted / 400 * ERA + of_era).checked_sub(ERA_OFFSET)?;
    // A 30 February counts over into March: only real dates come back as given.
    (civil(days) == (year, month, day)).then_some(days)
}

const DAY: u64 = 86_400;
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const ERA_OFFSET: u64 = 719_468;
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests;
