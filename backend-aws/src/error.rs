//! From the errors of both services to the contract's.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use durable_core::backend::{BackendError, BackendErrorKind, Retry};

/// Whether a request changes something. What became of a lost one that only reads does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

/// What a code of a service means: kind, advice, whether the request may have taken effect.
struct Meaning {
    kind: BackendErrorKind,
    text: &'static str,
    after: Option<u64>,
    maybe_applied: bool,
}

const fn meaning(kind: BackendErrorKind, after: Option<u64>, text: &'static str) -> Meaning {
    Meaning { kind, text, after, maybe_applied: false }
}

/// The table: codes of both services, and what to do about them.
fn of_code(code: &str, status: u16) -> Meaning {
    use BackendErrorKind as Kind;
    // Query-compatible codes of SQS carry a prefix.
    let code = code.rsplit(['#', '.']).next().unwrap_or(code);
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "KmsThrottled" => meaning(
            Kind::Throttled,
            Some(500),
            "the service takes no more requests just now: fewer at a time, or a higher quota",
        ),
        "LimitExceededException" | "OverLimit" => meaning(
            Kind::Throttled,
            Some(2_000),
            "a quota of the account is used up: see the quotas of DynamoDB and SQS",
        ),
        "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException" => {
            meaning(Kind::Unavailable, Some(50), "another request changes the same item just now")
        }
        "ResourceNotFoundException"
        | "TableNotFoundException"
        | "QueueDoesNotExist"
        | "NonExistentQueue" => meaning(
            Kind::Invalid,
            None,
            "the task hub does not exist in this account and region: create it first",
        ),
        "ResourceInUseException" | "QueueDeletedRecently" => {
            meaning(Kind::Unavailable, Some(1_000), "a table or queue is being created or deleted")
        }
        _ => of_refusal(code, status),
    }
}

/// The part of the table where waiting does not help, and what is not in the table.
fn of_refusal(code: &str, status: u16) -> Meaning {
    use BackendErrorKind as Kind;
    match code {
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => meaning(
            Kind::Denied,
            None,
            "the credentials have expired: renew them, or use a provider that does",
        ),
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => meaning(
            Kind::Denied,
            None,
            "the credentials lack rights: see the policy in the documentation",
        ),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch" => {
            meaning(Kind::Denied, None, "the service does not accept the credentials")
        }
        "ValidationException"
        | "ItemCollectionSizeLimitExceededException"
        | "SerializationException"
        | "InvalidMessageContents"
        | "BatchRequestTooLong"
        | "InvalidParameterValue"
        | "UnsupportedOperation" => meaning(Kind::Invalid, None, "the service refuses the request"),
        _ if status >= 500 => Meaning {
            kind: Kind::Unavailable,
            text: "the service has trouble",
            after: Some(250),
            maybe_applied: true,
        },
        _ => Meaning {
            kind: Kind::Internal,
            text: "the service answered with an error that is not known here",
            after: None,
            maybe_applied: true,
        },
    }
}

fn from_code(
    operation: &'static str,
    effect: Effect,
    code: &str,
    status: u16,
    message: &str,
) -> BackendError {
    let meaning = of_code(code, status);
    let text = format!("{} ({code}: {message})", meaning.text);
    let error = BackendError::new(meaning.kind, operation, text);
    let error = match meaning.after {
        Some(millis) => error.retry(Retry::After(Duration::from_millis(millis))),
        None => error,
    };
    if meaning.maybe_applied && effect == Effect::Writes { error.unknown() } else { error }
}

/// The contract's error for one of the SDK.
pub(crate) fn from_sdk<E>(
    operation: &'static str,
    effect: Effect,
    error: SdkError<E>,
) -> BackendError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    use BackendErrorKind as Kind;
    let (kind, text, sent) = match &error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let meta = service.err().meta();
            let code = meta.code().unwrap_or("unknown");
            let message = meta.message().unwrap_or_default();
            return from_code(operation, effect, code, status, message).source(error);
        }
        SdkError::ConstructionFailure(_) => {
            (Kind::Invalid, "the request could not be made: check the settings", false)
        }
        SdkError::TimeoutError(_) => {
            (Kind::Unavailable, "the service did not answer in time", true)
        }
        SdkError::ResponseError(_) => (Kind::Unavailable, "the answer could not be read", true),
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            (Kind::Invalid, "the endpoint cannot be used: check the settings", false)
        }
        SdkError::DispatchFailure(failure) if failure.is_other() && no_credentials(&error) => {
            (Kind::Denied, "there are no credentials: configure some", false)
        }
        _ => (Kind::Unavailable, "the connection to the service failed", true),
    };
    let text = format!("{text}: {}", DisplayErrorContext(&error));
    let result = BackendError::new(kind, operation, text).source(error);
    if sent && effect == Effect::Writes { result.unknown() } else { result }
}

/// Whether the cause is that no credentials were found.
fn no_credentials(error: &dyn StdError) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("credentials") || text.contains("identity") {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::backend::Applied;

    #[test]
    fn every_code_has_a_kind_an_effect_and_advice() {
        use Applied::{NotApplied, Unknown};
        use BackendErrorKind as Kind;
        for (code, status, kind, applied, again) in [
            ("ProvisionedThroughputExceededException", 400, Kind::Throttled, NotApplied, true),
            ("ThrottlingException", 400, Kind::Throttled, NotApplied, true),
            ("RequestLimitExceeded", 400, Kind::Throttled, NotApplied, true),
            ("RequestThrottled", 400, Kind::Throttled, NotApplied, true),
            ("OverLimit", 400, Kind::Throttled, NotApplied, true),
            ("TransactionConflictException", 400, Kind::Unavailable, NotApplied, true),
            ("ResourceNotFoundException", 400, Kind::Invalid, NotApplied, false),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Kind::Invalid, NotApplied, false),
            ("com.amazonaws.sqs#QueueDoesNotExist", 400, Kind::Invalid, NotApplied, false),
            ("ResourceInUseException", 400, Kind::Unavailable, NotApplied, true),
            ("ExpiredTokenException", 400, Kind::Denied, NotApplied, false),
            ("AccessDeniedException", 400, Kind::Denied, NotApplied, false),
            ("UnrecognizedClientException", 400, Kind::Denied, NotApplied, false),
            ("InvalidSignatureException", 403, Kind::Denied, NotApplied, false),
            ("ValidationException", 400, Kind::Invalid, NotApplied, false),
            ("InternalServerError", 500, Kind::Unavailable, Unknown, true),
            ("ServiceUnavailable", 503, Kind::Unavailable, Unknown, true),
            ("NeverHeardOf", 400, Kind::Internal, Unknown, false),
        ] {
            let error = from_code("x", Effect::Writes, code, status, "m");
            let advised = matches!(error.advice(), Retry::After(_));
            let found = (error.kind(), error.applied(), advised);
            assert_eq!(found, (kind, applied, again), "{code}");
            assert!(error.context().contains(code), "{error}");
        }
        let read = from_code("x", Effect::Reads, "InternalServerError", 500, "m");
        assert_eq!(read.applied(), NotApplied);
    }

    #[test]
    fn a_time_out_is_unknown_for_writes_only() {
        type Failed = SdkError<aws_sdk_dynamodb::operation::put_item::PutItemError>;
        let error = from_sdk("x", Effect::Writes, Failed::timeout_error("late"));
        let found = (error.kind(), error.applied());
        assert_eq!(found, (BackendErrorKind::Unavailable, Applied::Unknown));
        let error = from_sdk("x", Effect::Reads, Failed::timeout_error("late"));
        assert_eq!(error.applied(), Applied::NotApplied);
        let error = from_sdk("x", Effect::Writes, Failed::construction_failure("bad"));
        assert_eq!(
            (error.kind(), error.applied()),
            (BackendErrorKind::Invalid, Applied::NotApplied)
        );
    }
}
