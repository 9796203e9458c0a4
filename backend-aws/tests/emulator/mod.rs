//! DynamoDB and SQS on loopback, started by the tests and gone with them.
//!
//! `AWS_EMULATOR` chooses: `fast` (default; both in this process), `ministack` (one process for
//! both, from PyPI) or `dynamodb-local` (Amazon's own, on Java; SQS as in `fast`).

#![allow(dead_code, reason = "each test file uses another part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod child;
mod dynamodb_local;
mod fast;
mod ministack;
pub(crate) mod sqs;

use std::path::PathBuf;
use std::sync::OnceLock;

use backend_aws::AwsSettings;

/// Which emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fast,
    MiniStack,
    DynamoDbLocal,
}

impl Kind {
    /// What the environment asks for.
    pub(crate) fn from_env() -> Self {
        match std::env::var("AWS_EMULATOR").as_deref() {
            Err(_) | Ok("fast") => Self::Fast,
            Ok("ministack") => Self::MiniStack,
            Ok("dynamodb-local") => Self::DynamoDbLocal,
            Ok(other) => panic!("AWS_EMULATOR={other}: known are fast, ministack, dynamodb-local"),
        }
    }

    /// Why it cannot run here.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Fast => None,
            Self::MiniStack => ministack::missing(),
            Self::DynamoDbLocal => dynamodb_local::missing(),
        }
    }
}

/// Whether this emulator can be used; where the environment demands it, it is an error if not.
pub(crate) fn available(kind: Kind) -> bool {
    let Some(reason) = kind.missing() else { return true };
    let required = std::env::var_os("CONFORMANCE_REQUIRE").is_some_and(|v| v == "1");
    assert!(!required, "{reason}");
    false
}

/// A running emulator of both services.
pub(crate) struct Emulator {
    dynamodb: String,
    sqs: String,
    _services: Option<fast::Services>,
    _process: Option<child::Process>,
}

impl Emulator {
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Fast => {
                let services = fast::Services::start(true);
                Self {
                    dynamodb: services.dynamodb.clone().unwrap(),
                    sqs: services.sqs.clone(),
                    _services: Some(services),
                    _process: None,
                }
            }
            Kind::MiniStack => {
                let (process, url) = ministack::start();
                Self { dynamodb: url.clone(), sqs: url, _services: None, _process: Some(process) }
            }
            Kind::DynamoDbLocal => {
                let (process, dynamodb) = dynamodb_local::start();
                let services = fast::Services::start(false);
                let sqs = services.sqs.clone();
                Self { dynamodb, sqs, _services: Some(services), _process: Some(process) }
            }
        }
    }

    /// Settings for this emulator, with names of their own.
    pub(crate) fn settings(&self, name: &str) -> AwsSettings {
        let mut settings = AwsSettings::emulator(&self.dynamodb);
        settings.dynamodb_endpoint = Some(self.dynamodb.clone());
        settings.sqs_endpoint = Some(self.sqs.clone());
        settings.prefix = format!("{name}-");
        settings
    }

    /// The same for `durable::connect`.
    pub(crate) fn url(&self, hub: &str) -> String {
        format!("aws://{hub}?region=us-east-1&dynamodb={}&sqs={}", self.dynamodb, self.sqs)
    }
}

/// One emulator for all tests of this process.
pub(crate) fn shared() -> &'static Emulator {
    static SHARED: OnceLock<Emulator> = OnceLock::new();
    SHARED.get_or_init(|| Emulator::start(Kind::from_env()))
}

/// What was installed for the tests, inside the folder of what was built: the nearest folder
/// around this program that has it.
fn installed(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let mut places = program.ancestors().map(|folder| folder.join("emulators").join(name));
    places.find(|place| place.exists()).unwrap_or_default()
}
