//! A process under load dies again and again: killed at a random moment, or at a named place in
//! the middle of its writing.

use std::collections::BTreeMap;
use std::path::Path;

use durable_core::client::Client;
use durable_core::env::{TokioEnv, timeout};
use durable_core::error::ErrorKind;
use durable_core::model::Failure;

use crate::acknowledged::{Acknowledged, spawn_child};
use crate::random::Random;
use crate::verdict::{Verdict, examine};
use crate::{LONG, STEPS, open, variable, worker};

/// Kills after which a new store is begun, so that looking at all of it stays short.
const KILLS_PER_STORE: u64 = 100;

#[cfg(feature = "crash-points")]
const POINTS: &[&str] = &backend_sled::CRASH_POINTS;
#[cfg(not(feature = "crash-points"))]
const POINTS: &[&str] = &[];

/// How processes have died, and what they had done before.
#[derive(Debug, Default)]
struct Tally {
    /// Deaths at each named place.
    at: BTreeMap<&'static str, u64>,
    kills: u64,
    instances: usize,
}

impl Tally {
    fn deaths_at_places(&self) -> u64 {
        self.at.values().sum()
    }
}

/// Proves G1, G3, G5, G7, G16, L2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_nothing_acknowledged_is_lost() {
    let mut random = Random::seeded();
    let kills = variable("KILLS", 36);
    let mut tally = Tally::default();
    while tally.kills < kills {
        one_store(&mut random, (kills - tally.kills).min(KILLS_PER_STORE), &mut tally).await;
        println!(
            "{} of {kills} kills, {} of them at named places, {} instances",
            tally.kills,
            tally.deaths_at_places(),
            tally.instances
        );
    }
    assert!(tally.instances > 20, "the children did next to nothing");
    for (place, deaths) in &tally.at {
        println!("{deaths:>7}  {place}");
    }
    let missed: Vec<_> = POINTS.iter().filter(|place| !tally.at.contains_key(*place)).collect();
    assert!(missed.is_empty() || kills < 500, "nobody has died where {missed:?}");
    println!(
        "summary sled-kills: sled: {} deaths of a process under load, {} of them at {} named \
         places between two writes, the others by `kill -9` at random; checkpoints never, often \
         and always; {} instances | nothing acknowledged was lost, every instance ended once with \
         its result",
        tally.kills,
        tally.deaths_at_places(),
        tally.at.len(),
        tally.instances
    );
}

/// Kills children over one store, then lets everything come to its end.
async fn one_store(random: &mut Random, kills: u64, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..kills {
        // Checkpoints rarely, often, always; dying while opening, soon, or later.
        let checkpoint = [u64::MAX, 20_000, 1][random.below(3) as usize];
        let place = (!POINTS.is_empty() && random.below(2) == 0)
            .then(|| POINTS[random.below(POINTS.len() as u64) as usize]);
        let late = [1, 20, 200][random.below(3) as usize];
        let nth = 1 + random.below(late);
        let prefix = place.map(|place| format!("CRASH_POINT='{nth}:{place}'")).unwrap_or_default();
        let child = spawn_child(folder.path(), acknowledged.next(), checkpoint, &prefix);
        let lines = [0, 10, 200][random.below(3) as usize] + random.below(60);
        // A place that is not reached before that is no reason to wait.
        let lines = if place.is_some() { lines + 200 } else { lines };
        let by_itself = acknowledged.listen_then_kill(child, lines);
        if let Some(place) = place.filter(|_| by_itself) {
            *tally.at.entry(place).or_default() += 1;
        }
        assert_eq!(acknowledged.errors, Vec::<String>::new(), "round {round}, {prefix}");
        if round % 16 == 15 || round + 1 == kills {
            assert_eq!(examine(folder.path(), &acknowledged).await, Verdict::Whole, "{prefix}");
        }
    }
    tally.kills += kills;
    tally.instances += acknowledged.instances.len();
    let env = TokioEnv::shared();
    let ended = timeout(&*env, LONG * 2, end(folder.path(), &acknowledged)).await;
    ended.expect("instances do not come to their end");
}

/// Everything ends with the right result.
async fn end(folder: &Path, acknowledged: &Acknowledged) {
    let backend = open(folder, 20_000).unwrap();
    let running = worker(backend.clone()).await;
    let client = Client::new(backend.clone());
    for (number, known) in &acknowledged.instances {
        let handle = client.instance(format!("i{number}")).unwrap().typed::<u32, Failure>();
        if *known == 1 {
            // Whether the event went through is not known; a second one does no harm.
            let sent = handle.raise_event("extra", &1_u32).send().await;
            assert!(sent.is_ok() || sent.unwrap_err().kind() == ErrorKind::Ended);
        }
        let value = handle.result_within(LONG).await.unwrap();
        assert_eq!(u64::from(value), number + u64::from(STEPS) + 1);
    }
    running.shutdown().await;
    backend.close().await.unwrap();
}
