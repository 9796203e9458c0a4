//! Ids in order and records, over all partitions.

use std::collections::VecDeque;

use durable_core::backend::{BackendError, BackendResult, InstanceRecord};
use durable_core::ids::InstanceId;
use redis::Value;

use crate::args::Args;
use crate::backend::RedisBackend;
use crate::error::{Effect, damaged};
use crate::history_store::read_stored;
use crate::link::Call;
use crate::partition::Partition;
use crate::reply::{Reply, read};
use crate::scripts::SCRIPTS;
use crate::values;

/// Records read by one script.
const RECORDS_AT_ONCE: usize = 128;

/// The ids of one partition that are known, and what is behind them.
struct Stream<'a> {
    partition: &'a Partition,
    ids: VecDeque<InstanceId>,
    /// Where the next question begins.
    from: Vec<u8>,
    /// There are no more behind these.
    end: bool,
}

fn read_ids(answer: Value) -> BackendResult<VecDeque<InstanceId>> {
    let mut reply = Reply::new("list", answer)?;
    let mut ids = VecDeque::new();
    while !reply.is_empty() {
        let id = reply.bytes().and_then(|id| values::read_instance(&id));
        ids.push_back(read("list", "the index of instances", id)?);
    }
    Ok(ids)
}

impl RedisBackend {
    /// Records of some instances, in order.
    pub(crate) async fn records(
        &self,
        operation: &'static str,
        instances: &[InstanceId],
    ) -> Vec<BackendResult<Option<InstanceRecord>>> {
        let script = &SCRIPTS.read_records;
        let homes = self.partitions().iter().map(|home| {
            let here = |n: &usize| self.partition(&instances[*n]).home.number == home.home.number;
            (home, (0..instances.len()).filter(here).collect::<Vec<usize>>())
        });
        let (mut groups, mut calls) = (Vec::new(), Vec::new());
        for (home, here) in homes {
            for group in here.chunks(RECORDS_AT_ONCE) {
                let args = Args::of(script, home);
                let args = group.iter().fold(args, |args, n| args.text(instances[*n].as_str()));
                calls.push(args.into_call());
                groups.push(group.to_vec());
            }
        }
        let answers = self.all(operation, Effect::Reads, script, calls).await;
        let mut records: Vec<BackendResult<Option<InstanceRecord>>> = Vec::new();
        records.resize_with(instances.len(), || Ok(None));
        for (group, answer) in groups.into_iter().zip(answers) {
            match answer.and_then(|answer| Reply::new(operation, answer)) {
                Ok(mut reply) => {
                    for n in group {
                        let id = &instances[n];
                        let record = read_stored(&mut reply, id.clone());
                        records[n] = record.map_err(|why| {
                            damaged(operation, &format!("the record of {id}"), &why)
                        });
                    }
                }
                Err(error) => {
                    let copy = || {
                        let copy = BackendError::new(error.kind(), operation, error.context());
                        copy.retry(error.advice())
                    };
                    group.into_iter().for_each(|n| records[n] = Err(copy()));
                }
            }
        }
        records
    }

    /// The first ids from `start` on, in order; fewer only at the end.
    pub(crate) async fn ids_from(
        &self,
        start: &[u8],
        count: usize,
    ) -> BackendResult<Vec<InstanceId>> {
        let partitions = self.partitions();
        // What one partition probably contributes.
        let each = if partitions.len() == 1 { count } else { count / partitions.len() * 2 + 2 };
        let stream = |partition| {
            let (ids, from) = (VecDeque::new(), start.to_vec());
            Stream { partition, ids, from, end: false }
        };
        let mut streams: Vec<Stream<'_>> = partitions.iter().map(stream).collect();
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            self.fill(&mut streams, each).await?;
            let first = streams.iter_mut().filter(|s| !s.ids.is_empty());
            let Some(first) = first.min_by(|a, b| a.ids[0].cmp(&b.ids[0])) else { break };
            ids.extend(first.ids.pop_front());
        }
        Ok(ids)
    }

    /// Asks for more where nothing is known any more of what comes next.
    async fn fill(&self, streams: &mut [Stream<'_>], each: usize) -> BackendResult<()> {
        let is_open = |s: &&mut Stream<'_>| s.ids.is_empty() && !s.end;
        let mut open: Vec<&mut Stream<'_>> = streams.iter_mut().filter(is_open).collect();
        if open.is_empty() {
            return Ok(());
        }
        let script = &SCRIPTS.list_ids;
        let call = |s: &&mut Stream<'_>| {
            Args::of(script, s.partition).bytes(&s.from).count(each).into_call()
        };
        let calls: Vec<Call> = open.iter().map(call).collect();
        let answers = self.all("list", Effect::Reads, script, calls).await;
        for (stream, answer) in open.iter_mut().zip(answers) {
            stream.ids = read_ids(answer?)?;
            stream.end = stream.ids.len() < each;
            if let Some(last) = stream.ids.back() {
                stream.from = format!("({last}").into_bytes();
            }
        }
        Ok(())
    }
}
