//! The scripts, one per verb.

use std::sync::LazyLock;

use redis::Cmd;

/// One verb: the text of its script and the hash by which the server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) source: String,
    pub(crate) hash: String,
}

impl Script {
    fn of(parts: &[&str]) -> Self {
        let source = parts.concat();
        let hash = redis::Script::new(&source).get_hash().to_owned();
        Self { source, hash }
    }

    /// Makes the script known to a server.
    pub(crate) fn load(&self) -> Cmd {
        let mut load = Cmd::new();
        load.arg("SCRIPT").arg("LOAD").arg(&self.source);
        load
    }
}

const BASE: &str = include_str!("lua/base.lua");
const INSTANCE: &str = include_str!("lua/instance.lua");
const MESSAGE: &str = include_str!("lua/message.lua");
const GENERATION: &str = include_str!("lua/generation.lua");
const OUTBOX: &str = include_str!("lua/outbox.lua");
const GARBAGE: &str = include_str!("lua/garbage.lua");
const TASK: &str = include_str!("lua/task.lua");
const TURN: &str = include_str!("lua/turn.lua");
const ADVANCE_TURNS: &str = include_str!("lua/advance_turns.lua");
const ADVANCE_TASKS: &str = include_str!("lua/advance_tasks.lua");

/// Runs the body of a verb for each of several calls in one script: a call is the count of its
/// arguments and the arguments. What a script costs to begin is more than what a step in it does.
const EACH: (&str, &str) = (
    "local function run(ARGV)\n",
    "end\n\
     local answers, at = {}, 1\n\
     while at <= #ARGV do\n\
       local last = at + tonumber(ARGV[at])\n\
       answers[#answers + 1] = run({ unpack(ARGV, at + 1, last) })\n\
       at = last + 1\n\
     end\n\
     return answers\n",
);

/// Runs the body of a verb and behind it that of one that takes.
const ALONG: (&str, &str, &str) = (
    "local function verb(ARGV)\n",
    "end\nlocal function take(ARGV)\n",
    concat!("end\n", include_str!("lua/take_along.lua")),
);

macro_rules! body {
    ($name:ident) => {
        include_str!(concat!("lua/", stringify!($name), ".lua"))
    };
}

macro_rules! scripts {
    ($($name:ident: $($part:ident)*;)+) => {
        /// All scripts.
        #[derive(Debug)]
        pub(crate) struct Scripts {
            $(pub(crate) $name: Script,)+
            /// `commit_turn` for several calls.
            pub(crate) commit_turns: Script,
            /// `commit_activity` for several calls.
            pub(crate) commit_activities: Script,
            /// Verbs that take along what somebody waits for.
            pub(crate) along: Along,
        }

        impl Scripts {
            fn new() -> Self {
                Self {
                    $($name: Script::of(&[
                        BASE,
                        $($part,)*
                        body!($name),
                    ]),)+
                    commit_turns: Script::of(&[
                        BASE, INSTANCE, MESSAGE, GENERATION, TASK, TURN, OUTBOX, EACH.0, body!(commit_turn),
                        EACH.1,
                    ]),
                    commit_activities: Script::of(&[
                        BASE, INSTANCE, MESSAGE, TASK, EACH.0, body!(commit_activity), EACH.1,
                    ]),
                    along: Along::new(),
                }
            }

            /// Every script, to be loaded ahead.
            pub(crate) fn all(&self) -> Vec<&Script> {
                let mut all = vec![$(&self.$name,)+ &self.commit_turns, &self.commit_activities];
                all.extend(self.along.all());
                all
            }
        }
    };
}

scripts! {
    create_instance: INSTANCE MESSAGE GENERATION;
    send: INSTANCE MESSAGE GENERATION;
    receive_turns: INSTANCE MESSAGE GARBAGE ADVANCE_TURNS;
    renew_turn: INSTANCE;
    abandon_turn: INSTANCE;
    commit_turn: INSTANCE MESSAGE GENERATION TASK TURN OUTBOX;
    stage_turn: INSTANCE;
    publish_turn: INSTANCE MESSAGE GENERATION TASK TURN OUTBOX;
    receive_activities: TASK ADVANCE_TASKS;
    renew_activity: TASK;
    abandon_activity: TASK;
    commit_activity: INSTANCE MESSAGE TASK;
    receive_tracking:;
    ack_tracking:;
    abandon_tracking:;
    read_records: INSTANCE;
    read_history: INSTANCE;
    executions: INSTANCE;
    list_ids:;
    open_hub:;
    relay_out:;
    relay_in: INSTANCE MESSAGE GENERATION;
    watch: INSTANCE;
    purge: INSTANCE MESSAGE GENERATION;
}

/// Verbs that take along, in the same script, what a call of the same process waits for.
#[derive(Debug)]
pub(crate) struct Along {
    /// Tasks.
    pub(crate) commit_turn: Script,
    /// Turns, as all that follow.
    pub(crate) commit_activity: Script,
    pub(crate) create_instance: Script,
    pub(crate) send: Script,
}

impl Along {
    fn new() -> Self {
        let turns = |verb: &str, more: &str| {
            let before = [BASE, INSTANCE, MESSAGE, more, GARBAGE, ADVANCE_TURNS].concat();
            Script::of(&[&before, ALONG.0, verb, ALONG.1, body!(receive_turns), ALONG.2])
        };
        let before =
            [BASE, INSTANCE, MESSAGE, GENERATION, TASK, TURN, OUTBOX, ADVANCE_TASKS].concat();
        let (commit, take) = (body!(commit_turn), body!(receive_activities));
        Self {
            commit_turn: Script::of(&[&before, ALONG.0, commit, ALONG.1, take, ALONG.2]),
            commit_activity: turns(body!(commit_activity), TASK),
            create_instance: turns(body!(create_instance), GENERATION),
            send: turns(body!(send), GENERATION),
        }
    }

    fn all(&self) -> [&Script; 4] {
        [&self.commit_turn, &self.commit_activity, &self.create_instance, &self.send]
    }
}

impl Scripts {
    /// Whether what a script has done counts as kept once it is answered. Loans need not be.
    pub(crate) fn is_kept(&self, script: &Script) -> bool {
        let kept = [
            &self.create_instance,
            &self.send,
            &self.commit_turn,
            &self.commit_turns,
            &self.publish_turn,
            &self.commit_activity,
            &self.commit_activities,
            &self.relay_in,
            &self.purge,
            &self.open_hub,
        ];
        kept.into_iter().chain(self.along.all()).any(|kept| kept.hash == script.hash)
    }
}

/// The scripts of this version.
pub(crate) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(Scripts::new);
