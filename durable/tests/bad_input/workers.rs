//! Setting up a worker.

use std::time::Duration;

use durable::activity::ActivityContext;
use durable::model::Failure;
use durable::registry::Registry;
use durable::replay::OrchestrationContext;
use durable::worker::{WorkerBuilder, WorkerOptions};

use crate::table::{Row, long, rows};
use crate::world::World;

async fn nothing(_: ActivityContext, (): ()) -> Result<(), Failure> {
    Ok(())
}

async fn waiting(_: OrchestrationContext, (): ()) -> Result<(), Failure> {
    Ok(())
}

fn versioned(versions: &[&str]) -> Registry {
    let mut registry = Registry::default();
    for version in versions {
        registry.orchestration_fn("o", version, waiting);
    }
    registry
}

fn with(world: &World, set: impl Fn(&mut WorkerOptions)) -> WorkerBuilder {
    let mut options = WorkerOptions::default();
    set(&mut options);
    world.builder().activity_fn("a", nothing).options(options)
}

#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn workers() -> Vec<Row> {
    rows! {
        "an activity with no name" => |w| w.builder().activity_fn("", nothing).start(), InvalidArgument, Never, "the worker cannot start: activity \"\": name must not be empty";
        "an orchestration with no name" => |w| w.builder().orchestration_fn("", waiting).start(), InvalidArgument, Never, "the worker cannot start: orchestration \"\": name must not be empty";
        "an activity with a name that is too long" => |w| w.builder().activity_fn(&long(257), nothing).start(), InvalidArgument, Never, "the worker cannot start: activity \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": name is 257 bytes long; the limit is 256 bytes";
        "an orchestration with a name that is too long" => |w| w.builder().orchestration_fn(&long(257), waiting).start(), InvalidArgument, Never, "the worker cannot start: orchestration \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": name is 257 bytes long; the limit is 256 bytes";
        "an activity with a name with a line feed" => |w| w.builder().activity_fn("a\nb", nothing).start(), InvalidArgument, Never, "the worker cannot start: activity \"a\\nb\": name holds the control character U+000A at byte 1; remove it";
        "an orchestration with a name with a line feed" => |w| w.builder().orchestration_fn("a\nb", waiting).start(), InvalidArgument, Never, "the worker cannot start: orchestration \"a\\nb\": name holds the control character U+000A at byte 1; remove it";
        "an activity with a name with a zero byte" => |w| w.builder().activity_fn("\0", nothing).start(), InvalidArgument, Never, "the worker cannot start: activity \"\\0\": name holds the control character U+0000 at byte 0; remove it";
        "an orchestration with a name with a zero byte" => |w| w.builder().orchestration_fn("\0", waiting).start(), InvalidArgument, Never, "the worker cannot start: orchestration \"\\0\": name holds the control character U+0000 at byte 0; remove it";
        "two activities of one name" => |w| w.builder().activity_fn("a", nothing).activity_fn("a", nothing).start(), InvalidArgument, Never, "the worker cannot start: activity `a` is registered twice";
        "two orchestrations of one name" => |w| w.builder().orchestration_fn("o", waiting).orchestration_fn("o", waiting).start(), InvalidArgument, Never, "the worker cannot start: orchestration `o` version `` is registered twice";
        "a version that is too long" => |w| w.builder().registry(versioned(&[&long(257)])).start(), InvalidArgument, Never, "the worker cannot start: orchestration `o`: version is 257 bytes long; the limit is 256 bytes";
        "a version with a control character" => |w| w.builder().registry(versioned(&["1\u{7f}"])).start(), InvalidArgument, Never, "the worker cannot start: orchestration `o`: version holds the control character U+007F at byte 1; remove it";
        "one version twice" => |w| w.builder().registry(versioned(&["1", "1"])).start(), InvalidArgument, Never, "the worker cannot start: orchestration `o` version `1` is registered twice";
        "two values of one type" => |w| w.builder().data(1_u64).data(2_u64).activity_fn("a", nothing).start(), InvalidArgument, Never, "the worker cannot start: data of type `u64` is given twice";
        "two mistakes" => |w| w.builder().activity_fn("", nothing).orchestration_fn("", waiting).start(), InvalidArgument, Never, "the worker cannot start: activity \"\": name must not be empty; orchestration \"\": name must not be empty";
        "nothing to serve" => |w| w.builder().start(), InvalidArgument, Never, "the worker has nothing to serve: register orchestrations or activities";
        "only a value" => |w| w.builder().data(1_u64).start(), InvalidArgument, Never, "the worker has nothing to serve: register orchestrations or activities";
        "no lease" => |w| with(&w, |o| o.lease = Duration::ZERO).start(), InvalidArgument, Never, "the worker cannot start: `lease` is 0ns; it must be 10ms to 86400s";
        "a lease that is too short" => |w| with(&w, |o| o.lease = Duration::from_millis(9)).start(), InvalidArgument, Never, "the worker cannot start: `lease` is 9ms; it must be 10ms to 86400s";
        "a lease that is too long" => |w| with(&w, |o| o.lease = Duration::from_secs(86_401)).start(), InvalidArgument, Never, "the worker cannot start: `lease` is 86401s; it must be 10ms to 86400s";
        "a lease for ever" => |w| with(&w, |o| o.lease = Duration::MAX).start(), InvalidArgument, Never, "the worker cannot start: `lease` is 18446744073709551615.999999999s; it must be 10ms to 86400s";
        "fetches that do not wait" => |w| with(&w, |o| o.idle_wait = Duration::ZERO).start(), InvalidArgument, Never, "the worker cannot start: `idle_wait` is 0ns; it must be 1ms at least";
        "fetches that hardly wait" => |w| with(&w, |o| o.idle_wait = Duration::from_micros(1)).start(), InvalidArgument, Never, "the worker cannot start: `idle_wait` is 1µs; it must be 1ms at least";
        "blocked instances that are tried all the time" => |w| with(&w, |o| o.blocked_retry = Duration::ZERO).start(), InvalidArgument, Never, "the worker cannot start: `blocked_retry` is 0ns; it must be 1ms at least";
        "fetches of nothing" => |w| with(&w, |o| o.turns_per_fetch = 0).start(), InvalidArgument, Never, "the worker cannot start: `turns_per_fetch` is 0; it must be 1 at least";
        "no commits" => |w| with(&w, |o| o.commits_in_flight = 0).start(), InvalidArgument, Never, "the worker cannot start: `commits_in_flight` is 0; it must be 1 at least";
        "no deliveries" => |w| with(&w, |o| o.deliveries_max = 0).start(), InvalidArgument, Never, "the worker cannot start: `deliveries_max` is 0; it must be 1 at least";
        "no queues" => |w| with(&w, |o| o.queues.clear()).start(), InvalidArgument, Never, "the worker cannot start: `queues` is empty; name one, or set `activities_max` to 0";
        "three settings at once" => |w| with(&w, |o| (o.lease, o.idle_wait, o.deliveries_max) = (Duration::ZERO, Duration::ZERO, 0)).start(), InvalidArgument, Never, "the worker cannot start: `lease` is 0ns; it must be 10ms to 86400s; `idle_wait` is 0ns; it must be 1ms at least; `deliveries_max` is 0; it must be 1 at least";
    }
}
