use proptest::prelude::*;

use super::*;
use crate::servers::kafka::samples::batch;

/// Batches of two records each, one per epoch given, all below the high watermark.
fn log(epochs: &[i32]) -> PartitionLog {
    let (mut log, now) = (PartitionLog::default(), Instant::now());
    for (at, epoch) in epochs.iter().enumerate() {
        log.append(&batch(&[at as i64 * 10, at as i64 * 10 + 5]), *epoch, None, now);
    }
    log.raise_high_watermark(i64::MAX);
    log
}

fn offsets(bytes: Bytes) -> Vec<i64> {
    Batch::replicated(bytes, Instant::now()).unwrap().iter().map(|batch| batch.base_offset).collect()
}

#[test]
fn reading_starts_with_the_batch_that_holds_the_offset() {
    let log = log(&[0, 0, 0]);
    for (from, expected) in [(0, vec![0, 2, 4]), (1, vec![0, 2, 4]), (2, vec![2, 4]), (5, vec![4]), (6, vec![])] {
        assert_eq!(offsets(log.read(from, 6, 10_000, Oversized::Never)), expected, "from {from}");
    }
    assert_eq!(offsets(log.read(0, 4, 10_000, Oversized::Never)), [0, 2], "below the limit only");
}

#[test]
fn a_reader_gets_one_batch_however_large_unless_it_got_another() {
    let log = log(&[0, 0]);
    assert_eq!(offsets(log.read(0, 4, 1, Oversized::First)), [0]);
    assert_eq!(offsets(log.read(0, 4, 1, Oversized::Never)), [0; 0]);
}

#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let log = log(&[1, 1, 4]);
    for (asked, epoch, end) in [(0, -1, 0), (1, 1, 4), (3, 1, 4), (4, 4, 6), (9, 4, 6)] {
        assert_eq!(log.epoch_end(asked), EpochEnd { epoch, end }, "epoch {asked}");
    }
}

#[test]
fn truncation_takes_whole_batches_and_the_high_watermark_with_them() {
    let mut log = log(&[0, 0, 1]);
    log.truncate(3);
    assert_eq!((log.end(), log.high_watermark(), log.last_epoch()), (2, 2, 0));
}

#[test]
fn a_disk_without_its_cache_loses_the_newest_only() {
    let (mut log, now) = (PartitionLog::default(), Instant::now());
    for seconds in [0, 10, 20] {
        log.append(&batch(&[1]), 0, None, now + Duration::from_secs(seconds));
    }
    log.raise_high_watermark(i64::MAX);
    log.lose_since(now + Duration::from_secs(10));
    assert_eq!((log.start(), log.end(), log.high_watermark()), (0, 2, 2));
}

#[test]
fn retention_by_time_takes_what_is_older() {
    let mut log = log(&[0, 0, 0]);
    log.retain(Some(Duration::from_millis(85)), None, 100);
    assert_eq!((log.start(), log.end()), (2, 6), "the first batch ends at 5, the second at 15");
}

#[test]
fn retention_by_size_keeps_at_least_that_much() {
    let one = batch(&[0, 5]).len() as u64;
    for (limit, start) in [(3 * one, 0), (2 * one + 1, 0), (2 * one, 2), (one, 4), (0, 6)] {
        let mut log = log(&[0, 0, 0]);
        log.retain(None, Some(limit), 0);
        assert_eq!(log.start(), start, "within {limit} bytes");
    }
}

#[test]
fn nothing_above_the_high_watermark_is_let_go() {
    let (mut log, now) = (PartitionLog::default(), Instant::now());
    log.append(&batch(&[0]), 0, None, now);
    log.append(&batch(&[0]), 0, None, now);
    log.raise_high_watermark(1);
    log.retain(None, Some(0), 0);
    log.advance_start(2);
    assert_eq!(log.start(), 1);
}

#[test]
fn time_finds_only_what_consumers_may_read() {
    let (mut log, now) = (PartitionLog::default(), Instant::now());
    log.append(&batch(&[10]), 0, None, now);
    log.append(&batch(&[20]), 0, None, now);
    log.raise_high_watermark(1);
    assert_eq!((log.find_time(5), log.find_time(15)), (Some((0, 10)), None));
}

proptest! {
    #[test]
    fn a_log_stays_consistent(steps in proptest::collection::vec((0..6_u8, 0..40_i64), 0..60)) {
        let (mut log, now) = (PartitionLog::default(), Instant::now());
        let mut epoch = 0;
        for (step, number) in steps {
            match step {
                0 | 1 => { log.append(&batch(&[number; 3]), epoch, None, now); }
                2 => { log.raise_high_watermark(number); }
                3 => log.advance_start(number),
                4 => { log.truncate(number.max(log.high_watermark())); epoch += 1; }
                _ => log.retain(None, Some(number as u64 * 20), 0),
            }
            prop_assert!(log.start <= log.high_watermark && log.high_watermark <= log.end);
            let mut next = log.batches.front().map_or(log.end, |batch| batch.base_offset);
            for batch in &log.batches {
                prop_assert_eq!(batch.base_offset, next);
                next = batch.last_offset + 1;
            }
            prop_assert_eq!(next, log.end);
            prop_assert_eq!(log.bytes, log.batches.iter().map(|batch| batch.bytes.len() as u64).sum::<u64>());
        }
    }
}
