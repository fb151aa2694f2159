//! What to measure, from the command line.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Everything, as `cargo bench` asks for.
    Full,
    /// The smallest size once, as `cargo test --benches` asks for: does it still run?
    Trial,
}

/// The command line of a benchmark: `[--rounds K] [N…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Numbers of nodes to measure, ascending.
    pub sizes: Vec<u16>,
    /// How often each is measured.
    pub rounds: usize,
    /// How much is measured.
    pub effort: Effort,
}

impl Arguments {
    /// Reads the arguments after the program's name. Without numbers, `sizes` are measured; without `--rounds`, so
    /// many `rounds` are done.
    ///
    /// # Errors
    /// What is wrong with which argument, as a fragment.
    pub fn parse(arguments: impl IntoIterator<Item = String>, sizes: &[u16], rounds: usize) -> Result<Self, String> {
        let mut parsed = Self { sizes: Vec::new(), rounds, effort: Effort::Trial };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => parsed.effort = Effort::Full,
                "--rounds" => {
                    let value = arguments.next().unwrap_or_default();
                    let rounds = value.parse().ok().filter(|rounds| *rounds > 0);
                    parsed.rounds = rounds.ok_or_else(|| format!("--rounds takes a number from 1, found `{value}`"))?;
                }
                text => {
                    let size = text.parse().ok().filter(|size| *size > 0);
                    parsed.sizes.push(size.ok_or_else(|| format!("expected a number of nodes, found `{text}`"))?);
                }
            }
        }
        if parsed.sizes.is_empty() {
            parsed.sizes = sizes.to_vec();
        }
        parsed.sizes.sort_unstable();
        parsed.sizes.dedup();
        if parsed.effort == Effort::Trial {
            parsed.sizes.truncate(1);
            parsed.rounds = 1;
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Effort};

    fn parse(text: &str) -> Result<Arguments, String> {
        Arguments::parse(text.split_whitespace().map(str::to_owned), &[5, 25], 7)
    }

    #[test]
    fn cargo_bench_measures_everything_it_is_not_told_to_leave_out() {
        let all = parse("--bench").unwrap();
        assert_eq!(all, Arguments { sizes: vec![5, 25], rounds: 7, effort: Effort::Full });
        let some = parse("100 3 100 --rounds 2 --bench").unwrap();
        assert_eq!(some, Arguments { sizes: vec![3, 100], rounds: 2, effort: Effort::Full });
    }

    #[test]
    fn cargo_test_tries_the_smallest_size_once() {
        assert_eq!(parse("").unwrap(), Arguments { sizes: vec![5], rounds: 1, effort: Effort::Trial });
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (text, named) in [("--bench five", "`five`"), ("0", "`0`"), ("--rounds", "``"), ("--rounds 0", "`0`")] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
