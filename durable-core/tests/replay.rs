//! What a turn decides, sticky and replayed.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::time::Duration;

use durable_core::model::{Failure, FailureKind, Message, RetryPolicy};
use durable_core::replay::{
    NamedActivity, NamedOrchestration, OrchestrationContext, TaskError, TurnEnd,
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use support::*;

type Act = NamedActivity<u32, u32, Failure>;

fn act(name: &str) -> Act {
    NamedActivity::new(name).unwrap()
}

fn child(name: &str) -> NamedOrchestration<u32, u32, Failure> {
    NamedOrchestration::new(name).unwrap()
}

const S: Duration = Duration::from_secs(1);

#[test]
fn a_chain_runs_one_step_per_completion() {
    let mut d = Driver::new(|ctx| async move {
        let a = ctx.call(act("a"), 1).await?;
        let b = ctx.call(act("b"), a).await?;
        Ok(a + b)
    });
    assert_eq!(called(&d.start()), ["1:a"]);
    assert_eq!(called(&d.turn(vec![done(1, 10)])), ["2:b"]);
    assert_eq!(output::<u32>(&d.turn(vec![done(2, 5)])), 15);
}

#[test]
fn calls_are_made_when_called_not_when_polled() {
    let mut d = Driver::new(|ctx| async move {
        let first = ctx.call(act("a"), 1);
        let second = ctx.call(act("b"), 2);
        // Polled in the other order.
        let b = second.await?;
        let a = first.await?;
        Ok((a, b))
    });
    assert_eq!(called(&d.start()), ["1:a", "2:b"]);
    d.turn(vec![done(1, 1)]);
    assert_eq!(output::<(u32, u32)>(&d.turn(vec![done(2, 2)])), (1, 2));
}

async fn race(ctx: &OrchestrationContext, swapped: bool) -> Result<&'static str, Failure> {
    let gate = ctx.call(act("gate"), 0);
    let mut a = ctx.call(act("a"), 0);
    let mut b = ctx.call(act("b"), 0);
    gate.await?;
    // Both may be ready by now; the order of branches must not matter.
    if swapped {
        tokio::select! { biased; _ = &mut b => Ok("b"), _ = &mut a => Ok("a") }
    } else {
        tokio::select! { biased; _ = &mut a => Ok("a"), _ = &mut b => Ok("b") }
    }
}

#[test]
fn select_sees_the_completion_that_came_first_whatever_it_polls_first() {
    for swapped in [false, true] {
        for (first, second, winner) in [(2, 3, "a"), (3, 2, "b")] {
            let mut d = Driver::new(move |ctx| async move { race(&ctx, swapped).await });
            d.start();
            // Two completions wait unobserved while the code still waits for the gate.
            d.turn(vec![done(first, 0), done(second, 0)]);
            let outcome = d.turn(vec![done(1, 0)]);
            assert_eq!(output::<String>(&outcome), winner, "swapped={swapped} first={first}");
        }
    }
}

#[test]
fn unbiased_select_replays_alike() {
    for _ in 0..50 {
        let mut d = Driver::new(|ctx| async move {
            let mut won = Vec::new();
            for _ in 0..5 {
                let mut a = ctx.call(act("a"), 0);
                let mut b = ctx.call(act("b"), 0);
                let winner = tokio::select! { _ = &mut a => "a", _ = &mut b => "b" };
                won.push(winner);
            }
            Ok(won)
        });
        d.start();
        let mut last = None;
        for round in 0..5 {
            // The loser's completion comes in the same turn and is discarded.
            last = Some(d.turn(vec![done(2 * round + 2, 0), done(2 * round + 1, 0)]));
        }
        assert_eq!(output::<Vec<String>>(&last.unwrap()), ["b"; 5]);
    }
}

#[test]
fn futures_unordered_yields_in_completion_order() {
    let mut d = Driver::new(|ctx| async move {
        let mut all: FuturesUnordered<_> = (0..10).map(|n| ctx.call(act("a"), n)).collect();
        let mut order = Vec::new();
        while let Some(value) = all.next().await {
            order.push(value?);
        }
        Ok(order)
    });
    d.start();
    let order = [7_u64, 2, 9, 0, 1, 5, 4, 3, 8, 6];
    let messages = order.iter().map(|n| done(n + 1, *n)).collect();
    assert_eq!(output::<Vec<u64>>(&d.turn(messages)), order);
}

#[test]
fn awaiting_handles_in_another_order_than_they_complete_is_fine() {
    let mut d = Driver::new(|ctx| async move {
        let calls: Vec<_> = (0..20).map(|n| ctx.call(act("a"), n)).collect();
        let mut sum = 0;
        for call in calls {
            sum += call.await?;
        }
        Ok(sum)
    });
    d.start();
    assert_eq!(output::<u32>(&d.turn((0..20).rev().map(|n| done(n + 1, 1)).collect())), 20);
}

#[test]
fn duplicate_late_and_unknown_completions_are_consumed_without_a_trace() {
    let mut d = Driver::new(|ctx| async move {
        let a = ctx.call(act("a"), 0).await?;
        let b = ctx.call(act("b"), 0).await?;
        Ok(a + b)
    });
    d.start();
    d.turn(vec![done(1, 1)]);
    let before = d.history.len();
    let outcome = d.turn(vec![done(1, 100), done(77, 100), fired(1)]);
    assert_eq!((outcome.events.len(), outcome.consumed.len()), (0, 3));
    assert_eq!(d.history.len(), before);
    assert_eq!(output::<u32>(&d.turn(vec![done(2, 2)])), 3);
}

#[test]
fn a_dropped_call_is_cancelled_and_a_detached_one_is_not() {
    let mut d = Driver::new(|ctx| async move {
        drop(ctx.call(act("dropped"), 0));
        ctx.call(act("detached"), 0).detach();
        let slow = ctx.sleep(100 * S);
        let quick = ctx.call(act("quick"), 0);
        tokio::select! { _ = slow => {}, _ = quick => {} }
        ctx.call(act("last"), 0).await?;
        Ok(())
    });
    assert_eq!(d.start().cancelled, [1]);
    assert_eq!(d.turn(vec![done(4, 0)]).cancelled, [3]);
    output::<()>(&d.turn(vec![fired(3), done(2, 0), done(5, 0)]));
}

#[test]
fn events_are_buffered_in_order_and_given_to_waiters_in_order() {
    let mut d = Driver::new(|ctx| async move {
        ctx.call(act("a"), 0).await?;
        let first = ctx.event::<u32>("e");
        let second = ctx.event::<u32>("e");
        let (second, first) = tokio::join!(second, first);
        let other = ctx.event::<u32>("other").await?;
        Ok((first?, second?, other))
    });
    d.start();
    d.turn(vec![raised("e", 1), raised("other", 9), raised("e", 2)]);
    assert_eq!(output::<(u32, u32, u32)>(&d.turn(vec![done(1, 0)])), (1, 2, 9));
}

#[test]
fn an_event_given_to_a_dropped_waiter_goes_to_the_next() {
    let mut d = Driver::new(|ctx| async move {
        let dropped = ctx.event::<u32>("e");
        ctx.call(act("a"), 0).await?;
        drop(dropped);
        ctx.event::<u32>("e").await
    });
    d.start();
    d.turn(vec![raised("e", 42)]);
    assert_eq!(output::<u32>(&d.turn(vec![done(1, 0)])), 42);
}

#[test]
fn a_repeated_event_is_read_once() {
    let mut d = Driver::new(|ctx| async move {
        let a = ctx.event::<u32>("e").await?;
        let b = ctx.event::<u32>("e").await?;
        Ok((a, b))
    });
    d.start();
    let id = durable_core::ids::MessageId::random(77);
    d.turn_with(vec![(id, raised("e", 1)), (id, raised("e", 1))]);
    d.turn_with(vec![(id, raised("e", 1))]);
    assert_eq!(output::<(u32, u32)>(&d.turn(vec![raised("e", 2)])), (1, 2));
}

#[test]
fn event_with_time_limit() {
    let code = |ctx: OrchestrationContext| async move {
        match ctx.event_within::<u32>("e", 5 * S).await {
            Ok(value) => Ok(value?),
            Err(_) => Ok(0),
        }
    };
    let mut d = Driver::new(code);
    d.start();
    assert_eq!(output::<u32>(&d.turn(vec![raised("e", 7), fired(1)])), 7);
    let mut d = Driver::new(code);
    d.start();
    assert_eq!(output::<u32>(&d.turn(vec![fired(1), raised("e", 7)])), 0);
}

#[test]
fn retries_wait_durably_and_stop_when_told() {
    let code = |ctx: OrchestrationContext| async move {
        let policy = RetryPolicy::new(3).first_interval(2 * S).backoff(2.0);
        let call =
            ctx.activity(act("a")).retry(policy).retry_if(|e| !e.to_string().contains("fatal"));
        match call.call(0).await {
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::from(error)),
        }
    };
    let mut d = Driver::new(code);
    assert_eq!(called(&d.start()), ["1:a"]);
    assert_eq!(called(&d.turn(vec![failed(1, "x")])), ["2:timer"]);
    assert_eq!(called(&d.turn(vec![fired(2)])), ["3:a"]);
    assert_eq!(called(&d.turn(vec![failed(3, "x")])), ["4:timer"]);
    assert_eq!(called(&d.turn(vec![fired(4)])), ["5:a"]);
    let end = d.turn(vec![failed(5, "last")]).end;
    assert!(matches!(end, TurnEnd::Failed { failure } if failure.message() == "last"));

    let mut d = Driver::new(code);
    d.start();
    assert!(matches!(d.turn(vec![failed(1, "fatal")]).end, TurnEnd::Failed { .. }));
}

#[test]
fn attempts_share_one_logical_call() {
    use durable_core::replay::action::Action;
    let mut d = Driver::new(|ctx| async move {
        Ok(ctx.activity(act("a")).retry(RetryPolicy::new(2)).call(0).await?)
    });
    d.start();
    d.turn(vec![failed(1, "x")]);
    let again = d.turn(vec![fired(2)]);
    assert!(
        matches!(&again.actions[0], Action::Activity { event, .. } if event.call == 1 && event.attempt == 2)
    );
}

#[test]
fn children_report_and_failures_are_typed() {
    let mut d = Driver::new(|ctx| async move {
        let ok = ctx.call_child(child("c"), 1).await?;
        match ctx.call_child(child("c"), 2).await {
            Err(TaskError::Engine(f)) if f.kind() == FailureKind::Terminated => Ok(ok),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    });
    assert_eq!(called(&d.start()), ["1:child c"]);
    assert_eq!(called(&d.turn(vec![child_done(1, 5)])), ["2:child c"]);
    let failure = Failure::of_kind(FailureKind::Terminated, "x");
    assert_eq!(output::<u32>(&d.turn(vec![child_failed(2, failure)])), 5);
}

#[test]
fn continue_as_new_carries_unread_events_and_seen_ids() {
    let mut d = Driver::new(|ctx| async move {
        ctx.event::<u32>("e").await?;
        ctx.continue_as_new::<_, ()>(&()).await;
        Ok(())
    });
    d.start();
    let outcome = d.turn(vec![raised("x", 1), raised("e", 2), raised("e", 3), raised("y", 4)]);
    let TurnEnd::ContinueAsNew { unread, seen, .. } = outcome.end else {
        panic!("{:?}", outcome.end)
    };
    // Those that came after the decision go to the next generation as well.
    assert_eq!(unread.iter().map(|e| e.name.to_string()).collect::<Vec<_>>(), ["x"]);
    assert_eq!((seen.len(), outcome.consumed.len()), (2, 2));
}

#[test]
fn a_panic_fails_the_orchestration_only() {
    let mut d = Driver::new(|ctx| async move {
        ctx.call(act("a"), 0).await?;
        if ctx.now().as_millis() > 0 {
            panic!("boom");
        }
        Ok(())
    });
    d.start();
    let end = d.turn(vec![done(1, 0)]).end;
    let TurnEnd::Failed { failure } = end else { panic!("{end:?}") };
    assert_eq!(
        (failure.kind(), failure.message()),
        (FailureKind::Panicked, "orchestration panicked: boom")
    );
}

#[test]
fn suspended_instances_take_control_messages_only() {
    let mut d = Driver::new(|ctx| async move { ctx.event::<u32>("e").await });
    d.start();
    let outcome = d.turn(vec![suspend(), raised("e", 1)]);
    assert_eq!(outcome.consumed.len(), 1);
    assert!(matches!(outcome.end, TurnEnd::Suspended { .. }));
    assert_eq!(d.turn(vec![raised("e", 1)]).consumed.len(), 0);
    assert_eq!(output::<u32>(&d.turn(vec![resume(), raised("e", 1)])), 1);
}

#[test]
fn an_event_of_a_suspension_is_not_overtaken_when_the_resumption_is_in_the_same_turn() {
    let mut d = Driver::new(|ctx| async move {
        let first = ctx.event::<u32>("e").await?;
        Ok(10 * first + ctx.event::<u32>("e").await?)
    });
    d.start();
    let outcome = d.turn(vec![suspend(), raised("e", 1), resume(), raised("e", 2)]);
    assert_eq!(outcome.consumed.len(), 2, "both events wait for the next turn");
    assert_eq!(output::<u32>(&d.turn(vec![raised("e", 1), raised("e", 2)])), 12);
}

#[test]
fn a_poke_is_consumed_even_while_suspended() {
    let mut d = Driver::new(|ctx| async move { ctx.event::<u32>("e").await });
    d.start();
    let outcome = d.turn(vec![suspend(), Message::Poke]);
    assert_eq!(outcome.consumed.len(), 2, "an unread control message would cause turn after turn");
    assert!(matches!(outcome.end, TurnEnd::Suspended { .. }));
}

#[test]
fn termination_reaches_open_children_and_beats_suspension() {
    let mut d = Driver::new(|ctx| async move {
        Ok(ctx.child(child("c")).id("kid".parse().unwrap()).call(0).await?)
    });
    d.start();
    d.turn(vec![suspend()]);
    let end = d.turn(vec![terminate()]).end;
    let TurnEnd::Terminated { children, .. } = end else { panic!("{end:?}") };
    assert_eq!(children.len(), 1);
}

#[test]
fn replay_gives_the_same_time_ids_and_numbers() {
    // The driver compares the inputs of calls between the sticky and the replayed run.
    let mut d = Driver::new(|ctx| async move {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let value: NamedActivity<(String, u64, u64), u32, Failure> =
                NamedActivity::new("a").unwrap();
            let input = (ctx.new_uuid(), ctx.random(), ctx.now().as_micros());
            assert!(seen.insert(input.0.clone()));
            ctx.call(value, input).await?;
        }
        Ok(())
    });
    d.start();
    for id in 1..=5 {
        d.turn(vec![done(id, 0)]);
    }
    assert!(d.execution.ended().is_some());
}

#[test]
fn a_foreign_await_is_reported_not_waited_for() {
    let mut d = Driver::new(|_ctx| async move {
        std::future::pending::<()>().await;
        Ok(())
    });
    let end = d.start().end;
    assert_eq!(blocked(&end).code, "DT0002");
}

#[test]
fn a_wake_up_from_outside_is_reported() {
    let wakers = std::sync::Arc::new(std::sync::Mutex::new(Vec::<std::task::Waker>::new()));
    let stash = wakers.clone();
    let mut d = Driver::new(move |ctx| {
        let stash = stash.clone();
        async move {
            let foreign = std::future::poll_fn(move |cx| {
                stash.lock().unwrap().push(cx.waker().clone());
                std::task::Poll::<()>::Pending
            });
            tokio::select! { () = foreign => Ok(1_u32), r = ctx.call(act("a"), 0) => Ok(r?) }
        }
    });
    d.start();
    wakers.lock().unwrap().last().unwrap().wake_by_ref();
    // Only the sticky execution was woken; a replay from nothing cannot know.
    let warm = d.execution.turn(vec![(durable_core::ids::MessageId::random(9), done(1, 0))], d.now);
    assert_eq!(blocked(&warm.end).code, "DT0002");
}

#[test]
fn changed_code_is_reported_with_what_was_expected_and_found() {
    let mut d = Driver::new(|ctx| async move {
        ctx.call(act("a"), 1).await?;
        Ok(ctx.call(act("b"), 2).await?)
    });
    d.start();
    d.turn(vec![done(1, 0)]);
    let same = registry(|ctx| async move {
        ctx.call(act("a"), 1).await?;
        Ok(ctx.call(act("b"), 2).await?)
    });
    d.replay_with(same).unwrap();

    let renamed = registry(|ctx| async move {
        ctx.call(act("a"), 1).await?;
        Ok(ctx.call(act("z"), 2).await?)
    });
    let end = d.replay_with(renamed).unwrap_err();
    let report = blocked(&end);
    assert_eq!(report.code, "DT0001");
    assert!(report.expected.as_ref().unwrap().contains("`b`"), "{report}");
    assert!(report.found.as_ref().unwrap().contains("`z`"), "{report}");
    assert_eq!(report.event, Some(6));

    let extra = registry(|ctx| async move {
        ctx.call(act("a"), 1).await?;
        let more = ctx.sleep(S);
        ctx.call(act("b"), 2).await?;
        more.await;
        Ok(())
    });
    assert_eq!(blocked(&d.replay_with(extra).unwrap_err()).code, "DT0001");
    let fewer = registry(|ctx| async move { Ok(ctx.call(act("a"), 1).await?) });
    assert_eq!(blocked(&d.replay_with(fewer).unwrap_err()).code, "DT0001");
    let other_input = registry(|ctx| async move {
        ctx.call(act("a"), 99).await?;
        Ok(ctx.call(act("b"), 2).await?)
    });
    assert_eq!(blocked(&d.replay_with(other_input).unwrap_err()).code, "DT0001");
}

#[test]
fn version_of_lets_old_instances_go_on_with_old_code() {
    let old = |ctx: OrchestrationContext| async move {
        ctx.call(act("a"), 1).await?;
        Ok(ctx.call(act("b"), 2).await?)
    };
    let new = |ctx: OrchestrationContext| async move {
        if ctx.version_of("faster", 1) == 0 {
            ctx.call(act("a"), 1).await?;
        }
        Ok(ctx.call(act("b"), 2).await?)
    };
    let mut d = Driver::new(old);
    d.start();
    d.replay_with(registry(new)).unwrap();
    let mut fresh = Driver::new(new);
    assert_eq!(called(&fresh.start()), ["1:mark faster 1", "2:b"]);
    assert_eq!(output::<u32>(&fresh.turn(vec![done(2, 3)])), 3);
}

#[test]
fn a_saga_undoes_newest_first_and_goes_on_after_failures() {
    let mut d = Driver::new(|ctx| async move {
        let mut saga = ctx.saga();
        saga.compensate(act("undo-1"), 1);
        ctx.call(act("do-1"), 1).await?;
        saga.compensate(act("undo-2"), 2);
        if ctx.call(act("do-2"), 2).await.is_err() {
            let failures = saga.roll_back().await.err().unwrap_or_default();
            return Ok(failures.len());
        }
        saga.commit();
        Ok(0)
    });
    d.start();
    d.turn(vec![done(1, 0)]);
    assert_eq!(called(&d.turn(vec![failed(2, "no")])), ["3:undo-2"]);
    assert_eq!(called(&d.turn(vec![failed(3, "no")])), ["4:undo-1"]);
    assert_eq!(output::<usize>(&d.turn(vec![done(4, 0)])), 1);
}

#[test]
fn a_history_that_begins_in_the_middle_is_set_aside() {
    let mut d = Driver::new(|ctx| async move { Ok(ctx.call(act("a"), 1).await?) });
    d.start();
    d.history.remove(0);
    let end =
        d.replay_with(registry(|ctx| async move { Ok(ctx.call(act("a"), 1).await?) })).unwrap_err();
    assert_eq!(blocked(&end).code, "DT0012");
}
