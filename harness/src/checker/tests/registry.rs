use super::testing::Run;
use super::*;
use squall_cluster::observe::Source;
use squall_reports::Verdict;
use std::collections::BTreeSet;
use std::time::Instant;

fn make(constructor: Constructor) -> Box<dyn Checker> {
    match constructor {
        Constructor::AlwaysOn(make) | Constructor::Plain(make) => make(),
        Constructor::Limit(make) => make(Duration::from_secs(5)),
        Constructor::FanOut(make) => {
            make(FanOutBounds { p99: Some(Duration::from_secs(1)), ..FanOutBounds::default() })
        }
    }
}

#[test]
fn every_checker_answers_to_its_registered_name() {
    let record = Run::of(2).finish();
    let mut names = BTreeSet::new();
    for registration in REGISTRY {
        let checker = make(registration.constructor);
        assert_eq!(checker.name(), registration.name);
        assert_eq!(checker.check(&record).name, registration.name);
        assert!(names.insert(registration.name), "{} is registered twice", registration.name);
        assert!(find(registration.name).is_some());
        assert!(!registration.promise.is_empty() && !registration.evidence.is_empty());
    }
    assert!(find("no-such-checker").is_none());
}

#[test]
fn exactly_the_documented_checkers_are_always_on() {
    let names: Vec<&str> = always_on().iter().map(|checker| checker.name()).collect();
    assert_eq!(names, ["no-panic", "no-livelock", "no-leaked-task", "faults-were-effective"]);
}

#[test]
fn no_checker_panics_on_an_empty_record() {
    let checkers: Vec<Box<dyn Checker>> = REGISTRY.iter().map(|one| make(one.constructor)).collect();
    for check in judge(&checkers, &RunRecord::default()).0 {
        assert_ne!(check.verdict, Verdict::Fail, "{check:?}");
    }
}

#[test]
fn a_large_run_is_judged_quickly() {
    let mut run = Run::of(1_024);
    for second in 0..60_u16 {
        let origin = 1 + second * 17;
        let at_ms = 1_000 + 900 * u64::from(second);
        let entry = run.block(origin, at_ms, &format!("10.0.0.{second}"));
        for node in (1..=1_024).filter(|node| *node != origin) {
            run.learn(node, at_ms + 1 + u64::from(node) / 100, &entry, Source::Broadcast);
        }
    }
    let record = run.finish();
    for registration in REGISTRY {
        let checker = make(registration.constructor);
        let quickest = (0..3)
            .map(|_| {
                let begin = Instant::now();
                let check = checker.check(&record);
                assert_ne!(check.verdict, Verdict::Fail, "{check:?}");
                begin.elapsed()
            })
            .min();
        println!("{} {quickest:?}", registration.name);
        // Far above what it takes, far below what one quadratic scan would.
        assert!(quickest < Some(Duration::from_secs(1)), "{} took {quickest:?}", registration.name);
    }
}
