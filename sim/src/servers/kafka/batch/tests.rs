use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::servers::kafka::samples::batch;

fn stamp(append_time_ms: Option<i64>) -> Stamp {
    Stamp { base_offset: 7, epoch: 3, append_time_ms }
}

#[test]
fn a_stamp_leaves_the_checksum_valid() {
    for append_time in [None, Some(500)] {
        let stamped = Batch::stamped(&batch(&[10, 20]), stamp(append_time), Instant::now());
        let read = Batch::replicated(stamped.bytes.clone(), stamped.appended_at).unwrap();
        assert_eq!(read, [stamped]);
        assert_eq!((read[0].base_offset, read[0].last_offset, read[0].epoch), (7, 8, 3));
        assert_eq!(read[0].max_timestamp, append_time.unwrap_or(20));
    }
}

#[test]
fn a_record_is_found_by_its_own_time_or_the_leaders() {
    let own = Batch::stamped(&batch(&[10, 30, 20]), stamp(None), Instant::now());
    for (timestamp, found) in [(5, Some((7, 10))), (11, Some((8, 30))), (30, Some((8, 30))), (31, None)] {
        assert_eq!(own.find_time(timestamp), found, "at {timestamp}");
    }
    let leaders = Batch::stamped(&batch(&[10, 30, 20]), stamp(Some(40)), Instant::now());
    assert_eq!((leaders.find_time(31), leaders.find_time(41)), (Some((7, 40)), None));
}

#[test]
fn any_flipped_bit_after_the_checksum_is_noticed() {
    let good = batch(&[1, 2, 3]);
    assert_eq!(check_produced(good.clone()), Ok(good.clone()));
    for at in CRC..good.len() {
        let mut bad = BytesMut::from(&good[..]);
        bad[at] ^= 4;
        assert_eq!(check_produced(bad.freeze()), Err(BatchError::Corrupt), "at byte {at}");
    }
}

#[test]
fn a_produce_holds_exactly_one_batch_of_this_format() {
    let good = batch(&[1]);
    let twice: Bytes = [&good[..], &good[..]].concat().into();
    assert_eq!(check_produced(twice), Err(BatchError::Invalid));
    assert_eq!(check_produced(Bytes::new()), Err(BatchError::Corrupt));
    let mut old = BytesMut::from(&good[..]);
    old[MAGIC] = 1;
    assert_eq!(check_produced(old.freeze()), Err(BatchError::OldFormat));
}

#[test]
fn a_count_that_is_not_that_of_the_records_is_refused() {
    let mut wrong = BytesMut::from(&batch(&[1, 2])[..]);
    set(&mut wrong, COUNT, 3_i32.to_be_bytes());
    set(&mut wrong, LAST_OFFSET_DELTA, 2_i32.to_be_bytes());
    let crc = crc32c::crc32c(&wrong[ATTRIBUTES..]);
    set(&mut wrong, CRC, crc.to_be_bytes());
    assert_eq!(check_produced(wrong.freeze()), Err(BatchError::Invalid));
}

proptest! {
    #[test]
    fn garbage_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        prop_assert!(check_produced(bytes.clone()).is_err());
        prop_assert_eq!(Batch::replicated(bytes.clone(), Instant::now()).is_ok(), bytes.is_empty());
    }

    #[test]
    fn garbage_within_a_valid_frame_does_no_harm(tail in proptest::collection::vec(any::<u8>(), 40..120)) {
        let mut bytes = BytesMut::from(&batch(&[1])[..ATTRIBUTES]);
        bytes.extend_from_slice(&tail);
        let length = (bytes.len() - LEADER_EPOCH) as i32;
        set(&mut bytes, LENGTH, length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[ATTRIBUTES..]);
        set(&mut bytes, CRC, crc.to_be_bytes());
        if let Ok(checked) = check_produced(bytes.freeze()) {
            Batch::stamped(&checked, stamp(None), Instant::now()).find_time(0);
        }
    }
}
