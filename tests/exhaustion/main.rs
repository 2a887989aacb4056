//! What one person can send or hold, against a server of its own with little address space and few file descriptors: it
//! keeps answering its health check, its sign-in page and the uploads of everybody else. A target of its own, so that
//! nothing else runs meanwhile. `make test-limits` runs it against a release build, which the variable `STILLAGE_BIN`
//! names.

mod attacks;
mod client;
mod probe;
mod server;

use std::{thread, time::Duration};

use self::{attacks::ATTACKS, client::Client, probe::Probe, server::Server};

/// How long each attack goes on.
const ATTACK: Duration = Duration::from_secs(6);
/// An unoptimised build, on a machine that may be busy, gets more time than the promised second.
fn allowed() -> Duration {
    Duration::from_secs(if server::is_release() { 1 } else { 5 })
}

#[test]
fn server_answers_others_under_every_attack() {
    let server = Server::start();
    let attackers: Vec<Client> = (1..=4).map(|n| server.add_staff(&format!("attacker{n}"))).collect();
    let newcomer = server.add_staff("newcomer");
    let batch = newcomer.new_batch("B-1");
    server.spare_address_space(256);

    let mut failures = Vec::new();
    println!(
        "{:<22} {:>7} {:>9} {:>9} {:>8} {:>8} {:>6}  others' upload",
        "attack", "answers", "slowest", "idle MiB", "peak MiB", "end MiB", "files"
    );
    for (name, attack) in ATTACKS {
        let before = server.memory();
        let probe = Probe::start(&server);
        let held = attack(&attackers, ATTACK);
        let uploaded = newcomer.upload(&batch, "newcomer.png", attacks::PNG);
        let seen = probe.end();
        drop(held);
        thread::sleep(Duration::from_secs(1));
        println!(
            "{name:<22} {:>7} {:>7} ms {:>9} {:>8} {:>8} {:>6}  {uploaded}",
            seen.answers,
            seen.slowest.as_millis(),
            before,
            seen.peak_memory,
            server.memory(),
            seen.descriptors,
        );
        if seen.slowest > allowed() || uploaded != 201 || !seen.problems.is_empty() {
            failures.push(format!("{name}: {:?}, upload {uploaded}, {:?}", seen.slowest, seen.problems));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
