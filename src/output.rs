//! What commands print: aligned tables for people, JSON or YAML for scripts.
//!
//! Colour only on a terminal; nothing here is needed to understand a result.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// Aligned columns, all of them.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

impl Format {
    /// Whether people read it.
    #[must_use]
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

/// Prints `value` in the form asked for; `table` draws the form for people.
///
/// # Errors
/// A value that cannot be written in that form.
pub fn print<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce(bool) -> String,
) -> Result<(), Failure> {
    let text = match format {
        Format::Table => table(false),
        Format::Wide => table(true),
        Format::Json => serde_json::to_string_pretty(value).map_err(Failure::failed)?,
        Format::Yaml => serde_saphyr::to_string(value).map_err(Failure::failed)?,
    };
    println!("{}", text.trim_end());
    Ok(())
}

/// Aligned columns without borders, the heading in capitals.
#[must_use]
pub fn columns(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(heading.iter().map(|text| text.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    // The preset pads both sides of a cell; the left edge should be flush.
    let text = table.to_string();
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    lines.join("\n")
}

/// A count with its noun, the plural by an `s`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// Seconds until a moment, as people say it: `23h`, `59m`, `12s`, `expired`.
#[must_use]
pub fn until(moment: u64, now: u64) -> String {
    match moment.checked_sub(now) {
        None | Some(0) => "expired".to_owned(),
        Some(left) if left >= 2 * 86_400 => format!("{}d", left / 86_400),
        Some(left) if left >= 2 * 3_600 => format!("{}h", left / 3_600),
        Some(left) if left >= 120 => format!("{}m", left / 60),
        Some(left) => format!("{left}s"),
    }
}

#[cfg(test)]
mod tests;
