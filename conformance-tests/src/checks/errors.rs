//! What goes wrong is said with the right kind, per item.

use std::time::Duration;

use durable_core::backend::{
    ActivityWork, Applied, BackendError, BackendErrorKind, BackendResult, HistoryRead,
    InstanceQuery, PageCursor, RenewActivity, TrackingWork, TurnWork,
};
use durable_core::env::BoxFuture;

use crate::check::{Check, Checked, Need};
use crate::driver::{Hub, Inst};

pub(super) fn list() -> Vec<Check> {
    let mut checks = area!("errors";
        C12 closing_twice_does_no_harm,
        C8 closing_ends_a_waiting_receive_of_turns,
        C8 closing_ends_a_waiting_receive_of_activities,
        C8 closing_ends_a_waiting_receive_of_tracking,
        C8 closing_ends_a_waiting_watch,
        C9 a_closed_hub_answers_every_item_of_a_batch,
        H4 a_cursor_from_nowhere_is_invalid_or_ignored,
        C1 capabilities_are_those_of_the_fixture,
        C1 capabilities_do_not_change,
        C1 the_debug_form_shows_no_payload,
    );
    for (verb, call) in VERBS {
        checks.push(Check::new(
            "errors",
            format!("{verb}_on_a_closed_hub_is_closed"),
            "C12",
            Need::Nothing,
            move |h| closed(h, verb, *call),
        ));
    }
    checks
}

/// What the verbs are called with.
struct Props {
    hub: Hub,
    inst: Inst,
    work: TurnWork,
    task: ActivityWork,
    tracking: TrackingWork,
}

type Call = for<'a> fn(&'a Props) -> BoxFuture<'a, Vec<Option<BackendError>>>;

fn errors<T>(answers: Vec<BackendResult<T>>) -> Vec<Option<BackendError>> {
    answers.into_iter().map(Result::err).collect()
}

/// Every verb of the contract, called with valid arguments.
const VERBS: &[(&str, Call)] = &[
    ("create_instances", |p| {
        Box::pin(async {
            match p.hub.creation("new") {
                Ok(request) => errors(p.hub.backend().create_instances(vec![request]).await),
                Err(_) => Vec::new(),
            }
        })
    }),
    ("send", |p| {
        Box::pin(async { errors(p.hub.backend().send(vec![p.hub.message(&p.inst.id, "m")]).await) })
    }),
    ("receive_turns", |p| {
        Box::pin(async {
            errors(vec![p.hub.backend().receive_turns(p.hub.ask_turns(1, Duration::ZERO)).await])
        })
    }),
    ("renew_turns", |p| {
        Box::pin(async {
            errors(p.hub.backend().renew_turns(vec![p.work.lease.clone()], Duration::ZERO).await)
        })
    }),
    ("abandon_turns", |p| {
        Box::pin(async {
            errors(p.hub.backend().abandon_turns(vec![p.work.lease.clone()], Duration::ZERO).await)
        })
    }),
    ("commit_turns", |p| {
        Box::pin(async {
            errors(p.hub.backend().commit_turns(vec![p.hub.step(&p.work).commit]).await)
        })
    }),
    ("receive_activities", |p| {
        Box::pin(async {
            errors(vec![
                p.hub.backend().receive_activities(p.hub.ask_activities(1, Duration::ZERO)).await,
            ])
        })
    }),
    ("renew_activities", |p| {
        let renewal = RenewActivity {
            lease: p.task.lease.clone(),
            lease_for: Duration::ZERO,
            progress: None,
        };
        Box::pin(async { errors(p.hub.backend().renew_activities(vec![renewal]).await) })
    }),
    ("abandon_activities", |p| {
        Box::pin(async {
            errors(
                p.hub
                    .backend()
                    .abandon_activities(vec![p.task.lease.clone()], Duration::ZERO)
                    .await,
            )
        })
    }),
    ("commit_activities", |p| {
        Box::pin(async {
            errors(
                p.hub.backend().commit_activities(vec![p.hub.activity_commit(&p.task, "d")]).await,
            )
        })
    }),
    ("receive_tracking", |p| {
        Box::pin(async {
            errors(vec![
                p.hub.backend().receive_tracking(p.hub.ask_tracking(1, Duration::ZERO)).await,
            ])
        })
    }),
    ("ack_tracking", |p| {
        Box::pin(async {
            errors(p.hub.backend().ack_tracking(vec![p.tracking.lease.clone()]).await)
        })
    }),
    ("read_records", |p| {
        Box::pin(async { errors(p.hub.backend().read_records(vec![p.inst.id.clone()]).await) })
    }),
    ("read_history", |p| {
        let read = HistoryRead {
            instance: p.inst.id.clone(),
            execution: p.inst.execution,
            from: 0,
            bytes_max: 1,
        };
        Box::pin(async { errors(vec![p.hub.backend().read_history(read).await]) })
    }),
    ("executions", |p| {
        Box::pin(async { errors(vec![p.hub.backend().executions(&p.inst.id).await]) })
    }),
    ("watch", |p| {
        Box::pin(async { errors(vec![p.hub.backend().watch(&p.inst.id, 0, Duration::ZERO).await]) })
    }),
    ("watch_end", |p| {
        Box::pin(async {
            errors(vec![p.hub.backend().watch_end(&p.inst.id, Duration::ZERO).await])
        })
    }),
    ("list", |p| {
        Box::pin(async { errors(vec![p.hub.backend().list(InstanceQuery::default()).await]) })
    }),
    ("purge", |p| Box::pin(async { errors(p.hub.backend().purge(vec![p.inst.id.clone()]).await) })),
];

async fn props(h: Hub) -> Checked<Props> {
    let (inst, task) = h.with_activity("a").await?;
    h.step(&h.woken(&inst, "track").await?).tracking("record").apply().await?;
    let tracking = h.tracking().await?;
    let work = h.woken(&inst, "go").await?;
    Ok(Props { hub: h, inst, work, task, tracking })
}

async fn closed(h: Hub, verb: &'static str, call: Call) -> Checked {
    let props = props(h).await?;
    props.hub.soon("closing", props.hub.backend().close()).await??;
    let answers = props.hub.soon(verb, call(&props)).await?;
    ensure_eq!(answers.len(), 1, "answers of {verb}");
    for answer in answers {
        let Some(error) = answer else {
            return Err(crate::Failure::new(format!("{verb} succeeded")));
        };
        ensure_eq!(error.kind(), BackendErrorKind::Closed, "kind of error of {verb}");
        ensure_eq!(error.applied(), Applied::NotApplied, "whether {verb} took effect");
    }
    Ok(())
}

async fn closing_twice_does_no_harm(h: Hub) -> Checked {
    h.created("a").await?;
    h.soon("closing", h.backend().close()).await??;
    match h.soon("closing again", h.backend().close()).await? {
        Ok(()) => Ok(()),
        Err(error) => {
            ensure_eq!(error.kind(), BackendErrorKind::Closed, "kind of error");
            Ok(())
        }
    }
}

/// Closes the hub while a call waits; the call must end, with `Closed` or with nothing.
async fn ends_by_closing<T: Send + 'static>(
    h: &Hub,
    call: impl Future<Output = BackendResult<T>> + Send + 'static,
    is_empty: fn(&T) -> bool,
) -> Checked {
    let waiting = h.spawn(call);
    h.grace().await;
    h.soon("closing", h.backend().close()).await??;
    match waiting.join(h).await? {
        Ok(answer) => ensure!(is_empty(&answer), "something was handed out while closing"),
        Err(error) => ensure_eq!(error.kind(), BackendErrorKind::Closed, "kind of error"),
    }
    Ok(())
}

async fn closing_ends_a_waiting_receive_of_turns(h: Hub) -> Checked {
    let (backend, request) = (h.shared_backend(), h.ask_turns(1, h.wait()));
    ends_by_closing(&h, async move { backend.receive_turns(request).await }, Vec::is_empty).await
}

async fn closing_ends_a_waiting_receive_of_activities(h: Hub) -> Checked {
    let (backend, request) = (h.shared_backend(), h.ask_activities(1, h.wait()));
    ends_by_closing(&h, async move { backend.receive_activities(request).await }, Vec::is_empty)
        .await
}

async fn closing_ends_a_waiting_receive_of_tracking(h: Hub) -> Checked {
    let (backend, request) = (h.shared_backend(), h.ask_tracking(1, h.wait()));
    ends_by_closing(&h, async move { backend.receive_tracking(request).await }, Vec::is_empty).await
}

async fn closing_ends_a_waiting_watch(h: Hub) -> Checked {
    let (backend, wait) = (h.shared_backend(), h.wait());
    let id = crate::driver::iid("nobody")?;
    ends_by_closing(&h, async move { backend.watch(&id, 0, wait).await }, Option::is_none).await
}

async fn a_closed_hub_answers_every_item_of_a_batch(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.backend().close().await?;
    let batch = (0..3).map(|_| h.message(&inst.id, "m")).collect();
    let answers = h.backend().send(batch).await;
    ensure_eq!(answers.len(), 3, "answers");
    ensure!(answers.iter().all(Result::is_err), "a closed hub accepted a message");
    Ok(())
}

async fn a_cursor_from_nowhere_is_invalid_or_ignored(h: Hub) -> Checked {
    h.running("a").await?;
    for text in ["", "0", "zzzz", "\u{0}", "-1", "{}", "\u{1f980}", "99999999999999999999999999"] {
        let cursor = Some(PageCursor(text.to_owned()));
        let answer = h.backend().list(InstanceQuery { cursor, ..InstanceQuery::default() }).await;
        if let Err(error) = answer {
            ensure_eq!(
                error.kind(),
                BackendErrorKind::Invalid,
                "kind of error for the cursor {text:?}"
            );
        }
    }
    Ok(())
}

async fn capabilities_are_those_of_the_fixture(h: Hub) -> Checked {
    ensure_eq!(h.backend().capabilities(), h.capabilities(), "the capabilities");
    Ok(())
}

async fn capabilities_do_not_change(h: Hub) -> Checked {
    let before = h.backend().capabilities().clone();
    h.running("a").await?;
    ensure_eq!(h.backend().capabilities(), &before, "the capabilities");
    Ok(())
}

async fn the_debug_form_shows_no_payload(h: Hub) -> Checked {
    let inst = h.running("a").await?;
    h.tell(&inst, "s3cret-payload").await?;
    let shown = format!("{:?}", h.backend());
    ensure!(!shown.contains("s3cret-payload"), "the debug form shows a payload: {shown}");
    Ok(())
}
