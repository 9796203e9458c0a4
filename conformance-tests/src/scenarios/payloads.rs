//! Values of all sizes and shapes, on all ways.

use durable_core::client::InstanceHandle;
use durable_core::error::ErrorKind;
use durable_core::limits;
use durable_core::model::{Failure, FailureKind};
use durable_core::replay::OrchestrationContext;

use super::stage::{Stage, act, orch};
use super::{Scenario, scenarios};
use crate::check::Checked;

pub(super) fn list() -> Vec<Scenario> {
    scenarios![
        s66_small_values_pass_on_all_ways,
        s66_large_values_pass_on_all_ways,
        s66_odd_texts_pass_on_all_ways,
        s66_an_input_over_the_limit_is_refused,
        s66_an_output_over_the_limit_fails_the_instance,
        s66_ids_may_hold_any_character,
        s59_ids_differ_by_case,
        s73_labels_are_visible_everywhere,
    ]
}

/// Sends a text through input, activity, event, custom status, continue-as-new and output.
async fn everywhere(s: &Stage, id: &str, text: &str) -> Checked {
    let handle: InstanceHandle<String, Failure> =
        s.start("main", id, (text.to_owned(), true)).await?;
    handle.raise_event("text", text).send().await?;
    let out = s.result(&handle).await?;
    ensure!(out == text, "the output has {} bytes, expected {}", out.len(), text.len());
    let status = handle.status().await?;
    let custom = status.custom_status::<String>()?;
    ensure!(custom.as_deref() == Some(text), "the custom status was changed");
    Ok(())
}

async fn carry(
    ctx: OrchestrationContext,
    (text, again): (String, bool),
) -> Result<String, Failure> {
    if again {
        return ctx.continue_as_new(&(text, false)).await;
    }
    let said = ctx.call(act::<String, String>("say"), text.clone()).await?;
    let event = ctx.event::<String>("text").await?;
    if said != text || event != text {
        return Err(Failure::new("the text was changed on its way"));
    }
    ctx.set_custom_status(&said)?;
    Ok(event)
}

async fn s66_small_values_pass_on_all_ways(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", carry).start().await?;
    everywhere(&s, "a", "").await?;
    everywhere(&s, "b", "x").await
}

async fn s66_large_values_pass_on_all_ways(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", carry).start().await?;
    everywhere(&s, "a", &"0123456789abcdef".repeat(4 * 1_024)).await?;
    everywhere(&s, "b", &"0123456789abcdef".repeat(32 * 1_024)).await
}

async fn s66_odd_texts_pass_on_all_ways(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", carry).start().await?;
    let texts = [
        "\0\u{1}\u{7f}",
        "https://store.example/blob?sig=a%2Fb",
        "{\"json\": [1, null]}",
        "\u{1F980} \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}",
        "'; DROP TABLE instances; --",
    ];
    for (n, text) in texts.iter().enumerate() {
        everywhere(&s, &format!("i{n}"), text).await?;
    }
    Ok(())
}

async fn s66_an_input_over_the_limit_is_refused(s: Stage) -> Checked {
    let text = "x".repeat(limits::PAYLOAD_BYTES_MAX + 1);
    let start = s.client.start(orch::<String, String>("main"), text).id("a").send().await;
    let refused = start.err().map(|e| e.kind());
    ensure_eq!(refused, Some(ErrorKind::InvalidArgument), "the start");
    ensure!(!s.client.instance("a")?.exists().await?, "something was created");
    Ok(())
}

async fn s66_an_output_over_the_limit_fails_the_instance(s: Stage) -> Checked {
    let code = |_: OrchestrationContext, n: usize| async move { Ok::<_, Failure>("x".repeat(n)) };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let handle: InstanceHandle<String, Failure> =
        s.start("main", "a", limits::PAYLOAD_BYTES_MAX + 1).await?;
    ensure_eq!(s.failure(&handle).await?.kind(), FailureKind::LimitExceeded, "the kind");
    Ok(())
}

async fn s66_ids_may_hold_any_character(s: Stage) -> Checked {
    let _worker = s.worker().orchestration_fn("main", carry).start().await?;
    for id in ["a|b", "a/b", "it's", "{a}", "a b", "\u{1F980}", "a%2Fb", "..", "a:b#c"] {
        everywhere(&s, id, id).await?;
    }
    Ok(())
}

async fn s59_ids_differ_by_case(s: Stage) -> Checked {
    let code = |_: OrchestrationContext, n: u64| async move { Ok::<_, Failure>(n) };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    ensure_eq!(s.run::<u64, u64>("main", "Order", 1).await?, 1, "the output of one");
    ensure_eq!(s.run::<u64, u64>("main", "order", 2).await?, 2, "the output of the other");
    Ok(())
}

async fn s73_labels_are_visible_everywhere(s: Stage) -> Checked {
    let code = |ctx: OrchestrationContext, again: bool| async move {
        if again {
            return ctx.continue_as_new(&false).await;
        }
        Ok::<_, Failure>(ctx.tags())
    };
    let _worker = s.worker().orchestration_fn("main", code).start().await?;
    let start = s.client.start(orch::<bool, Vec<(String, String)>>("main"), true).id("a");
    let handle = start.tag("tenant", "acme").tag("empty", "").tag("ü", "ß\n").send().await?;
    let expected = [("tenant", "acme"), ("empty", ""), ("ü", "ß\n")];
    let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
    ensure_eq!(s.result(&handle).await?, expected, "the labels seen by the second generation");
    ensure_eq!(handle.status().await?.tags(), expected, "the labels in the status");
    Ok(())
}
