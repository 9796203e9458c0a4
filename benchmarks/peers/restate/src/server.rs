//! A Restate server of its own for one run.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use peers_common::Result;

const USAGE: &str = "RESTATE_SERVER must name the server's binary; `npm install --prefix FOLDER \
    @restatedev/restate-server-linux-x64` puts it at \
    FOLDER/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server";

/// A start takes tenths of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// The process; it ends with this.
pub(crate) struct Server {
    child: Mutex<Child>,
    id: u32,
    ingress: u16,
    admin: u16,
    http: reqwest::Client,
}

impl Server {
    /// Starts it with its data in this folder and waits until it serves.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let binary = std::env::var("RESTATE_SERVER").map_err(|_| USAGE)?;
        let [ingress, admin, node] = free_ports()?;
        let log = std::fs::File::create(folder.join("restate.log"))?;
        let child = Command::new(binary)
            .args(["--no-logo", "--listen-mode", "tcp", "--bind-ip", "127.0.0.1"])
            .args(["--bind-port", &node.to_string(), "--node-name", "bench"])
            .args(["--base-dir".as_ref(), folder.join("restate").as_os_str()])
            // 24 is the default, for clusters; on two cores two give twice the rate.
            .env("RESTATE_DEFAULT_NUM_PARTITIONS", "2")
            .env("RESTATE_INGRESS__BIND_ADDRESS", format!("127.0.0.1:{ingress}"))
            .env("RESTATE_ADMIN__BIND_ADDRESS", format!("127.0.0.1:{admin}"))
            .env("RESTATE_LOG_FILTER", "warn")
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "1")
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()?;
        let id = child.id();
        // Only loopback is asked, whatever proxy the environment names.
        let http = reqwest::Client::builder().no_proxy().build()?;
        let server = Self { child: Mutex::new(child), id, ingress, admin, http };
        server.ready().await?;
        Ok(server)
    }

    /// Waits until both the admin and the ingress answer that they are well.
    async fn ready(&self) -> Result<()> {
        let urls = [
            format!("http://127.0.0.1:{}/health", self.admin),
            format!("http://127.0.0.1:{}/restate/health", self.ingress),
        ];
        let begun = Instant::now();
        for url in urls {
            loop {
                match self.http.get(&url).send().await {
                    Ok(answer) if answer.status().is_success() => break,
                    other if begun.elapsed() > PATIENCE => {
                        return Err(format!("{url}: {other:?}").into());
                    }
                    _ => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        }
        Ok(())
    }

    /// Tells the server where the services are.
    pub(crate) async fn register(&self, services: &str) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/deployments", self.admin);
        let body = format!(r#"{{"uri":"{services}"}}"#);
        let request = self.http.post(url).header("content-type", "application/json").body(body);
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(format!("{}: {}", answer.status(), answer.text().await?).into())
    }

    /// Where invocations go.
    pub(crate) fn ingress(&self) -> String {
        format!("http://127.0.0.1:{}", self.ingress)
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Ends it. Its data goes away with the folder, so it need not end well.
    pub(crate) fn stop(&self) {
        if let Ok(mut child) = self.child.lock() {
            // Both fail only when it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ports that nobody has now; held together so that they differ.
fn free_ports() -> Result<[u16; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?, bind()?];
    Ok([held[0].local_addr()?.port(), held[1].local_addr()?.port(), held[2].local_addr()?.port()])
}
