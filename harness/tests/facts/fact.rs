//! What a fact claims, and whether measurements agree.

use std::ops::RangeInclusive;

/// The samples of each figure of a fact, in the order of its figures, from one seed.
pub(crate) type Measured = Vec<Vec<f64>>;

/// One way in which a real client or server fails.
pub(crate) struct Fact {
    /// Its name: that of the scenario in which a cluster lives through it, below `scenarios/facts`.
    pub(crate) scenario: &'static str,
    pub(crate) what: &'static str,
    pub(crate) figures: Vec<Figure>,
    /// Plays it in a world of this seed.
    pub(crate) measure: fn(u64) -> Measured,
}

/// One thing that is measured.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// What it was with real servers.
    pub(crate) real: &'static str,
    pub(crate) unit: Unit,
    pub(crate) holds: Holds,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    Count,
    Percent,
}

/// What must be in a range.
pub(crate) enum Holds {
    /// Every sample of every seed.
    All(RangeInclusive<f64>),
    /// The largest sample, and the smallest.
    Extremes { largest: RangeInclusive<f64>, smallest: RangeInclusive<f64> },
}

/// A third of a measured value to three times as much.
pub(crate) fn about(real: f64) -> Holds {
    Holds::All(real / 3.0..=real * 3.0)
}

/// This and nothing else.
pub(crate) fn exactly(real: f64) -> Holds {
    Holds::All(real..=real)
}

pub(crate) fn seconds(name: &'static str, real: &'static str, holds: Holds) -> Figure {
    Figure { name, real, unit: Unit::Seconds, holds }
}

pub(crate) fn count(name: &'static str, real: &'static str, holds: Holds) -> Figure {
    Figure { name, real, unit: Unit::Count, holds }
}

pub(crate) fn percent(name: &'static str, real: &'static str, holds: Holds) -> Figure {
    Figure { name, real, unit: Unit::Percent, holds }
}

/// All samples of one figure over all seeds, ascending.
pub(crate) fn samples(measured: &[Measured], figure: usize) -> Vec<f64> {
    let mut all: Vec<f64> = measured.iter().flat_map(|one| one[figure].iter().copied()).collect();
    all.sort_by(f64::total_cmp);
    all
}

impl Figure {
    fn agrees(&self, ascending: &[f64]) -> bool {
        let (smallest, largest) = (ascending[0], ascending[ascending.len() - 1]);
        match &self.holds {
            Holds::All(range) => range.contains(&smallest) && range.contains(&largest),
            Holds::Extremes { largest: upper, smallest: lower } => {
                upper.contains(&largest) && lower.contains(&smallest)
            }
        }
    }
}

impl Fact {
    /// Why the measurements contradict the fact.
    pub(crate) fn judge(&self, measured: &[Measured]) -> Result<(), String> {
        for (index, figure) in self.figures.iter().enumerate() {
            let all = samples(measured, index);
            if all.is_empty() || !figure.agrees(&all) {
                return Err(format!("{}: with real servers {}, in the world {all:?}", figure.name, figure.real));
            }
        }
        Ok(())
    }
}
