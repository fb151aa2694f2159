use super::*;
use crate::Colour;
use crate::compare::{Exposure, FORMAT, Late, Latencies, Messages};

const BACKENDS: [&str; 4] = ["zenoh", "nats", "kafka", "redis"];
const SEEDS: u64 = 6;

fn header() -> Header {
    Header {
        format: FORMAT,
        squall: "0.1.0".to_owned(),
        command: "squall compare scenarios/fast --seeds 0..6".to_owned(),
        backends: BACKENDS.map(str::to_owned).to_vec(),
        first_seed: 0,
        end_seed: SEEDS,
    }
}

fn contest(scenario: &str, zenoh_lacks: &[&str]) -> Contest {
    let entrant = |backend: &str| Entrant {
        backend: backend.to_owned(),
        not_applicable: if backend == "zenoh" {
            zenoh_lacks.iter().map(|one| (*one).to_owned()).collect()
        } else {
            vec![]
        },
    };
    Contest {
        scenario: scenario.to_owned(),
        title: format!("The claim of {scenario} & <more>"),
        backends: BACKENDS.map(entrant).to_vec(),
    }
}

/// Made up: Kafka delivers slowly but loses nothing, Zenoh is fast and loses most.
fn measures(backend: usize, seed: u64) -> Measures {
    let [base_us, step_us] = [[500, 40], [400, 20], [120_000, 300], [420, 22]][backend];
    let lost = [40, 9, 0, 10][backend];
    Measures {
        delivery: (0..200).map(|delivery| base_us + seed + delivery * step_us).collect(),
        last_node: (0..50).map(|version| base_us * 2 + version * step_us * 4).collect(),
        in_force: (0..220).map(|block| base_us + seed + block * step_us * 2).collect(),
        last_in_force: (0..50).map(|version| base_us * 2 + version * step_us * 8).collect(),
        late: Late { delivered: 200 - lost, slow: 2, repaired: lost },
        messages: Messages { due: 200, lost, repeated: [0, 0, 3, 0][backend], overtaken: 0 },
        convergence: [[9_000_000, 2_100_000, 800_000, 2_150_000][backend] + seed * 1_000].into_iter().collect(),
        unconverged: 0,
        reconnect: if backend == 0 { Latencies::default() } else { [1_100_000, 1_300_000].into_iter().collect() },
        unreconnected: 0,
        exposure: Exposure {
            blocks: 50,
            propagation_ns: base_us * 50_000,
            reconnect_ns: lost * 1_000_000_000,
            ..Exposure::default()
        },
    }
}

fn outcome(contest: usize, entrant: usize, seed: u64) -> Outcome {
    let verdict = if (contest, entrant, seed) == (0, 0, 3) { Verdict::Fail } else { Verdict::Pass };
    Outcome { contest, entrant, seed, verdict, node_plan: Digest(seed), measures: Some(measures(entrant, seed)) }
}

fn all() -> impl Iterator<Item = Outcome> {
    (0..SEEDS)
        .flat_map(|seed| (0..2).flat_map(move |contest| (0..4).map(move |entrant| outcome(contest, entrant, seed))))
}

fn collector() -> Collector {
    let contests = vec![contest("fast/partition-minority", &[]), contest("fast/broker-restarts", &["fault 1 (kill)"])];
    Collector::new(header(), contests)
}

fn comparison(outcomes: impl Iterator<Item = Outcome>) -> Comparison {
    let mut collector = collector();
    outcomes.for_each(|outcome| collector.add(outcome));
    collector.finish()
}

#[test]
fn the_text_shows_every_backend_and_what_follows() {
    insta::assert_snapshot!(comparison(all()).render(Colour::Plain));
}

#[test]
fn the_object_is_the_documented_one() {
    fn shortened(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Array(list) if list.iter().any(|one| one.is_object()) => {
                list.truncate(1);
                list.iter_mut().for_each(shortened);
            }
            serde_json::Value::Object(object) => object.values_mut().for_each(shortened),
            _ => {}
        }
    }
    let mut object = serde_json::to_value(comparison(all())).unwrap();
    shortened(&mut object);
    insta::assert_snapshot!(serde_json::to_string_pretty(&object).unwrap());
    let read: Comparison = serde_json::from_value(serde_json::to_value(comparison(all())).unwrap()).unwrap();
    assert_eq!(read, comparison(all()));
}

#[test]
fn the_page_loads_nothing_and_shows_all_backends() {
    let page = comparison(all()).to_html().unwrap();
    for outside in ["http", "src=", "@import", "url(", "href", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for backend in BACKENDS {
        assert!(page.contains(&format!("<strong>{backend}</strong>")), "{backend}");
    }
    assert_eq!(
        page.matches("class=\"line\" d=\"M").count(),
        5 * 4 - 1 + 4,
        "five plots, no reconnect on zenoh, the legend"
    );
    assert!(page.contains("&#60;more&#62;") && page.contains("fault 1 (kill) not applicable to zenoh"), "{page}");
    assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<svg").count(), page.matches("<title id=").count() + 4, "but for the legend's strokes");
}

#[test]
fn runs_may_come_in_any_order() {
    let mut reversed: Vec<Outcome> = all().collect();
    reversed.reverse();
    let (forth, back) = (comparison(all()), comparison(reversed.into_iter()));
    assert_eq!((forth.totals, forth.scenarios), (back.totals, back.scenarios));
}

#[test]
fn what_one_backend_lacks_is_no_figure_of_the_others() {
    let whole = comparison(all());
    assert!(whole.complete);
    assert_eq!(whole.totals[1].runs.all(), SEEDS, "the scenario with faults of brokers does not count");
    let cut_short = comparison(all().take(4 * 2 * 3 + 3));
    assert!(!cut_short.complete);
    assert_eq!(cut_short.totals.iter().map(|total| total.runs.all()).collect::<Vec<_>>(), [3; 4]);
    assert_eq!(cut_short.scenarios[0].results.iter().map(|one| one.runs.all()).collect::<Vec<_>>(), [4, 4, 4, 3]);
}

#[test]
fn a_run_without_measurements_takes_its_rivals_out_and_is_counted() {
    let broken = all().map(|mut outcome| {
        if (outcome.contest, outcome.entrant, outcome.seed) == (0, 2, 1) {
            (outcome.measures, outcome.verdict) = (None, Verdict::Fail);
        }
        outcome
    });
    let comparison = comparison(broken);
    assert!(!comparison.complete);
    assert_eq!(comparison.totals[0].runs.all(), SEEDS - 1);
    assert_eq!(comparison.scenarios[0].results[2].runs.failed, 1);
}

#[test]
fn other_faults_on_one_backend_are_told_and_not_compared() {
    let differing = all().map(|mut outcome| {
        if (outcome.contest, outcome.entrant, outcome.seed) == (0, 2, 4) {
            outcome.node_plan = Digest(99);
        }
        outcome
    });
    let comparison = comparison(differing);
    let left_out = comparison.scenarios[0].left_out.as_deref().unwrap();
    assert!(left_out.contains("seed 4"), "{left_out}");
    assert_eq!(comparison.findings, []);
    assert!(comparison.render(Colour::Plain).contains("nothing can be said"));
    assert!(comparison.to_html().unwrap().contains("Nothing can be said"));
}
