//! Restate with every step a durable call of another service, as queued activities are.

#[tokio::main]
async fn main() -> peers_common::Result<()> {
    peers_common::main::<peer_restate::Restate<true>>().await
}
