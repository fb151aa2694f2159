//! Figures as a Markdown table.

use std::fmt;

/// A table of right-aligned columns.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these column heads and no rows.
    #[must_use]
    pub fn new(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        for (number, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:>width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for width in widths {
                    write!(f, "|{:->width$}:", "", width = width + 1)?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// Seconds as milliseconds, to three or four digits.
#[must_use]
pub fn milliseconds(seconds: f64) -> String {
    let ms = seconds * 1e3;
    if ms < 100.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

#[cfg(test)]
mod tests {
    use super::{Table, milliseconds};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["n", "µs"]);
        table.row(["1024".to_owned(), "3".to_owned()]);
        assert_eq!(table.to_string(), "|    n | µs |\n|-----:|---:|\n| 1024 |  3 |\n");
    }

    #[test]
    fn long_times_are_shown_without_a_fraction() {
        assert_eq!([0.001_26, 0.099_9, 0.1, 13.9].map(milliseconds), ["1.3", "99.9", "100", "13900"]);
    }
}
