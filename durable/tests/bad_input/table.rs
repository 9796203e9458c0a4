//! What a row of bad input is, and how it is tried.

use durable::backend::{Backend, HistoryRead, InstanceQuery};
use durable::client::Client;
use durable::{Error, ErrorKind};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::world::World;

/// Something that is called and must fail.
pub(crate) type Call = fn(World) -> futures_util::future::BoxFuture<'static, Result<(), Error>>;

/// Whether the error says that repeating the call may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Correct it first.
    Never,
    /// Try again.
    Later,
}

/// One bad input with the error that it must get.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) call: Call,
    pub(crate) kind: ErrorKind,
    pub(crate) advice: Advice,
    /// The whole text of the error.
    pub(crate) text: &'static str,
}

/// Rows, one a line: `"what is wrong" => |world| future, Kind, Advice, "text";`
macro_rules! rows {
    ($($what:literal => |$w:ident| $call:expr, $kind:ident, $advice:ident, $text:literal;)*) => {
        vec![$($crate::table::Row {
            what: $what,
            call: |$w| Box::pin(async move {
                let _ = &$w;
                $call.await.map(drop).map_err(durable::Error::from)
            }),
            kind: durable::ErrorKind::$kind,
            advice: $crate::table::Advice::$advice,
            text: $text,
        }),*]
    };
}
pub(crate) use rows;

/// Tries every row: the error is exactly the expected one, and nothing has changed in the store.
pub(crate) async fn try_all(table: &str, rows: Vec<Row>) {
    try_with_form(table, rows, None).await;
}

/// As [`try_all`], with a text that many errors of the table end with, as `FORM` in the rows.
pub(crate) async fn try_with_form(table: &str, rows: Vec<Row>, form: Option<&str>) {
    let world = World::new().await;
    let before = fingerprint(world.client.backend()).await;
    let mut wrong = String::new();
    assert!(!rows.is_empty());
    for row in rows {
        let found = match (row.call)(world.clone()).await {
            Ok(()) => "accepted".to_owned(),
            Err(error) => {
                let advice = if error.is_retryable() { Advice::Later } else { Advice::Never };
                assert!(!error.to_string().contains("secret"), "{}: {error}", row.what);
                let text = error.to_string();
                let text = form.map_or_else(|| text.clone(), |form| text.replace(form, "FORM"));
                line(error.kind(), advice, &text)
            }
        };
        if found != line(row.kind, row.advice, row.text) {
            let _ = writeln!(wrong, "WRONG\t{table}\t{}\t{found}", row.what);
        }
        let after = fingerprint(world.client.backend()).await;
        assert_eq!(before, after, "{table}: {} has changed the store", row.what);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    world.go_on().await;
}

fn line(kind: ErrorKind, advice: Advice, text: &str) -> String {
    format!("{kind:?}\t{advice:?}\t{text}")
}

/// Every record and every history of a hub.
pub(crate) async fn fingerprint(backend: &Arc<dyn Backend>) -> String {
    let mut text = String::new();
    let query = InstanceQuery { page_items: 1_000, ..Default::default() };
    for record in backend.list(query).await.unwrap().items {
        let read = HistoryRead {
            instance: record.instance.clone(),
            execution: record.execution,
            from: 0,
            bytes_max: usize::MAX,
        };
        let history = backend.read_history(read).await.unwrap();
        let _ = writeln!(text, "{record:?} {history:?}");
    }
    text
}

/// For what is not waited for.
pub(crate) fn now<T, E>(result: Result<T, E>) -> std::future::Ready<Result<T, E>> {
    std::future::ready(result)
}

/// A text of so many bytes.
pub(crate) fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// A value over the limit of payloads.
pub(crate) fn big() -> String {
    long(durable::limits::PAYLOAD_BYTES_MAX + 1)
}

/// A value that JSON cannot hold.
pub(crate) fn unencodable() -> std::collections::BTreeMap<(u8, u8), u8> {
    [((1, 2), 3)].into()
}

/// A client, so that rows stay short.
pub(crate) fn client(world: &World) -> &Client {
    &world.client
}
