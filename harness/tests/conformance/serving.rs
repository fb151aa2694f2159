//! `squall serve` itself: the ready line, signals, exit codes.

use crate::raw::Raw;
use crate::server::free_port;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn serve(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.arg("serve").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a server and returns it with the port that it says.
fn ready(args: &[&str]) -> (Child, String, u16) {
    let mut child = serve(args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let port = line.split(':').next_back().and_then(|rest| rest.split([',', '/']).next()).unwrap();
    let port = port.parse().unwrap_or_else(|_| panic!("no port in {line:?}"));
    (child, line, port)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

/// The exit code, within reasonable time.
fn exit(mut child: Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the server goes on");
}

fn refused(args: &[&str], words: &[&str]) {
    let Output { status, stdout, stderr } = serve(args).output().unwrap();
    let complaint = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!((status.code(), stdout.len()), (Some(2), 0), "{args:?}: {complaint}");
    for word in words {
        assert!(complaint.contains(word), "{args:?}: expected {word:?} in {complaint}");
    }
}

const SERVERS: &[&str] = &[
    #[cfg(feature = "nats")]
    "nats",
    #[cfg(feature = "redis")]
    "redis",
    #[cfg(feature = "kafka")]
    "kafka",
    "postgres",
];

#[test]
fn a_free_port_is_taken_and_told_and_a_signal_ends_it_well() {
    for server in SERVERS {
        for end in ["INT", "TERM"] {
            let (child, line, port) = ready(&[server, "--listen", "127.0.0.1:0"]);
            assert!(line.starts_with(&format!("{server} on ")) && line.ends_with(", ctrl-c ends\n"), "{line:?}");
            assert!(port != 0 && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "{line:?}");
            signal(&child, end);
            assert_eq!(exit(child), Some(0), "{server} after SIG{end}");
        }
    }
}

#[test]
fn a_restarted_server_keeps_its_port_and_drops_its_connections() {
    for server in SERVERS {
        let (child, _, port) = ready(&[server, "--listen", "127.0.0.1:0"]);
        let mut connection = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // Accepted for sure when a signal that was sent later has been seen.
        std::thread::sleep(Duration::from_millis(100));
        signal(&child, "HUP");
        let mut rest = Vec::new();
        let end = connection.read_to_end(&mut rest);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(end.as_ref().is_ok() || end.as_ref().is_err_and(reset), "{server}: {end:?}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{server} does not come back");
        }
        signal(&child, "TERM");
        assert_eq!(exit(child), Some(0), "{server}");
    }
}

#[test]
fn addresses_that_cannot_or_should_not_be_served_are_refused() {
    refused(&["postgres", "--listen", "here"], &["here", "127.0.0.1:4222"]);
    refused(&["postgres", "--listen", "0.0.0.0:0"], &["0.0.0.0:0", "--allow-remote"]);
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    refused(&["postgres", "--listen", &format!("127.0.0.1:{port}")], &["cannot listen", "choose another address"]);
    refused(&["postgres", "--user", "mx"], &["--password"]);
    refused(&["carrier-pigeon"], &["carrier-pigeon"]);
}

#[cfg(feature = "nats")]
#[test]
fn two_served_servers_have_different_ids() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut greetings = Vec::new();
    for _ in 0..2 {
        let (child, _, port) = ready(&["nats", "--listen", "127.0.0.1:0"]);
        let greeting = runtime.block_on(async { Raw::connect(port).await.unwrap().line().await.unwrap() });
        signal(&child, "TERM");
        assert_eq!(exit(child), Some(0));
        let info: serde_json::Value = serde_json::from_str(greeting.strip_prefix("INFO ").unwrap()).unwrap();
        greetings.push(info["server_id"].clone());
    }
    assert_ne!(greetings[0], greetings[1]);
}
