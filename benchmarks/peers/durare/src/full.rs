//! durare on a pool of ours with `synchronous = FULL`: safe from a loss of power.

#[tokio::main]
async fn main() -> peers_common::Result<()> {
    peers_common::main::<peer_durare::Durare<true>>().await
}
