//! The business process.

use std::collections::BTreeMap;
use std::time::Duration;

use durable::prelude::*;
use futures_util::future::try_join_all;

use crate::order::{Fulfilment, Line, Order, Outcome};
use crate::services::{
    Parcel, PaymentError, ask_warehouse, book_carrier, charge, hand_over, notify, refund,
    release_stock, reserve_stock, validate,
};
use crate::warehouse::PICKED;

/// How long the warehouse may take to answer.
const WAREHOUSE_LIMIT: Duration = Duration::from_secs(2);

/// How often the card is tried.
const PAYMENT_ATTEMPTS: u32 = 4;

/// One order from its file to the customer's door, or back to where it came from.
#[orchestration]
pub(crate) async fn fulfil(ctx: OrchestrationContext, order: Order) -> Result<Fulfilment, Failure> {
    let mut ended = Fulfilment {
        outcome: Outcome::Shipped,
        paid_cents: 0,
        attempts: 0,
        shipments: Vec::new(),
        service_ms: 0,
        reason: String::new(),
    };
    let mut saga = ctx.saga();
    match advance(&ctx, &order, &mut saga, &mut ended).await? {
        None => saga.commit(),
        Some((outcome, reason)) => {
            ctx.set_custom_status(&format!("compensating: {reason}"))?;
            // What cannot be compensated must not look finished.
            saga.roll_back().await.map_err(|failures| failures[0].clone())?;
            ended = Fulfilment { outcome, reason, paid_cents: 0, ..ended };
        }
    }
    let text = format!("your order {}: {}", order.id, ended.outcome.name());
    ended.service_ms += ctx.call(notify, (order.email, text)).await?;
    Ok(ended)
}

/// Why an order cannot be fulfilled.
type Stop = Option<(Outcome, String)>;

/// The way forward; whatever it does, it puts the way back into the saga first.
async fn advance(
    ctx: &OrchestrationContext,
    order: &Order,
    saga: &mut Saga,
    ended: &mut Fulfilment,
) -> Result<Stop, Failure> {
    match ctx.call(validate, order.clone()).await {
        Ok(ms) => ended.service_ms += ms,
        Err(TaskError::Application(problem)) => return Ok(Some((Outcome::Rejected, problem))),
        Err(other) => return Err(other.into()),
    }

    saga.compensate(release_stock, order.id.clone());
    match ctx.call(reserve_stock, order.clone()).await {
        Ok(ms) => ended.service_ms += ms,
        Err(TaskError::Application(problem)) => return Ok(Some((Outcome::OutOfStock, problem))),
        Err(other) => return Err(other.into()),
    }

    let policy = RetryPolicy::exponential(PAYMENT_ATTEMPTS)
        .first_interval(Duration::from_millis(50))
        .jitter(0.2);
    let charged = ctx
        .activity(charge)
        .retry(policy)
        .retry_if(|error| error.application() != Some(&PaymentError::Declined))
        .start_to_close(Duration::from_secs(30))
        .call((order.id.clone(), order.total_cents()))
        .await;
    match charged {
        Ok(paid) => {
            ended.paid_cents = paid.cents;
            ended.attempts = paid.attempt;
            ended.service_ms += paid.service_ms;
            saga.compensate(refund, (order.id.clone(), paid.cents));
        }
        Err(TaskError::Application(error @ PaymentError::Declined)) => {
            ended.attempts = 1;
            return Ok(Some((Outcome::CardDeclined, error.to_string())));
        }
        Err(TaskError::Application(error @ PaymentError::Busy { attempt })) => {
            ended.attempts = attempt;
            return Ok(Some((Outcome::PaymentUnavailable, error.to_string())));
        }
        Err(other) => return Err(other.into()),
    }

    ended.service_ms += ctx.call(ask_warehouse, order.id.clone()).await?;
    match ctx.event_within::<u64>(PICKED, WAREHOUSE_LIMIT).await {
        Ok(minutes) => ctx.set_custom_status(&format!("picked in {} minutes", minutes?))?,
        Err(TimedOut) => {
            let reason = "the warehouse did not answer".to_owned();
            return Ok(Some((Outcome::WarehouseSilent, reason)));
        }
    }

    let shipments = parcels(order).into_iter().map(|parcel| ctx.call_child(ship, parcel));
    ended.shipments = try_join_all(shipments).await?;
    Ok(None)
}

/// What goes together: one parcel per warehouse.
fn parcels(order: &Order) -> Vec<Parcel> {
    let mut by_warehouse: BTreeMap<char, Vec<Line>> = BTreeMap::new();
    for line in &order.lines {
        let warehouse = line.sku.chars().next().unwrap_or('A');
        by_warehouse.entry(warehouse).or_default().push(line.clone());
    }
    by_warehouse
        .into_iter()
        .map(|(warehouse, lines)| Parcel { order: order.id.clone(), warehouse, lines })
        .collect()
}

/// One parcel; answers with its tracking number.
#[orchestration]
pub(crate) async fn ship(ctx: OrchestrationContext, parcel: Parcel) -> Result<String, Failure> {
    let tracking = ctx.call(book_carrier, parcel).await?;
    ctx.call(hand_over, tracking.clone()).await?;
    Ok(tracking)
}
