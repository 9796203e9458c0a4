//! Two hubs on one store never see each other.

use std::time::Duration;

use durable_core::backend::{
    AbandonOutcome, CommitOutcome, InstanceQuery, OrchestrationStatus, PurgeOutcome, RenewOutcome,
};

use crate::check::{Check, Checked, Need};
use crate::driver::turns::bodies;
use crate::driver::{Hub, iid};

pub(super) fn list() -> Vec<Check> {
    let mut checks = area!("foreign_hubs";
        C1 a_hub_knows_its_name,
        C1 an_instance_is_not_readable_in_another_hub,
        C1 a_history_is_not_readable_in_another_hub,
        C1 one_id_may_live_in_two_hubs,
        C1 a_message_stays_in_its_hub,
        C1 a_turn_is_not_handed_out_in_another_hub,
        C1 an_activity_is_not_handed_out_in_another_hub,
        C1 a_tracking_record_is_not_handed_out_in_another_hub,
        C1 a_message_of_a_commit_stays_in_its_hub,
        C1 a_timer_fires_in_its_hub_only,
        C2 a_turn_token_of_another_hub_cannot_commit,
        C2 a_turn_token_of_another_hub_cannot_renew_or_abandon,
        C2 an_activity_token_of_another_hub_cannot_complete,
        C2 a_tracking_token_of_another_hub_cannot_acknowledge,
        C1 listings_show_their_hub_only,
        H5 a_purge_stays_in_its_hub,
        H2 a_watch_sees_its_hub_only needs InjectedClock,
        C12 closing_one_hub_leaves_the_other_open,
        C1 a_hub_opened_later_is_empty,
    );
    for (name, first, second) in CONFUSABLE {
        checks.push(Check::new(
            "foreign_hubs",
            format!("hubs_are_told_apart_{name}"),
            "C1",
            Need::Nothing,
            move |h| told_apart(h, first, second),
        ));
    }
    checks
}

/// Names of hubs that a careless key would mix up.
const CONFUSABLE: &[(&str, &str, &str)] = &[
    ("by_case", "hub", "Hub"),
    ("when_one_begins_with_the_other", "hub", "hub2"),
    ("when_one_ends_with_a_separator", "hub", "hub:"),
    ("with_slashes", "a/b", "a"),
    ("with_braces", "{hub}", "hub"),
    ("with_percent_codes", "a b", "a%20b"),
    ("by_normal_form", "caf\u{e9}", "cafe\u{301}"),
    ("by_blanks", "hub", "hub "),
    ("with_dots", "..", "."),
];

async fn told_apart(h: Hub, first: &str, second: &str) -> Checked {
    let (one, two) = (h.neighbour(first).await?, h.neighbour(second).await?);
    // Ids that make up for the difference of the hubs' names, if names are just joined.
    for name in ["a", "b:a", "/a", "2a", ":a", "b/a"] {
        let inst = one.created(name).await?;
        ensure!(
            two.record(&inst.id).await?.is_none(),
            "{name} of the hub {first} is in the hub {second}"
        );
    }
    two.no_turn("the other hub has work").await?;
    let mine = two.created("a").await?;
    ensure_eq!(two.turn_of(&mine).await?.execution, mine.execution, "the execution");
    Ok(())
}

async fn pair(h: Hub) -> Checked<(Hub, Hub)> {
    let other = h.neighbour("other").await?;
    Ok((h, other))
}

async fn a_hub_knows_its_name(h: Hub) -> Checked {
    let other = h.neighbour("other {hub}").await?;
    ensure_eq!(other.backend().hub().as_str(), "other {hub}", "the name");
    Ok(())
}

async fn an_instance_is_not_readable_in_another_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let inst = h.running("a").await?;
    ensure!(other.record(&inst.id).await?.is_none(), "the record is visible in another hub");
    Ok(())
}

async fn a_history_is_not_readable_in_another_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let inst = h.running("a").await?;
    ensure!(other.history_texts(&inst).await?.is_empty(), "the history is visible in another hub");
    ensure_eq!(other.executions(&inst.id).await?, [], "the executions in another hub");
    Ok(())
}

async fn one_id_may_live_in_two_hubs(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let here = h.running("a").await?;
    let there = other.completed("a").await?;
    ensure_eq!(h.record_of(&here).await?.execution, here.execution, "the execution here");
    ensure_eq!(other.record_of(&there).await?.execution, there.execution, "the execution there");
    ensure_eq!(h.record_of(&here).await?.status, OrchestrationStatus::Running, "the status here");
    Ok(())
}

async fn a_message_stays_in_its_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let here = h.running("a").await?;
    other.running("a").await?;
    h.tell(&here, "event").await?;
    other.no_turn("the message was sent in another hub").await?;
    ensure_eq!(bodies(&h.turn_of(&here).await?), ["event"], "the inbox here");
    Ok(())
}

async fn a_turn_is_not_handed_out_in_another_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let inst = h.created("a").await?;
    other.no_turn("the instance lives in another hub").await?;
    h.turn_of(&inst).await?;
    Ok(())
}

async fn an_activity_is_not_handed_out_in_another_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    h.scheduling("a", 1).await?;
    other.no_activity("the task lives in another hub").await?;
    h.activity().await?;
    Ok(())
}

async fn a_tracking_record_is_not_handed_out_in_another_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let inst = h.created("a").await?;
    h.step(&h.turn_of(&inst).await?).tracking("record").apply().await?;
    let found = other.tracking_now(10).await?;
    ensure!(found.is_empty(), "{found:?} was handed out in another hub");
    h.tracking().await?;
    Ok(())
}

async fn a_message_of_a_commit_stays_in_its_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    other.running("target").await?;
    let inst = h.created("a").await?;
    h.step(&h.turn_of(&inst).await?).message(h.message(&iid("target")?, "hello")).apply().await?;
    other.no_turn("the message was sent in another hub").await
}

async fn a_timer_fires_in_its_hub_only(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let here = h.running("a").await?;
    other.running("a").await?;
    h.step(&h.woken(&here, "set").await?).timer(1, h.later(), "timer").apply().await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&here).await?), ["timer"], "the inbox here");
    other.no_turn("the timer was set in another hub").await
}

async fn a_turn_token_of_another_hub_cannot_commit(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let (here, there) = (h.created("a").await?, other.created("a").await?);
    let (mine, theirs) = (h.turn_of(&here).await?, other.turn_of(&there).await?);
    let mut step = other.step(&theirs);
    step.commit.lease = mine.lease.clone();
    ensure_eq!(step.commit().await?, CommitOutcome::LeaseLost, "outcome");
    h.step(&mine).apply().await?;
    other.step(&theirs).apply().await
}

async fn a_turn_token_of_another_hub_cannot_renew_or_abandon(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let (here, _) = (h.created("a").await?, other.created("a").await?);
    let mine = h.turn_of(&here).await?;
    let long = h.timings().lease_long;
    ensure_eq!(other.renew(&mine.lease, long).await?, RenewOutcome::Lost, "renewal");
    ensure_eq!(
        other.abandon(&mine.lease, Duration::ZERO).await?,
        AbandonOutcome::Lost,
        "abandoning"
    );
    h.step(&mine).apply().await
}

async fn an_activity_token_of_another_hub_cannot_complete(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let (inst, task) = h.with_activity("a").await?;
    other.running("a").await?;
    ensure_eq!(other.complete(&task, "wrong hub").await?, CommitOutcome::LeaseLost, "outcome");
    other.no_turn("the task lives in another hub").await?;
    h.completes(&task, "done").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["done"], "the inbox here");
    Ok(())
}

async fn a_tracking_token_of_another_hub_cannot_acknowledge(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let inst = h.created("a").await?;
    h.step(&h.turn_of(&inst).await?).tracking("record").apply().await?;
    let work = h.tracking().await?;
    ensure_eq!(other.ack(&work).await?, AbandonOutcome::Lost, "answer");
    ensure_eq!(h.ack(&work).await?, AbandonOutcome::Done, "answer here");
    Ok(())
}

async fn listings_show_their_hub_only(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let (here, there) = (h.created("here").await?, other.created("there").await?);
    h.index(&[here.id]).await?;
    other.index(&[there.id]).await?;
    h.listed(InstanceQuery::default(), &["here"]).await?;
    other.listed(InstanceQuery::default(), &["there"]).await
}

async fn a_purge_stays_in_its_hub(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let here = h.completed("a").await?;
    ensure_eq!(other.purge(&here.id).await?, PurgeOutcome::NoInstance, "outcome in another hub");
    let there = other.completed("a").await?;
    other.purged(&there).await?;
    h.record_of(&here).await?;
    ensure_eq!(h.history_texts(&here).await?, ["turn"], "the history here");
    Ok(())
}

async fn a_watch_sees_its_hub_only(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let (backend, wait, id) = (other.shared_backend(), other.wait(), iid("a")?);
    let mut waiting = other.spawn(async move { backend.watch(&id, 0, wait).await });
    h.grace().await;
    h.created("a").await?;
    h.grace().await;
    ensure!(!waiting.ended(), "the watch saw another hub");
    let own = other.created("a").await?;
    let seen = waiting.join(&other).await??;
    ensure_eq!(seen.map(|r| r.execution), Some(own.execution), "what the watch saw");
    Ok(())
}

async fn closing_one_hub_leaves_the_other_open(h: Hub) -> Checked {
    let (h, other) = pair(h).await?;
    let inst = h.created("a").await?;
    other.created("a").await?;
    other.backend().close().await?;
    h.step(&h.turn_of(&inst).await?).apply().await?;
    h.record_of(&inst).await?;
    Ok(())
}

async fn a_hub_opened_later_is_empty(h: Hub) -> Checked {
    let inst = h.scheduling("a", 1).await?;
    h.tell(&inst, "event").await?;
    let other = h.neighbour("other").await?;
    ensure!(other.list(InstanceQuery::default()).await?.is_empty(), "the new hub lists something");
    other.no_turn("the new hub is empty").await?;
    other.no_activity("the new hub is empty").await
}
