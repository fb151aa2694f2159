//! Least, median and greatest of repeated measurements.

/// How repeated measurements of one thing lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<T> {
    /// The least.
    pub min: T,
    /// The one in the middle; of an even number, the lesser of the two.
    pub median: T,
    /// The greatest.
    pub max: T,
}

impl<T: Copy + PartialOrd> Spread<T> {
    /// The spread of measurements; `None` of none. A measurement that is no number is left out.
    pub fn of(measurements: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut sorted: Vec<T> = measurements.into_iter().filter(|one| one.partial_cmp(one).is_some()).collect();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self { min, median: sorted[(sorted.len() - 1) / 2], max })
    }

    /// `median (min–max)`, or the median alone where `text` shows no difference.
    pub fn show(&self, text: impl Fn(T) -> String) -> String {
        let (min, median, max) = (text(self.min), text(self.median), text(self.max));
        if min == max { median } else { format!("{median} ({min}–{max})") }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_a_measurement_that_was_made() {
        assert_eq!(Spread::of([3, 1, 2]), Some(Spread { min: 1, median: 2, max: 3 }));
        assert_eq!(Spread::of([4, 1, 3, 2]), Some(Spread { min: 1, median: 2, max: 4 }));
        assert_eq!(Spread::<u32>::of([]), None);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        assert_eq!(Spread::of([f64::NAN, 1.0]), Some(Spread { min: 1.0, median: 1.0, max: 1.0 }));
    }

    #[test]
    fn equal_ends_are_not_shown() {
        let text = |n: f64| format!("{n:.1}");
        assert_eq!(Spread::of([1.01, 1.02]).unwrap().show(text), "1.0");
        assert_eq!(Spread::of([1.0, 1.5, 2.0]).unwrap().show(text), "1.5 (1.0–2.0)");
    }
}
