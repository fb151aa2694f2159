//! Every way to the system's randomness gives the seeded stream, and the system's own without a seed.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

use squall_interpose::{clock, entropy};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Read;

fn device() -> [u8; 16] {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

fn libc_call() -> [u8; 16] {
    let mut bytes = [0_u8; 16];
    // SAFETY: a live buffer of that length.
    #[expect(unsafe_code, reason = "the symbol under test")]
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    assert_eq!(got, 16);
    bytes
}

/// On a thread of its own, since hash keys are drawn once per thread.
fn fresh<T: Send + 'static>(seed: Option<u64>, draw: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        if let Some(seed) = seed {
            entropy::seed(seed);
        }
        draw()
    })
    .join()
    .unwrap()
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let all = || (libc_call(), device(), RandomState::new().hash_one(1));
    assert_eq!(fresh(Some(7), all), fresh(Some(7), all));
    assert_ne!(fresh(Some(7), all), fresh(Some(8), all));
}

#[test]
fn without_a_seed_the_system_answers() {
    assert_ne!(fresh(None, libc_call), fresh(None, libc_call));
    assert_ne!(fresh(None, device), fresh(None, device));
}

#[test]
fn the_clock_stands_at_its_epoch_and_moves_as_told() {
    let (first, second, later) = fresh(None, || {
        clock::start(1_750_000_000_000);
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let monotonic = std::time::Instant::now();
        let (first, second) = (now(), now());
        clock::advance_to(5_000_000_100);
        let later = (now(), monotonic.elapsed());
        clock::stop();
        (first, second, later)
    });
    assert_eq!(first.as_millis(), 1_750_000_000_000);
    assert!(second > first, "code that waits for time to pass must see it pass");
    assert_eq!((later.0 - first).as_secs(), 5);
    assert!((4_999..=5_000).contains(&later.1.as_millis()), "{later:?}");
}

#[test]
fn a_real_socket_and_a_thread_are_refused_while_the_guard_is_armed() {
    let refused = fresh(None, || {
        squall_interpose::guard::arm();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").is_err();
        let thread = std::thread::Builder::new().spawn(|| ()).is_err();
        let exempt = squall_interpose::guard::exempt(|| std::net::TcpListener::bind("127.0.0.1:0").is_ok());
        squall_interpose::guard::disarm();
        (socket, thread, exempt, squall_interpose::guard::take_refusals().len())
    });
    assert_eq!(refused, (true, true, true, 2));
}
