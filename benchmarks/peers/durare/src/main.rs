//! durare as it connects by itself: `synchronous = NORMAL`, not safe from a loss of power.

#[tokio::main]
async fn main() -> peers_common::Result<()> {
    peers_common::main::<peer_durare::Durare<false>>().await
}
