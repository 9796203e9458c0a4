//! Requests that the SDK makes again: when it should, and what that means for their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    FinalizerInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Codes of errors that the next attempt may not meet: somebody else changes the item just now, or
/// the request was signed shortly before its credentials ended. Credentials are asked for with
/// each attempt. Nothing has been changed when the services answer so.
const PASSING: [&str; 5] = [
    "TransactionConflictException",
    "ReplicatedWriteConflictException",
    "ExpiredTokenException",
    "ExpiredToken",
    "RequestExpired",
];

/// Lets the SDK repeat requests that were answered with one of these.
#[derive(Debug)]
pub(crate) struct Passing;

impl ClassifyRetry for Passing {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let refused = context.response().filter(|response| response.status().is_client_error());
        let body = refused.and_then(|response| response.body().bytes());
        let code = body.and_then(|bytes| code(std::str::from_utf8(bytes).ok()?));
        if code.is_some_and(|code| PASSING.contains(&code)) {
            return RetryAction::transient_error();
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "errors that pass"
    }
}

/// The code in the body of an error, without the name of the service in front of it.
fn code(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("\"__type\"")?;
    let quoted = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (whole, _) = quoted.split_once('"')?;
    whole.rsplit('#').next()
}

/// Notices that an attempt at a request may have been performed without an answer that says so: the
/// next one then meets its own doing.
#[derive(Debug, Clone, Default)]
pub(crate) struct LostAnswers(Arc<AtomicBool>);

impl LostAnswers {
    /// Whether there was one.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[dyn_dispatch_hint]
impl Intercept for LostAnswers {
    fn name(&self) -> &'static str {
        "lost answers"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Services refuse with a status of their own before they change anything.
        let answered = |status: u16| (200..500).contains(&status);
        if !context.response().is_some_and(|response| answered(response.status().as_u16())) {
            self.0.store(true, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn the_code_is_read_wherever_it_stands() {
        let space = "com.amazonaws.dynamodb.v20120810#";
        for (body, expected) in [
            (format!(r#"{{"__type":"{space}ThrottlingException"}}"#), Some("ThrottlingException")),
            (r#"{"message":"m", "__type" : "ExpiredToken"}"#.to_owned(), Some("ExpiredToken")),
            (r#"{"__type":12}"#.to_owned(), None),
            (r#"{"__type":"#.to_owned(), None),
            ("<html>".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(code(&body), expected, "{body}");
        }
    }
}
