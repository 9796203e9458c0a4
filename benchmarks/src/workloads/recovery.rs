//! `recovery`: a child process starts instances without a worker and is killed; how soon are
//! the first and all of them done after the hub is opened again?

use std::time::{Duration, Instant};

use durable::prelude::*;
use futures_util::stream::{self, StreamExt};

use super::Result;
use crate::args::Case;
use crate::measure::Usage;
use crate::redis_server::RedisServer;
use crate::report::Row;
use crate::setup::Hub;

const CHILD: &str = "BENCH_RECOVERY_CHILD";

pub(super) async fn run(case: &Case) -> Result<Row> {
    if std::env::var_os(CHILD).is_some() {
        fill(case).await?;
    }
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in(".")?;
    // The server, too, outlives the process that is killed.
    let server = match case.backend.strip_prefix("redis:") {
        Some(fsync @ ("everysec" | "always")) => Some(RedisServer::start(folder.path(), fsync)?),
        _ => None,
    };
    let url = match (case.backend.as_str(), &server) {
        (_, Some(server)) => server.url(),
        ("sled:", None) => format!("sled:{}", folder.path().join("hub").display()),
        (other, None) => other.to_owned(),
    };
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .args(["recovery", "--backend", &url, "--count", &case.count.to_string()])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or("no output of the child")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
    child.kill()?;
    child.wait()?;

    let before = Usage::now();
    let begun = Instant::now();
    let hub = Hub::open(&url).await?;
    let opened = begun.elapsed();
    let worker = hub.worker().await?;
    let wanted = durable::backend::InstanceQuery {
        statuses: vec![OrchestrationStatus::Completed],
        page_items: 1,
        ..Default::default()
    };
    while hub.client.list(wanted.clone()).await?.items.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let first = begun.elapsed();
    for n in 0..case.count {
        hub.client.instance(format!("r{n}"))?.result().await?;
    }
    let wall = begun.elapsed();
    worker.shutdown().await;
    Ok(Row {
        case: case.clone(),
        wall,
        p50: Duration::ZERO,
        p99: Duration::ZERO,
        before,
        after: Usage::now(),
        extra: vec![
            ("open s", opened.as_secs_f64()),
            ("first s", first.as_secs_f64()),
            ("all s", wall.as_secs_f64()),
        ],
    })
}

/// Starts instances, says so, and waits to be killed.
async fn fill(case: &Case) -> Result<()> {
    let hub = Hub::open(&case.backend).await?;
    let hello = durable::replay::NamedOrchestration::<u64, u64, Failure>::new("hello5")?;
    stream::iter(0..case.count)
        .for_each_concurrent(1_000, |n| {
            let (client, hello) = (hub.client.clone(), hello.clone());
            async move {
                let started = client.start(hello, n as u64).id(format!("r{n}")).send().await;
                assert!(started.is_ok(), "{started:?}");
            }
        })
        .await;
    println!("ready");
    std::future::pending().await
}
