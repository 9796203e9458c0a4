//! DynamoDB by the crate `dynoxide`, SQS by the stand-in beside this file; both in this process,
//! on a runtime of their own, because each test has another one.

use std::net::{Ipv4Addr, TcpListener};

use dynoxide::Database;
use tokio::runtime::Runtime;

pub(crate) struct Services {
    pub(crate) dynamodb: Option<String>,
    pub(crate) sqs: String,
    runtime: Option<Runtime>,
}

impl Services {
    pub(crate) fn start(with_dynamodb: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("aws-emulator")
            .enable_all()
            .build()
            .unwrap();
        let dynamodb = with_dynamodb.then(|| {
            let (listener, url) = listen(&runtime);
            let database = Database::memory().unwrap();
            runtime.spawn(dynoxide::server::serve_on(listener, database));
            url
        });
        let (listener, sqs) = listen(&runtime);
        runtime.spawn(async move { super::sqs::serve(listener).await.unwrap() });
        Self { dynamodb, sqs, runtime: Some(runtime) }
    }
}

fn listen(runtime: &Runtime) -> (tokio::net::TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let _inside = runtime.enter();
    (tokio::net::TcpListener::from_std(listener).unwrap(), url)
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
