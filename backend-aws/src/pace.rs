//! Waiting for the services themselves.

use std::time::Duration;

/// Waits before a service is asked again. This goes by the clock that the SDK repeats its requests
/// by: the services answer in real time, whatever the injected clock says. Nothing is decided by
/// it.
pub(crate) async fn before_asking_again(pause: Duration) {
    if let Some(sleep) = aws_smithy_async::rt::sleep::default_async_sleep() {
        aws_smithy_async::rt::sleep::AsyncSleep::sleep(&sleep, pause).await;
    }
}
