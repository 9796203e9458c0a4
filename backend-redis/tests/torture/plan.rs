//! What happens in a campaign, in an order that a seed chooses.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    KillWorker,
    PauseWorker,
    AddWorker,
    RemoveWorker,
    KillServer,
}

/// The actions that are left, and the randomness of the campaign.
#[derive(Debug)]
pub(crate) struct Plan {
    actions: Vec<Action>,
    seed: u64,
    state: u64,
    counts: [usize; 3],
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

impl Plan {
    /// By `KILLS`, `PAUSES`, `SERVER_KILLS` and `SEED`; a short one without them.
    pub(crate) fn from_environment() -> Self {
        let seed = variable("SEED", u64::from(std::process::id()));
        eprintln!("SEED={seed}");
        let count = |name, default| usize::try_from(variable(name, default)).unwrap();
        let counts = [count("KILLS", 6), count("PAUSES", 2), count("SERVER_KILLS", 3)];
        let mut plan = Self { actions: Vec::new(), seed, state: seed, counts };
        let [kills, pauses, server_kills] = counts;
        for (action, count) in [
            (Action::KillWorker, kills),
            (Action::PauseWorker, pauses),
            (Action::AddWorker, kills / 5 + 1),
            (Action::RemoveWorker, kills / 5 + 1),
            (Action::KillServer, server_kills),
        ] {
            plan.actions.extend(std::iter::repeat_n(action, count));
        }
        for last in (1..plan.actions.len()).rev() {
            let other = usize::try_from(plan.choice() % (last as u64 + 1)).unwrap();
            plan.actions.swap(last, other);
        }
        plan
    }

    /// SplitMix64.
    pub(crate) fn choice(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.choice() % (to - from))
    }

    /// The next action, and how long to wait before it.
    pub(crate) fn next(&mut self) -> Option<(Action, Duration)> {
        let action = self.actions.pop()?;
        Some((action, self.milliseconds(50, 600)))
    }

    /// Longer than a lease.
    pub(crate) fn pause(&mut self) -> Duration {
        self.milliseconds(1_200, 3_000)
    }

    /// How long the server is away.
    pub(crate) fn outage(&mut self) -> Duration {
        self.milliseconds(0, 400)
    }

    pub(crate) fn summary(&self) -> String {
        let [kills, pauses, server_kills] = self.counts;
        let seed = self.seed;
        format!("seed {seed}, {kills} worker kills, {pauses} pauses, {server_kills} server kills")
    }
}
