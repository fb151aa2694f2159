//! How close simulated fan-out comes to measured fan-out: `cargo run --release -p squall-benches --bin calibration
//! [-- [--write] [nats|redis|zenoh…]]`.
//!
//! Plays the measurement again in worlds whose network is `scenarios/profiles/measured.toml`: the production clients, the
//! simulated servers, one publisher, N subscribers. Prints measured and simulated figures, and with `--write` makes
//! `docs/calibration.md` of them. Fails when one of them is off by more than [`TOLERANCE_PERCENT`].
//!
//! | module | what it holds |
//! |---|---|
//! | `measured` | what was measured on real servers |
//! | `fan_out` | one publisher and N subscribers in a world |
//! | `clients` | how each client library publishes and subscribes |
//! | `report` | the table and the document |

mod clients;
mod fan_out;
mod measured;
mod report;

use fan_out::{FanOut, simulate};
use measured::{Figures, MEASURED};
use report::{Row, document, off, table};
use squall_harness::scenario::{Backend, load};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How far a figure may be off.
const TOLERANCE_PERCENT: u64 = 30;

/// The scenario whose network is calibrated.
const SCENARIO: &str = "scenarios/bench/fan-out.toml";
const DOCUMENT: &str = "docs/calibration.md";

/// What becomes of the figures, beside being printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    Document,
}

fn main() -> ExitCode {
    match calibrate(std::env::args().skip(1)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(off) => {
            eprintln!("{off} figures are off by more than {TOLERANCE_PERCENT} %");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Simulates, prints, writes; returns how many figures are off.
fn calibrate(arguments: impl Iterator<Item = String>) -> Result<usize, String> {
    let (keep, backends) = parse(arguments)?;
    let root = root();
    let scenario = load(&root.join(SCENARIO)).map_err(|error| error.plain())?;
    let profile = &scenario.network.profile;
    let mut sections = Vec::new();
    for (backend, measured) in MEASURED.iter().filter(|(backend, _)| backends.contains(backend)) {
        let simulated = |(rate_hz, subscribers, measured): &(u64, usize, Figures)| {
            let plan = FanOut { backend: *backend, rate_hz: *rate_hz, subscribers: *subscribers };
            Ok(Row { plan, measured: *measured, simulated: simulate(&plan, profile)? })
        };
        let rows: Vec<Row> = measured.iter().map(simulated).collect::<Result<_, String>>()?;
        println!("{backend}\n\n{}", table(&rows));
        sections.push((*backend, rows));
    }
    let off = sections.iter().flat_map(|(_, rows)| rows).map(off).sum();
    if keep == Keep::Document {
        let path = root.join(DOCUMENT);
        std::fs::write(&path, document(&sections)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(off)
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<(Keep, Vec<Backend>), String> {
    let (mut keep, mut backends) = (Keep::Nothing, Vec::new());
    let known = || MEASURED.iter().map(|(backend, _)| *backend);
    for argument in arguments {
        if argument == "--write" {
            keep = Keep::Document;
            continue;
        }
        let backend = known().find(|backend| backend.name() == argument);
        backends.push(backend.ok_or_else(|| format!("expected --write, nats, redis or zenoh, found `{argument}`"))?);
    }
    if backends.is_empty() {
        backends = known().collect();
    } else if keep == Keep::Document {
        return Err("the document shows all backends: name none with --write".to_owned());
    }
    Ok((keep, backends))
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
