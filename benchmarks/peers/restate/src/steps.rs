//! Restate with every step local to the handler and journaled.

#[tokio::main]
async fn main() -> peers_common::Result<()> {
    peers_common::main::<peer_restate::Restate<false>>().await
}
