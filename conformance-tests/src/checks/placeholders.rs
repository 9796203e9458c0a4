//! Events that arrive before their instance is started.

use durable_core::backend::{Envelope, OrchestrationStatus, PurgeOutcome, ReusePolicy};

use crate::check::{Check, Checked};
use crate::driver::turns::bodies;
use crate::driver::{Hub, Inst, iid};

pub(super) fn list() -> Vec<Check> {
    area!("placeholders";
        O6 an_early_event_makes_a_record_that_awaits_its_start,
        O6 a_second_early_event_waits_too,
        C4 a_repeated_early_event_waits_once,
        O3 a_placeholder_can_be_created_under_reject,
        O3 a_placeholder_can_be_created_under_return_existing,
        O3 a_placeholder_can_be_created_under_replace_terminal,
        O3 the_created_instance_has_the_record_of_its_creation,
        O3 the_start_message_comes_before_the_early_events,
        O3 early_events_keep_their_order,
        O3 creation_raises_the_revision,
        O3 creation_wakes_a_placeholder_that_was_held,
        O3 a_scheduled_creation_keeps_the_early_events,
        O3 a_delayed_early_event_survives_the_creation,
        O3 a_second_creation_finds_the_first,
        O3 a_child_may_be_created_over_a_placeholder,
        H5 a_placeholder_cannot_be_purged,
        O8 a_placeholder_survives_the_end_of_a_lease,
    )
}

async fn an_early_event_makes_a_record_that_awaits_its_start(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let record = h.record(&iid("a")?).await?;
    ensure_eq!(record.map(|r| r.status), Some(OrchestrationStatus::AwaitingStart), "the status");
    Ok(())
}

/// Creates the instance `a` over whatever is there and insists on success.
async fn start(h: &Hub, reuse: ReusePolicy) -> Checked<Inst> {
    let mut request = h.creation("a")?;
    request.reuse = reuse;
    h.must_create(request).await
}

async fn a_second_early_event_waits_too(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "1")?).await?;
    h.sent(h.placeholder("a", "2")?).await?;
    let inst = start(&h, ReusePolicy::Reject).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "1", "2"], "the inbox");
    Ok(())
}

async fn a_repeated_early_event_waits_once(h: Hub) -> Checked {
    let event = h.placeholder("a", "once")?;
    h.sent(event.clone()).await?;
    h.sent(event).await?;
    let inst = start(&h, ReusePolicy::Reject).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "once"], "the inbox");
    Ok(())
}

async fn a_delayed_early_event_survives_the_creation(h: Hub) -> Checked {
    let event = h.placeholder("a", "early, for later")?;
    h.sent(durable_core::backend::Envelope { visible_at: Some(h.later()), ..event }).await?;
    let inst = start(&h, ReusePolicy::Reject).await?;
    let work = h.turn_of(&inst).await?;
    h.step(&work).apply().await?;
    h.pass_delay().await;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["early, for later"], "the inbox");
    Ok(())
}

async fn creatable(h: &Hub, reuse: ReusePolicy) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let inst = start(h, reuse).await?;
    ensure_eq!(h.turn_of(&inst).await?.execution, inst.execution, "the execution handed out");
    Ok(())
}

async fn a_placeholder_can_be_created_under_reject(h: Hub) -> Checked {
    creatable(&h, ReusePolicy::Reject).await
}

async fn a_placeholder_can_be_created_under_return_existing(h: Hub) -> Checked {
    creatable(&h, ReusePolicy::ReturnExisting).await
}

async fn a_placeholder_can_be_created_under_replace_terminal(h: Hub) -> Checked {
    creatable(&h, ReusePolicy::ReplaceTerminal).await
}

async fn the_created_instance_has_the_record_of_its_creation(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let inst = start(&h, ReusePolicy::Reject).await?;
    let record = h.record_of(&inst).await?;
    ensure_eq!(
        (record.execution, record.status),
        (inst.execution, OrchestrationStatus::Pending),
        "execution and status"
    );
    Ok(())
}

async fn the_start_message_comes_before_the_early_events(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let inst = start(&h, ReusePolicy::Reject).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "early"], "the inbox");
    Ok(())
}

async fn early_events_keep_their_order(h: Hub) -> Checked {
    for body in ["1", "2", "3", "4"] {
        h.sent(h.placeholder("a", body)?).await?;
    }
    let inst = start(&h, ReusePolicy::Reject).await?;
    h.tell(&inst, "5").await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "1", "2", "3", "4", "5"], "the inbox");
    Ok(())
}

async fn creation_raises_the_revision(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let before = h.record(&iid("a")?).await?.map_or(0, |r| r.revision);
    let inst = start(&h, ReusePolicy::Reject).await?;
    let after = h.record_of(&inst).await?.revision;
    ensure!(after > before && before > 0, "revision {after} after {before}");
    Ok(())
}

async fn creation_wakes_a_placeholder_that_was_held(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    h.settle().await;
    // An adapter may or may not hand out what nobody has started; a worker then holds it.
    for work in h.turns_now(1).await? {
        h.step(&work).no_events().keep_messages().hold(None).apply().await?;
    }
    let inst = start(&h, ReusePolicy::Reject).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "early"], "the inbox");
    Ok(())
}

async fn a_scheduled_creation_keeps_the_early_events(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let mut request = h.creation("a")?;
    request.start.visible_at = Some(h.later());
    let inst = h.must_create(request).await?;
    h.pass_delay().await;
    let mut found = bodies(&h.turn_of(&inst).await?);
    found.sort();
    ensure_eq!(found, ["early", "start"], "the inbox");
    Ok(())
}

async fn a_second_creation_finds_the_first(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    let inst = start(&h, ReusePolicy::Reject).await?;
    let answer = h.create(h.creation("a")?).await?;
    match answer {
        durable_core::backend::CreateOutcome::Exists(record) => {
            ensure_eq!(record.execution, inst.execution, "the execution of the existing instance");
        }
        other @ durable_core::backend::CreateOutcome::Created => {
            return Err(crate::Failure::new(format!("answer {other:?}")));
        }
    }
    Ok(())
}

async fn a_child_may_be_created_over_a_placeholder(h: Hub) -> Checked {
    h.sent(h.placeholder("child", "early")?).await?;
    let parent = h.created("parent").await?;
    let start = Envelope { execution: None, ..h.creation("child")?.start };
    let execution = start.creates.as_ref().map(|r| r.execution);
    let work = h.turn_past_placeholders(&parent).await?;
    h.step(&work).message(start).apply().await?;
    let work = h.turn().await?;
    ensure_eq!(Some(work.execution), execution, "the execution handed out");
    ensure_eq!(bodies(&work), ["start", "early"], "the child's inbox");
    let record = h.record(&iid("child")?).await?;
    ensure_eq!(record.map(|r| r.status), Some(OrchestrationStatus::Pending), "the child's status");
    Ok(())
}

async fn a_placeholder_cannot_be_purged(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    ensure_eq!(h.purge(&iid("a")?).await?, PurgeOutcome::NotTerminal, "outcome");
    let inst = start(&h, ReusePolicy::Reject).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "early"], "the inbox");
    Ok(())
}

async fn a_placeholder_survives_the_end_of_a_lease(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    h.settle().await;
    let request = durable_core::backend::ReceiveTurns {
        lease_for: h.timings().lease_short,
        ..h.ask_turns(1, std::time::Duration::ZERO)
    };
    h.backend().receive_turns(request).await?;
    h.pass_lease().await;
    let inst = start(&h, ReusePolicy::Reject).await?;
    ensure_eq!(bodies(&h.turn_of(&inst).await?), ["start", "early"], "the inbox");
    Ok(())
}
