//! How the real client libraries fail when their servers and links do, without the recovery that the cluster adds: each
//! fact was measured on real servers, and the same happens in a world, in the same direction and order of magnitude.
//!
//! | file | what |
//! |---|---|
//! | `nats.rs`, `redis.rs`, `zenoh.rs` | the facts, one measurement each |
//! | `fact.rs` | what a fact claims, and the judgement |
//! | `stage.rs` | a world with a publisher and subscribers |
//! | `document.rs` | `docs/facts.md`; `UPDATE_FACTS=1` writes it anew |
//!
//! Each seed has a process of its own, so that figures repeat. `cargo test --test facts -- redis` measures the facts whose
//! names contain the word.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod document;
mod fact;
mod nats;
mod redis;
mod stage;
mod zenoh;

use fact::{Fact, Holds, Measured};
use squall_interpose::layout;
use squall_interpose::pool::{Exit, Limits, Pool};
use std::process::ExitCode;
use std::time::Duration;

const SEEDS: u64 = 20;
const LIMITS: Limits = Limits { memory_bytes: 8 << 30, real_time: Duration::from_secs(300) };
/// Children at a time.
const JOBS: usize = 2;

/// What each seed gives, in the order of seeds.
fn measure(fact: &Fact) -> Result<Vec<Measured>, String> {
    let mut pool = Pool::new();
    let mut measured = vec![Measured::new(); SEEDS as usize];
    let mut next = 0..SEEDS;
    loop {
        while pool.len() < JOBS {
            let Some(seed) = next.next() else { break };
            let work = || serde_json::to_vec(&(fact.measure)(seed)).unwrap();
            pool.start(seed as usize, LIMITS, work).unwrap();
        }
        if pool.is_empty() {
            return Ok(measured);
        }
        let Some(finished) = pool.wait().unwrap() else { continue };
        if finished.exit != Exit::Done {
            pool.kill_all();
            return Err(format!("seed {}: {:?}", finished.tag, finished.exit));
        }
        measured[finished.tag] = serde_json::from_slice(&finished.output).unwrap();
    }
}

/// A judge that agrees to everything would make all other tests worthless.
fn contradictions_are_refused() {
    let holds = [fact::about(1.0), fact::exactly(1.0), Holds::Extremes { largest: 1.0..=2.0, smallest: 0.0..=0.0 }];
    for holds in holds {
        let figures = vec![fact::seconds("late", "1 s", holds)];
        let fact = Fact { scenario: "none", what: "none", figures, measure: |_| vec![vec![]] };
        assert!(fact.judge(&[vec![vec![1.0]], vec![vec![9.0]]]).is_err(), "one seed is far off");
        assert!(fact.judge(&[(fact.measure)(0)]).is_err(), "nothing was measured");
    }
}

fn main() -> ExitCode {
    layout::fix().unwrap();
    contradictions_are_refused();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let facts: Vec<Fact> = nats::facts().into_iter().chain(redis::facts()).chain(zenoh::facts()).collect();
    let mut rows = Vec::new();
    let mut failed = false;
    for fact in facts.iter().filter(|fact| words.is_empty() || words.iter().any(|word| fact.scenario.contains(word))) {
        let judged = measure(fact).and_then(|measured| fact.judge(&measured).map(|()| measured));
        match judged {
            Ok(measured) => {
                println!("test {} ... ok", fact.scenario);
                rows.push(document::row(fact, &measured));
            }
            Err(why) => {
                println!("test {} ... FAILED\n{why}", fact.scenario);
                failed = true;
            }
        }
    }
    if words.is_empty() && !failed {
        match document::judge(&rows) {
            Ok(()) => println!("test the_document_is_up_to_date ... ok"),
            Err(why) => {
                println!("test the_document_is_up_to_date ... FAILED\n{why}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
