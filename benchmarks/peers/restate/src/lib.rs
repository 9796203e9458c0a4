//! The workloads on a Restate server, which this starts, with its Rust SDK.

mod server;
mod services;

use std::path::Path;
use std::sync::Arc;

use peers_common::{Case, Peer, Result};
use restate_sdk::ingress::ReqwestClient;
use server::Server;
use services::{Calls, CallsIngressClient, Local, LocalIngressClient, Steps};

/// Restate; `CALLS` says whether steps are calls of another service or local to the handler.
#[derive(Clone)]
pub struct Restate<const CALLS: bool> {
    server: Arc<Server>,
    calls: Arc<CallsIngressClient<reqwest::Client>>,
    local: Arc<LocalIngressClient<reqwest::Client>>,
}

impl<const CALLS: bool> Peer for Restate<CALLS> {
    const NAME: &'static str = if CALLS { "restate" } else { "restate-steps" };

    async fn open(folder: &Path, _case: &Case) -> Result<Self> {
        let server = Server::start(folder).await?;
        let endpoint =
            restate_sdk::prelude::Endpoint::builder().bind(Steps).bind(Calls).bind(Local).build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(restate_sdk::prelude::HttpServer::new(endpoint).serve(listener));
        server.register(&format!("http://{address}")).await?;
        let connect = || -> Result<_> { Ok(ReqwestClient::connect(server.ingress().parse()?)?) };
        let calls = Arc::new(CallsIngressClient::from_client(connect()?));
        let local = Arc::new(LocalIngressClient::from_client(connect()?));
        Ok(Self { server: Arc::new(server), calls, local })
    }

    async fn hello5(&self, n: usize) -> Result<u64> {
        let n = n as u64;
        Ok(match CALLS {
            true => self.calls.hello5(n).call().await?.into_body()?,
            false => self.local.hello5(n).call().await?.into_body()?,
        })
    }

    async fn fanout(&self, _n: usize, width: u64) -> Result<u64> {
        if !CALLS {
            return Err("the SDK joins calls and no local steps: use peer-restate".into());
        }
        Ok(self.calls.fanout(width).call().await?.into_body()?)
    }

    async fn chain(&self, _n: usize, length: u64) -> Result<u64> {
        Ok(match CALLS {
            true => self.calls.chain(length).call().await?.into_body()?,
            false => self.local.chain(length).call().await?.into_body()?,
        })
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.server.id()]
    }

    async fn close(self) {
        self.server.stop();
    }
}
