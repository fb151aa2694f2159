//! What carrying packets costs, beside other engines:
//! `cargo bench -p squall-benches --bench engines [-- [--rounds K] [N…]]`.
//!
//! One workload, written once, runs over the sockets of squall-sim, turmoil and turmoil-net. Each run is a forked
//! child; in each round the engines take turns. A run counts only if every message arrived.

mod child;
mod fanout;

use child::{Failed, fix_layout, measure};
use fanout::{RUN, Tally, deliveries, over_squall, over_turmoil, over_turmoil_net};
use squall_benches::{Arguments, Spread, Table, milliseconds};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const SIZES: [u16; 7] = [3, 5, 16, 25, 64, 256, 500];
const ROUNDS: usize = 3;
/// Real time that one run may take. An engine that takes longer is not tried with more nodes.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// One engine under the workload.
struct Engine {
    name: &'static str,
    work: fn(u16) -> Arc<Tally>,
}

/// The first is what the others are compared with.
const ENGINES: [Engine; 3] = [
    Engine { name: "squall-sim", work: over_squall::work },
    Engine { name: "turmoil-net 0.1.0", work: over_turmoil_net::work },
    Engine { name: "turmoil 0.7.2", work: over_turmoil::work },
];

/// What one engine did with one number of nodes.
#[derive(Default)]
struct Runs {
    cpu_s: Vec<f64>,
    wall_s: Vec<f64>,
    /// CPU time over that of squall-sim in the same round.
    ratios: Vec<f64>,
    rss_mib: f64,
    skipped: Option<String>,
}

fn main() -> ExitCode {
    fix_layout();
    match Arguments::parse(std::env::args().skip(1), &SIZES, ROUNDS).and_then(|arguments| compare(&arguments)) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<Table<8>, String> {
    let empty = measure(TIME_LIMIT, Vec::new).map_err(|error| format!("an empty child failed: {error:?}"))?;
    println!(
        "{} simulated seconds; {} rounds, median (least–greatest); a child that does nothing costs {} ms of CPU time\n",
        RUN.as_secs(),
        arguments.rounds,
        milliseconds(empty.cpu.as_secs_f64()),
    );
    let mut table = Table::new([
        "nodes",
        "engine",
        "CPU, ms",
        "wall, ms",
        "beside squall-sim",
        "deliveries",
        "µs CPU/delivery",
        "peak RSS, MiB",
    ]);
    let mut given_up: [Option<u16>; ENGINES.len()] = [None; ENGINES.len()];
    for nodes in &arguments.sizes {
        let mut engines: [Runs; ENGINES.len()] = std::array::from_fn(|_| Runs::default());
        for _ in 0..arguments.rounds {
            round(*nodes, &mut engines, &mut given_up)?;
        }
        for (engine, runs) in ENGINES.iter().zip(&engines) {
            table.row(runs.row(engine.name, *nodes));
        }
        eprintln!("{nodes} nodes done");
    }
    Ok(table)
}

/// Every engine once.
fn round(
    nodes: u16,
    engines: &mut [Runs; ENGINES.len()],
    given_up: &mut [Option<u16>; ENGINES.len()],
) -> Result<(), String> {
    let mut reference_s = None;
    for ((engine, runs), given_up) in ENGINES.iter().zip(engines).zip(given_up) {
        if let Some(at) = given_up {
            let skipped = || format!("skipped: {at} nodes took more than {} s of real time", TIME_LIMIT.as_secs());
            runs.skipped.get_or_insert_with(skipped);
            continue;
        }
        let one = match measure(TIME_LIMIT, || (engine.work)(nodes).encode()) {
            Ok(one) => one,
            Err(Failed::TimedOut) => {
                *given_up = Some(nodes);
                runs.skipped = Some(format!("stopped after {} s of real time", TIME_LIMIT.as_secs()));
                continue;
            }
            Err(Failed::Broke(how)) => return Err(format!("{} with {nodes} nodes: {how}", engine.name)),
        };
        let expected = Tally::expected(nodes);
        if one.output != expected {
            let (done, expected) = (String::from_utf8_lossy(&one.output), String::from_utf8_lossy(&expected));
            let name = engine.name;
            return Err(format!(
                "{name} with {nodes} nodes did other work: deliveries, publications, pings and errors \
                 were {done} instead of {expected}"
            ));
        }
        let cpu_s = one.cpu.as_secs_f64();
        if engine.name == ENGINES[0].name {
            reference_s = Some(cpu_s);
        }
        runs.ratios.extend(reference_s.map(|reference_s| cpu_s / reference_s));
        runs.cpu_s.push(cpu_s);
        runs.wall_s.push(one.wall.as_secs_f64());
        runs.rss_mib = runs.rss_mib.max(one.peak_rss_kib as f64 / 1_024.0);
    }
    Ok(())
}

impl Runs {
    fn row(&self, name: &str, nodes: u16) -> [String; 8] {
        let spreads = |values: &[f64]| Spread::of(values.iter().copied());
        let (Some(cpu), Some(wall), None) = (spreads(&self.cpu_s), spreads(&self.wall_s), &self.skipped) else {
            let reason = self.skipped.clone().unwrap_or_default();
            let none = String::new;
            return [nodes.to_string(), name.to_owned(), reason, none(), none(), none(), none(), none()];
        };
        let deliveries = deliveries(nodes);
        [
            nodes.to_string(),
            name.to_owned(),
            cpu.show(milliseconds),
            wall.show(milliseconds),
            spreads(&self.ratios).map_or_else(String::new, |ratio| ratio.show(times)),
            deliveries.to_string(),
            format!("{:.2}", cpu.median * 1e6 / deliveries as f64),
            format!("{:.0}", self.rss_mib),
        ]
    }
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}×") } else { format!("{ratio:.0}×") }
}
