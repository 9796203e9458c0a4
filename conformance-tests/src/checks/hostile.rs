//! Ids and payloads that careless keys, quoting or encoding would break.

use std::sync::Arc;

use bytes::Bytes;
use durable_core::backend::{
    Envelope, HistoryChunk, InstanceQuery, OrchestrationStatus, ReceiveActivities, RenewActivity,
};
use durable_core::ids::{Name, QueueName};

use crate::check::{Check, Checked, Need};
use crate::driver::turns::bodies;
use crate::driver::{Hub, only};

pub(super) fn list() -> Vec<Check> {
    let ids = IDS.iter().map(|(name, id)| {
        Check::new(
            "hostile_ids",
            format!("a_whole_life_under_{name}"),
            "C1",
            Need::Nothing,
            move |h| life(h, id),
        )
    });
    let pairs = PAIRS.iter().map(|(name, one, two)| {
        Check::new(
            "hostile_ids",
            format!("two_ids_that_differ_by_{name}"),
            "C1",
            Need::Nothing,
            move |h| strangers(h, one, two),
        )
    });
    let payloads = PAYLOADS.iter().map(|(name, payload)| {
        Check::new(
            "hostile_payloads",
            format!("{name}_passes_everywhere"),
            "C1",
            Need::Nothing,
            move |h| passes(h, Bytes::copy_from_slice(&payload())),
        )
    });
    ids.chain(pairs).chain(payloads).collect()
}

/// Valid ids; control characters are refused by the core.
const IDS: &[(&str, &str)] = &[
    ("one_letter", "a"),
    ("blanks", "  "),
    ("leading_blank", " a"),
    ("trailing_blank", "a "),
    ("dot", "."),
    ("dots", ".."),
    ("path_up", "../../etc/passwd"),
    ("slashes", "a/b/c"),
    ("trailing_slash", "a/"),
    ("backslash", "a\\b"),
    ("colon", "a:b:c"),
    ("hash", "a#b#c"),
    ("braces", "{a}"),
    ("open_brace", "{a"),
    ("close_brace", "a}"),
    ("empty_braces", "{}"),
    ("pipe", "a|b"),
    ("percent", "a%b"),
    ("percent_code", "a%2Fb"),
    ("percent_zero", "%00"),
    ("plus", "a+b"),
    ("ampersand", "a&b=c"),
    ("question", "a?b"),
    ("star", "*"),
    ("glob", "[a-z]*?"),
    ("dollar", "$a"),
    ("caret", "^a"),
    ("tilde", "~a"),
    ("at", "a@b"),
    ("comma", "a,b"),
    ("semicolon", "a;b"),
    ("single_quote", "a'b"),
    ("double_quote", "a\"b"),
    ("backtick", "a`b`"),
    ("sql", "'; DROP TABLE instances; --"),
    ("script", "<script>alert(1)</script>"),
    ("json", "{\"a\":1}"),
    ("resp", "*1 $4 PING"),
    ("lua", "return redis.call('FLUSHALL')"),
    ("equals", "a=b"),
    ("exclamation", "!a!"),
    ("minus", "-1"),
    ("number", "0"),
    ("large_number", "18446744073709551616"),
    ("float", "1e400"),
    ("null_word", "null"),
    ("true_word", "true"),
    ("none_word", "None"),
    ("nan_word", "NaN"),
    ("umlaut", "\u{fc}"),
    ("combining", "u\u{308}"),
    ("sharp_s", "\u{df}"),
    ("dotless_i", "\u{131}"),
    ("turkish_capital", "\u{130}"),
    ("cyrillic_a", "\u{430}"),
    ("fullwidth_a", "\u{ff41}"),
    ("emoji", "\u{1f980}"),
    ("emoji_family", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"),
    ("rtl_override", "\u{202e}cba"),
    ("zero_width", "a\u{200b}b"),
    ("byte_order_mark", "\u{feff}a"),
    ("nbsp", "\u{a0}"),
    ("line_separator", "a\u{2028}b"),
    ("private_use", "\u{e000}"),
    ("noncharacter", "\u{ffff}"),
    ("highest", "\u{10ffff}"),
    ("replacement", "\u{fffd}"),
];

/// Ids that some stores take for the same, or for related.
const PAIRS: &[(&str, &str, &str)] = &[
    ("case", "a", "A"),
    ("blank_at_the_end", "a", "a "),
    ("normal_forms", "caf\u{e9}", "cafe\u{301}"),
    ("zero_width", "ab", "a\u{200b}b"),
    ("prefix", "order", "order-1"),
    ("colon", "a:b", "a"),
    ("colon_twice", "a::b", "a:b"),
    ("slash", "a/b", "a"),
    ("percent_code", "a b", "a%20b"),
    ("plus", "a b", "a+b"),
    ("braces", "{a}", "a"),
    ("escaped_slash", "a/b", "a\\/b"),
    ("lookalike", "\u{430}", "a"),
    ("leading_zero", "01", "1"),
    ("sharp_s", "stra\u{df}e", "strasse"),
    ("dotless_i", "\u{131}", "i"),
    ("fullwidth", "\u{ff41}", "a"),
    ("underscore", "a_b", "aXb"),
    ("hash", "a#1", "a"),
    ("high_characters", "\u{ffff}", "\u{10000}"),
];

type Payload = fn() -> Vec<u8>;

const PAYLOADS: &[(&str, Payload)] = &[
    ("empty", || b"".to_vec()),
    ("one_zero", || b"\0".to_vec()),
    ("zeros", || [0; 4096].to_vec()),
    ("ones", || [0xff; 4096].to_vec()),
    ("every_byte", || every_byte()),
    ("line_ends", || b"\r\n\r\n".to_vec()),
    ("invalid_utf8", || b"\xc3\x28\xff\xfe".to_vec()),
    ("overlong_utf8", || b"\xc0\x80".to_vec()),
    ("surrogate", || b"\xed\xa0\x80".to_vec()),
    ("utf16", || b"\xff\xfea\0".to_vec()),
    ("json", || b"{\"a\":[1,null]}".to_vec()),
    ("half_json", || b"{\"a\":".to_vec()),
    ("null_word", || b"null".to_vec()),
    ("lua_end", || b"]] redis.call('FLUSHALL') --[[".to_vec()),
    ("resp", || b"*1\r\n$8\r\nFLUSHALL\r\n".to_vec()),
    ("gzip_head", || b"\x1f\x8b\x08\0".to_vec()),
    ("base64", || b"AAECAw==".to_vec()),
    ("blob_url", || b"https://example.invalid/blob".to_vec()),
    ("large_length", || [0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].to_vec()),
    ("xml", || b"<?xml version='1.0'?><a>&lt;</a>".to_vec()),
    ("script", || b"<script>alert(1)</script>".to_vec()),
    ("megabyte", || vec![b'm'; 1 << 20]),
    ("odd_size", || vec![7; 65_537]),
    ("block_size", || vec![8; 65_536]),
    ("just_below_a_block", || vec![9; 65_535]),
];

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

/// Everything that happens to an instance, under this id, name and queue.
async fn life(h: Hub, id: &'static str) -> Checked {
    let neighbour = h.running("\u{2603} neighbour").await?;
    let mut request = h.creation(id)?;
    let mut record = h.first_record(&request.start.target, h.execution())?;
    record.name = Name::new(id)?;
    record.parent = Some(request.start.target.clone());
    request.start.execution = Some(record.execution);
    request.start.creates = Some(Arc::new(record.clone()));
    let inst = h.must_create(request).await?;

    let step =
        h.step(&h.turn_of(&inst).await?).activity_on(id, 1, "task")?.timer(2, h.later(), "timer");
    step.message(h.message(&inst.id, "to myself")).apply().await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(bodies(&work), ["to myself"], "the inbox");
    h.step(&work).tracking("tracked").apply().await?;
    ensure_eq!(h.tracking().await?.instance, inst.id, "the instance of the tracking record");

    let request =
        ReceiveActivities { queues: vec![QueueName::new(id)?], ..h.ask_activities(1, h.wait()) };
    let task = h.activities(request).await?.remove(0);
    ensure_eq!(task.lease.instance, inst.id, "the instance of the task");
    h.completes(&task, "done").await?;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(bodies(&work), ["done"], "the inbox");
    h.step(&work).apply().await?;
    h.pass_delay().await;
    let work = h.turn_of(&inst).await?;
    ensure_eq!(bodies(&work), ["timer"], "the inbox");
    let mut end = record.clone();
    end.status = OrchestrationStatus::Completed;
    end.completed_at = Some(h.now());
    h.step(&work).record(end).apply().await?;

    ensure_eq!(h.history_texts(&inst).await?.len(), 4, "chunks");
    let found = h.record_of(&inst).await?;
    ensure_eq!(
        (&found.instance, &found.name, &found.parent),
        (&inst.id, &record.name, &record.parent),
        "the names"
    );
    h.index(std::slice::from_ref(&inst.id)).await?;
    h.listed(InstanceQuery { id_prefix: Some(id.to_owned()), ..InstanceQuery::default() }, &[id])
        .await?;
    h.listed(InstanceQuery { name: Some(id.to_owned()), ..InstanceQuery::default() }, &[id])
        .await?;
    h.purged(&inst).await?;
    ensure_eq!(h.history_texts(&neighbour).await?, ["turn"], "the neighbour's history");
    Ok(())
}

/// Two instances that must not touch each other.
async fn strangers(h: Hub, one: &'static str, two: &'static str) -> Checked {
    let first = h.running(one).await?;
    ensure!(
        h.record(&crate::driver::iid(two)?).await?.is_none(),
        "{two:?} is there before it was created"
    );
    let second = h.running(two).await?;
    ensure_eq!(bodies(&h.woken(&first, "for one").await?), ["for one"], "the first inbox");
    let work = h.woken(&second, "for two").await?;
    ensure_eq!(bodies(&work), ["for two"], "the second inbox");
    h.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
    h.purged(&second).await?;
    ensure_eq!(h.record_of(&first).await?.instance, first.id, "the first id");
    ensure_eq!(h.history_texts(&first).await?, ["turn"], "the first history");
    ensure!(h.record(&second.id).await?.is_none(), "the second record is still there");
    Ok(())
}

/// The payload in every place that takes one.
async fn passes(h: Hub, payload: Bytes) -> Checked {
    let mut request = h.creation("a")?;
    request.start.body = payload.clone();
    let inst = h.must_create(request).await?;
    let work = h.turn_of(&inst).await?;
    ensure!(work.messages[0].body == payload, "the start message has changed");

    let mut step = h.step(&work).status(OrchestrationStatus::Running)?.tracking("");
    step.commit.chunk = Some(HistoryChunk { events: 1, bytes: payload.clone() });
    let task = Envelope { body: payload.clone(), ..step.task(1, "") };
    let message = Envelope { body: payload.clone(), ..h.message(&inst.id, "") };
    if let Some(record) = &mut step.commit.record {
        record.details = payload.clone();
    }
    if let Some(tracking) = &mut step.commit.tracking {
        tracking.body = payload.clone();
    }
    step.activity_envelope(task).message(message).apply().await?;

    let work = h.turn_of(&inst).await?;
    ensure!(work.messages[0].body == payload, "the message has changed");
    let history = h.history_of(&inst.id, inst.execution).await?;
    ensure!(history.len() == 1 && history[0].bytes == payload, "the history has changed");
    ensure!(h.record_of(&inst).await?.details == payload, "the details have changed");
    ensure!(h.tracking().await?.body == payload, "the tracking record has changed");
    let task = h.activity().await?;
    ensure!(task.body == payload, "the task has changed");
    progress_passes(&h, &task, payload).await
}

async fn progress_passes(
    h: &Hub,
    task: &durable_core::backend::ActivityWork,
    payload: Bytes,
) -> Checked {
    if payload.len() > durable_core::limits::PROGRESS_BYTES_MAX {
        return Ok(());
    }
    let lease = task.lease.clone();
    let lease_for = h.timings().lease_long;
    let renewal =
        RenewActivity { lease: lease.clone(), lease_for, progress: Some(payload.clone()) };
    only(h.backend().renew_activities(vec![renewal]).await)?;
    h.abandon_activity(&lease, std::time::Duration::ZERO).await?;
    ensure!(h.activity().await?.progress == Some(payload), "the progress has changed");
    Ok(())
}
