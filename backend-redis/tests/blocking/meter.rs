//! Measures what each script costs the server.
//!
//! It stands between the adapter and the server, lets one command at a time through, and reads
//! before and after it how long the server's thread has run. What else the machine does at the
//! same time does not show.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::server::Server;

/// A script that was called: what it cost, its hash, and how many words the call had.
pub(crate) type Cost = (Duration, String, usize);

struct Shared {
    server: u16,
    /// Where the system says how long the server's thread has run.
    schedstat: String,
    /// Held while a command is at the server.
    costs: Mutex<Vec<Cost>>,
}

/// The proxy. Its threads end with their connections, the one that listens with the process.
pub(crate) struct Meter {
    shared: Arc<Shared>,
    pub(crate) port: u16,
}

/// Nanoseconds on a processor, where the system counts them.
fn ran(schedstat: &str) -> Option<u64> {
    std::fs::read_to_string(schedstat).ok()?.split_whitespace().next()?.parse().ok()
}

impl Meter {
    /// `None` where the system does not say how long a thread has run.
    pub(crate) fn start(server: &Server) -> Option<Self> {
        let info = server.must(&["INFO", "server"]);
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().to_owned();
        let schedstat = format!("/proc/{pid}/task/{pid}/schedstat");
        ran(&schedstat).filter(|nanos| *nanos > 0)?;
        let costs = Mutex::default();
        let shared = Arc::new(Shared { server: server.port(), schedstat, costs });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || connection(client, &shared));
            }
        });
        Some(Self { shared, port })
    }

    /// The most expensive scripts since the last call, at most five.
    pub(crate) fn take_largest(&self) -> Vec<Cost> {
        let mut costs = std::mem::take(&mut *self.shared.costs.lock());
        costs.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
        costs.truncate(5);
        costs
    }
}

fn connection(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut commands, mut answers) =
        (BufReader::new(client.try_clone()?), BufReader::new(server.try_clone()?));
    let (mut client, mut server) = (client, server);
    loop {
        let mut command = Vec::new();
        let words = copy_value(&mut commands, &mut command)?;
        if words.first().is_some_and(|word| word.eq_ignore_ascii_case(b"SUBSCRIBE")) {
            server.write_all(&command)?;
            // From here on the server talks by itself.
            let copying = std::thread::spawn(move || io::copy(&mut answers, &mut client));
            io::copy(&mut commands, &mut server)?;
            let _ = copying.join();
            return Ok(());
        }
        let mut answer = Vec::new();
        {
            let mut costs = shared.costs.lock();
            let before = ran(&shared.schedstat);
            server.write_all(&command)?;
            copy_value(&mut answers, &mut answer)?;
            if let Some((before, after)) = before.zip(ran(&shared.schedstat))
                && words.first().is_some_and(|word| word == b"EVALSHA")
            {
                let script = String::from_utf8_lossy(&words[1]).into_owned();
                costs.push((Duration::from_nanos(after - before), script, words.len()));
            }
        }
        client.write_all(&answer)?;
    }
}

/// Copies one value of the protocol; the parts of it that are texts.
fn copy_value(from: &mut impl BufRead, to: &mut Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
    let (mut texts, mut open) = (Vec::new(), 1);
    while open > 0 {
        open -= 1;
        let begin = to.len();
        if from.read_until(b'\n', to)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&to[begin..]).into_owned();
        let length = || line[1..].trim().parse::<i64>().unwrap();
        match line.as_bytes()[0] {
            b'*' => open += length().max(0),
            b'$' if length() >= 0 => {
                let begin = to.len();
                from.take(u64::try_from(length() + 2).unwrap()).read_to_end(to)?;
                texts.push(to[begin..to.len() - 2].to_vec());
            }
            _ => {}
        }
    }
    Ok(texts)
}
