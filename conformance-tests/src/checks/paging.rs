//! Listing instances, page by page.

use std::collections::BTreeMap;
use std::time::Duration;

use durable_core::backend::{InstanceQuery, OrchestrationStatus};
use durable_core::ids::Name;

use crate::check::{Check, Checked, Need};
use crate::driver::{Hub, Inst, iid};

pub(super) fn list() -> Vec<Check> {
    let mut checks = area!("paging";
        H3 an_empty_hub_lists_nothing,
        H3 every_instance_is_listed_once,
        H3 items_are_whole_records,
        H3 a_page_holds_no_more_than_asked_for,
        H3 pages_of_one_join_to_the_whole,
        H3 page_sizes_do_not_change_the_result,
        H3 zero_items_means_a_hundred,
        H3 the_order_is_the_same_every_time,
        H3 a_cursor_may_be_used_twice,
        H3 instances_created_between_pages_hide_nobody,
        H3 instances_purged_between_pages_hide_nobody,
        H3 commits_between_pages_hide_nobody_and_repeat_nobody,
        H4 the_last_page_has_no_cursor,
        H4 a_filter_that_matches_nothing_ends,
        H4 a_filter_works_across_pages,
        H3 a_status_change_moves_an_instance_between_listings,
        H3 a_replaced_instance_is_listed_once,
        H3 a_placeholder_is_listed_by_its_status,
        H3 a_commit_is_listed_at_once needs ConsistentListing,
        H3 a_creation_is_listed_at_once needs ConsistentListing,
    );
    for (name, query, expected) in FILTERS {
        checks.push(Check::new(
            "paging",
            format!("filter_{name}"),
            "H3",
            Need::Nothing,
            move |h| filtered(h, *query, expected),
        ));
    }
    checks
}

type MakeQuery = fn(&Hub) -> InstanceQuery;

fn named(name: &str) -> InstanceQuery {
    InstanceQuery { name: Some(name.to_owned()), ..InstanceQuery::default() }
}

fn prefixed(prefix: &str) -> InstanceQuery {
    InstanceQuery { id_prefix: Some(prefix.to_owned()), ..InstanceQuery::default() }
}

fn statuses(statuses: &[OrchestrationStatus]) -> InstanceQuery {
    InstanceQuery { statuses: statuses.to_vec(), ..InstanceQuery::default() }
}

/// The instances that filters choose from, see [`populate`]:
/// id, name, status, hours ago created, whether it has a parent.
const POPULATION: &[(&str, &str, OrchestrationStatus, u64, bool)] = &[
    ("order-1", "order", OrchestrationStatus::Completed, 9, false),
    ("order-2", "order", OrchestrationStatus::Running, 8, false),
    ("order-20", "order", OrchestrationStatus::Failed, 7, false),
    ("order-2/pay", "pay", OrchestrationStatus::Completed, 6, true),
    ("Order-2", "Order", OrchestrationStatus::Pending, 5, false),
    ("x%y", "order", OrchestrationStatus::Suspended, 4, false),
    ("x_y", "pay", OrchestrationStatus::Terminated, 3, true),
    ("\u{fc}ber", "caf\u{e9}", OrchestrationStatus::Running, 2, false),
];

const HOUR: Duration = Duration::from_secs(3600);

const FILTERS: &[(&str, MakeQuery, &[&str])] = &[
    ("by_one_status", |_| statuses(&[OrchestrationStatus::Completed]), &["order-1", "order-2/pay"]),
    (
        "by_several_statuses",
        |_| statuses(&[OrchestrationStatus::Failed, OrchestrationStatus::Pending]),
        &["order-20", "Order-2"],
    ),
    ("by_a_status_that_nobody_has", |_| statuses(&[OrchestrationStatus::Blocked]), &[]),
    ("by_name", |_| named("pay"), &["order-2/pay", "x_y"]),
    ("by_name_compares_case", |_| named("Order"), &["Order-2"]),
    ("by_name_is_exact", |_| named("ord"), &[]),
    ("by_name_outside_ascii", |_| named("caf\u{e9}"), &["\u{fc}ber"]),
    ("by_prefix", |_| prefixed("order-2"), &["order-2", "order-20", "order-2/pay"]),
    ("by_prefix_compares_case", |_| prefixed("Order"), &["Order-2"]),
    ("by_prefix_with_slash", |_| prefixed("order-2/"), &["order-2/pay"]),
    ("by_prefix_takes_percent_literally", |_| prefixed("x%"), &["x%y"]),
    ("by_prefix_takes_underscore_literally", |_| prefixed("x_"), &["x_y"]),
    ("by_prefix_takes_star_literally", |_| prefixed("*"), &[]),
    ("by_prefix_outside_ascii", |_| prefixed("\u{fc}"), &["\u{fc}ber"]),
    ("by_whole_id_as_prefix", |_| prefixed("order-20"), &["order-20"]),
    (
        "created_from_includes_its_time",
        |h| InstanceQuery { created_from: Some(h.base() - 4 * HOUR), ..InstanceQuery::default() },
        &["x%y", "x_y", "\u{fc}ber"],
    ),
    (
        "created_before_excludes_its_time",
        |h| InstanceQuery { created_before: Some(h.base() - 8 * HOUR), ..InstanceQuery::default() },
        &["order-1"],
    ),
    (
        "created_in_a_range",
        |h| InstanceQuery {
            created_from: Some(h.base() - 7 * HOUR),
            created_before: Some(h.base() - 5 * HOUR),
            ..InstanceQuery::default()
        },
        &["order-20", "order-2/pay"],
    ),
    (
        "created_in_an_empty_range",
        |h| InstanceQuery {
            created_from: Some(h.base() - 5 * HOUR),
            created_before: Some(h.base() - 5 * HOUR),
            ..InstanceQuery::default()
        },
        &[],
    ),
    (
        "completed_before_leaves_out_the_living",
        |h| InstanceQuery { completed_before: Some(h.base() + HOUR), ..InstanceQuery::default() },
        &["order-1", "order-20", "order-2/pay", "x_y"],
    ),
    (
        "completed_before_excludes_its_time",
        |h| InstanceQuery {
            completed_before: Some(h.base() - 7 * HOUR),
            ..InstanceQuery::default()
        },
        &["order-1"],
    ),
    (
        "roots_only",
        |_| InstanceQuery { roots_only: true, ..InstanceQuery::default() },
        &["order-1", "order-2", "order-20", "Order-2", "x%y", "\u{fc}ber"],
    ),
    (
        "all_conditions_together",
        |h| InstanceQuery {
            statuses: vec![OrchestrationStatus::Completed, OrchestrationStatus::Running],
            name: Some("order".to_owned()),
            id_prefix: Some("order-".to_owned()),
            created_before: Some(h.base() - 8 * HOUR),
            roots_only: true,
            ..InstanceQuery::default()
        },
        &["order-1"],
    ),
];

impl Hub {
    /// The time that the ages of a population count from.
    fn base(&self) -> durable_core::time::Timestamp {
        crate::manual_env::START
    }
}

/// Creates the [`POPULATION`].
async fn populate(h: &Hub) -> Checked {
    let mut ids = Vec::new();
    for (id, name, status, age, child) in POPULATION {
        let mut request = h.creation(id)?;
        let mut record = h.first_record(&request.start.target, h.execution())?;
        record.name = Name::new(name)?;
        record.created_at = h.base() - *age as u32 * HOUR;
        record.parent = if *child { Some(iid("order-2")?) } else { None };
        request.start.execution = Some(record.execution);
        request.start.creates = Some(record.clone().into());
        let inst = h.must_create(request).await?;
        let work = h.turn_of(&inst).await?;
        if *status != OrchestrationStatus::Pending {
            let completed_at = status.is_terminal().then_some(record.created_at);
            let record =
                durable_core::backend::InstanceRecord { status: *status, completed_at, ..record };
            h.step(&work).record(record).apply().await?;
        }
        ids.push(inst.id);
    }
    h.index(&ids).await
}

async fn filtered(h: Hub, query: MakeQuery, expected: &'static [&'static str]) -> Checked {
    populate(&h).await?;
    let query = query(&h);
    h.listed(query.clone(), expected).await?;
    h.listed(InstanceQuery { page_items: 1, ..query }, expected).await
}

/// Creates `count` instances, named so that they sort.
async fn crowd(h: &Hub, count: usize) -> Checked<Vec<Inst>> {
    let mut crowd = Vec::new();
    for number in 0..count {
        crowd.push(h.created(&format!("i{number:03}")).await?);
    }
    h.index(&crowd.iter().map(|i| i.id.clone()).collect::<Vec<_>>()).await?;
    let names: Vec<&str> = crowd.iter().map(|i| i.id.as_str()).collect();
    h.listed(InstanceQuery::default(), &names).await?;
    Ok(crowd)
}

async fn ids(h: &Hub, query: InstanceQuery) -> Checked<Vec<String>> {
    Ok(h.list(query).await?.into_iter().map(|r| r.instance.to_string()).collect())
}

fn pages_of(page_items: usize) -> InstanceQuery {
    InstanceQuery { page_items, ..InstanceQuery::default() }
}

async fn an_empty_hub_lists_nothing(h: Hub) -> Checked {
    ensure!(h.list(InstanceQuery::default()).await?.is_empty(), "an empty hub lists something");
    Ok(())
}

async fn every_instance_is_listed_once(h: Hub) -> Checked {
    crowd(&h, 30).await?;
    Ok(())
}

async fn items_are_whole_records(h: Hub) -> Checked {
    let inst = crowd(&h, 1).await?.remove(0);
    ensure_eq!(h.list(InstanceQuery::default()).await?, [h.record_of(&inst).await?], "the items");
    Ok(())
}

async fn a_page_holds_no_more_than_asked_for(h: Hub) -> Checked {
    crowd(&h, 12).await?;
    for page_items in [1, 5, 11, 12, 13] {
        let page = h.backend().list(pages_of(page_items)).await?;
        ensure!(
            page.items.len() <= page_items,
            "{} items, asked for {page_items}",
            page.items.len()
        );
    }
    Ok(())
}

async fn pages_of_one_join_to_the_whole(h: Hub) -> Checked {
    crowd(&h, 10).await?;
    ensure_eq!(ids(&h, pages_of(1)).await?, ids(&h, pages_of(100)).await?, "the ids");
    Ok(())
}

async fn page_sizes_do_not_change_the_result(h: Hub) -> Checked {
    crowd(&h, 25).await?;
    let whole = ids(&h, pages_of(1000)).await?;
    for page_items in [2, 3, 7, 24, 25, 26] {
        ensure_eq!(ids(&h, pages_of(page_items)).await?, whole, "the ids in pages of {page_items}");
    }
    Ok(())
}

async fn zero_items_means_a_hundred(h: Hub) -> Checked {
    crowd(&h, 105).await?;
    let page = h.backend().list(InstanceQuery::default()).await?;
    ensure!(page.items.len() <= 100, "{} items in a page", page.items.len());
    ensure!(page.next.is_some(), "the listing ends after a page");
    Ok(())
}

async fn the_order_is_the_same_every_time(h: Hub) -> Checked {
    crowd(&h, 20).await?;
    let first = ids(&h, pages_of(6)).await?;
    for _ in 0..3 {
        ensure_eq!(ids(&h, pages_of(6)).await?, first, "the ids");
    }
    Ok(())
}

async fn a_cursor_may_be_used_twice(h: Hub) -> Checked {
    crowd(&h, 9).await?;
    let cursor = h.backend().list(pages_of(4)).await?.next;
    let again = InstanceQuery { cursor, ..pages_of(4) };
    let first = ids(&h, again.clone()).await?;
    ensure_eq!(ids(&h, again).await?, first, "the rest of the listing");
    Ok(())
}

/// A listing in small pages that remembers how often it saw each id.
struct Reader {
    query: InstanceQuery,
    seen: BTreeMap<String, usize>,
    ended: bool,
}

impl Reader {
    fn new() -> Self {
        Self { query: pages_of(4), seen: BTreeMap::new(), ended: false }
    }

    /// Reads the next page; false when there is none.
    async fn page(&mut self, h: &Hub) -> Checked<bool> {
        if self.ended {
            return Ok(false);
        }
        let page = h.backend().list(self.query.clone()).await?;
        for item in page.items {
            *self.seen.entry(item.instance.to_string()).or_insert(0) += 1;
        }
        self.ended = page.next.is_none();
        self.query.cursor = page.next;
        Ok(true)
    }

    fn times(&self, inst: &Inst) -> usize {
        self.seen.get(inst.id.as_str()).copied().unwrap_or(0)
    }
}

async fn instances_created_between_pages_hide_nobody(h: Hub) -> Checked {
    let crowd = crowd(&h, 20).await?;
    let mut reader = Reader::new();
    let mut round = 0;
    while reader.page(&h).await? {
        round += 1;
        if round > 4 {
            continue;
        }
        // Before, among and after what is listed.
        for name in [format!("a{round}"), format!("i005-{round}"), format!("z{round}")] {
            let inst = h.created(&name).await?;
            h.index(&[inst.id]).await?;
        }
    }
    for inst in crowd {
        ensure_eq!(reader.times(&inst), 1, "how often {} was listed", inst.id);
    }
    Ok(())
}

async fn instances_purged_between_pages_hide_nobody(h: Hub) -> Checked {
    let crowd = crowd(&h, 20).await?;
    for work in h.turns_of_all(20).await? {
        h.step(&work).status(OrchestrationStatus::Completed)?.apply().await?;
    }
    h.index(&crowd.iter().map(|i| i.id.clone()).collect::<Vec<_>>()).await?;
    let gone = [0, 3, 4, 8, 12, 19];
    let (mut reader, mut round) = (Reader::new(), 0);
    while reader.page(&h).await? {
        if let Some(at) = gone.get(round) {
            h.purged(&crowd[*at]).await?;
        }
        round += 1;
    }
    for (at, inst) in crowd.iter().enumerate() {
        let times = reader.times(inst);
        ensure!(
            times == 1 || (gone.contains(&at) && times == 0),
            "{} was listed {times} times",
            inst.id
        );
    }
    Ok(())
}

async fn commits_between_pages_hide_nobody_and_repeat_nobody(h: Hub) -> Checked {
    let crowd = crowd(&h, 20).await?;
    let works = h.turns_of_all(20).await?;
    let mut works = works.chunks(5);
    let mut reader = Reader::new();
    while reader.page(&h).await? {
        for work in works.next().unwrap_or_default() {
            h.step(work).status(OrchestrationStatus::Running)?.apply().await?;
            h.index(std::slice::from_ref(&work.lease.instance)).await?;
        }
    }
    for inst in crowd {
        ensure_eq!(reader.times(&inst), 1, "how often {} was listed", inst.id);
    }
    Ok(())
}

async fn the_last_page_has_no_cursor(h: Hub) -> Checked {
    crowd(&h, 8).await?;
    // Ends at all, also where the last page is full.
    ensure_eq!(ids(&h, pages_of(4)).await?.len(), 8, "items");
    ensure_eq!(ids(&h, pages_of(8)).await?.len(), 8, "items");
    Ok(())
}

async fn a_filter_that_matches_nothing_ends(h: Hub) -> Checked {
    crowd(&h, 30).await?;
    let query = InstanceQuery { page_items: 3, ..named("nobody's") };
    ensure!(ids(&h, query).await?.is_empty(), "something matched");
    Ok(())
}

async fn a_filter_works_across_pages(h: Hub) -> Checked {
    let crowd = crowd(&h, 20).await?;
    let mut expected = Vec::new();
    for work in h.turns_of_all(20).await? {
        if work.lease.instance.as_str().ends_with(['0', '3', '7']) {
            h.step(&work).status(OrchestrationStatus::Failed)?.apply().await?;
            expected.push(work.lease.instance.to_string());
        }
    }
    h.index(&crowd.into_iter().map(|i| i.id).collect::<Vec<_>>()).await?;
    let query = InstanceQuery { page_items: 2, ..statuses(&[OrchestrationStatus::Failed]) };
    h.listed(query, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn a_status_change_moves_an_instance_between_listings(h: Hub) -> Checked {
    let inst = crowd(&h, 1).await?.remove(0);
    h.listed(statuses(&[OrchestrationStatus::Pending]), &["i000"]).await?;
    h.step(&h.turn_of(&inst).await?).status(OrchestrationStatus::Completed)?.apply().await?;
    h.index(&[inst.id]).await?;
    h.listed(statuses(&[OrchestrationStatus::Pending]), &[]).await?;
    h.listed(statuses(&[OrchestrationStatus::Completed]), &["i000"]).await
}

async fn a_replaced_instance_is_listed_once(h: Hub) -> Checked {
    let old = h.completed("a").await?;
    h.index(std::slice::from_ref(&old.id)).await?;
    let mut request = h.creation("a")?;
    request.reuse = durable_core::backend::ReusePolicy::ReplaceTerminal;
    h.must_create(request).await?;
    h.index(&[old.id]).await?;
    h.listed(InstanceQuery::default(), &["a"]).await?;
    h.listed(statuses(&[OrchestrationStatus::Completed]), &[]).await
}

async fn a_placeholder_is_listed_by_its_status(h: Hub) -> Checked {
    h.sent(h.placeholder("a", "early")?).await?;
    h.index(&[iid("a")?]).await?;
    h.listed(statuses(&[OrchestrationStatus::AwaitingStart]), &["a"]).await
}

async fn a_commit_is_listed_at_once(h: Hub) -> Checked {
    h.completed("a").await?;
    h.index(&[iid("a")?]).await?;
    let found = ids(&h, statuses(&[OrchestrationStatus::Completed])).await?;
    ensure_eq!(found, ["a"], "the ids");
    Ok(())
}

async fn a_creation_is_listed_at_once(h: Hub) -> Checked {
    h.created("a").await?;
    h.index(&[iid("a")?]).await?;
    ensure_eq!(ids(&h, InstanceQuery::default()).await?, ["a"], "the ids");
    Ok(())
}
