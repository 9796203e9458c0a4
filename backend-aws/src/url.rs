//! Settings from a URL.

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult, percent_decode};
use durable_core::ids::HubName;

use crate::config::{AwsCredentials, AwsSettings};

const FORM: &str = "the form is aws://HUB[?region=…&endpoint=…&dynamodb=…&sqs=…&prefix=…]";

fn invalid(text: impl Into<String>) -> BackendError {
    BackendError::new(BackendErrorKind::Invalid, "connect", text)
}

/// Undoes percent encoding.
fn decode(text: &str) -> BackendResult<String> {
    let bad = || invalid(format!("a part of the URL is not properly percent-encoded; {FORM}"));
    percent_decode(text).ok_or_else(bad)
}

impl AwsSettings {
    /// Settings from `aws://HUB`. Parameters: `region`, `endpoint` (both services), `dynamodb`
    /// and `sqs` (one of them), `prefix`. Special characters are percent-encoded. Without the
    /// feature `credentials` an endpoint is taken for an emulator and gets made-up credentials.
    ///
    /// # Errors
    /// [`Invalid`](BackendErrorKind::Invalid) when the URL is not understood; the text says what.
    pub fn parse(url: &str) -> BackendResult<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid(FORM))?;
        if scheme != "aws" {
            return Err(invalid(format!("`{scheme}:` is not for AWS; {FORM}")));
        }
        let (hub, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut settings = Self::default();
        // Never shown: it may hold a secret.
        if hub.contains('@') {
            return Err(invalid(format!(
                "the URL has a login; credentials come from the standard chain; {FORM}"
            )));
        }
        let hub = decode(hub.trim_end_matches('/'))?;
        if !hub.is_empty() {
            settings.hub = HubName::new(hub).map_err(|e| invalid(e.to_string()))?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            settings.parameter(key, decode(value)?)?;
        }
        let emulated = settings.endpoint.is_some()
            || (settings.dynamodb_endpoint.is_some() && settings.sqs_endpoint.is_some());
        if emulated && !cfg!(feature = "credentials") {
            settings.credentials = AwsCredentials::fixed("test", "test");
        }
        if emulated && settings.region.is_empty() {
            settings.region = "us-east-1".to_owned();
        }
        Ok(settings)
    }

    fn parameter(&mut self, key: &str, value: String) -> BackendResult<()> {
        match key {
            "region" => self.region = value,
            "endpoint" => self.endpoint = Some(value),
            "dynamodb" => self.dynamodb_endpoint = Some(value),
            "sqs" => self.sqs_endpoint = Some(value),
            "prefix" => self.prefix = value,
            other => {
                return Err(invalid(format!(
                    "unknown parameter `{other}`; known are `region`, `endpoint`, `dynamodb`, \
                     `sqs` and `prefix`"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_url_is_taken_apart() {
        let url = "aws://a%2Fb?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1:5&prefix=x-";
        let settings = AwsSettings::parse(url).unwrap();
        assert_eq!((settings.hub.as_str(), settings.region.as_str()), ("a/b", "eu-west-1"));
        assert_eq!(settings.endpoint.as_deref(), Some("http://127.0.0.1:5"));
        assert_eq!(settings.prefix, "x-");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = AwsSettings::parse("aws://").unwrap();
        assert_eq!((settings.hub, settings.region.as_str()), (HubName::default(), ""));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (url, said) in [
            ("aws:x", "the form is"),
            ("redis://x", "not for AWS"),
            ("aws://h?regoin=x", "unknown parameter `regoin`"),
            ("aws://h%zz", "percent-encoded"),
            ("aws://u:secret@h", "has a login"),
        ] {
            let error = AwsSettings::parse(url).unwrap_err().to_string();
            assert!(error.contains(said), "{url}: {error}");
        }
    }
}
