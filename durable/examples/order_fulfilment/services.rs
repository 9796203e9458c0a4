//! The activities: everything that touches the world outside.
//!
//! The services are simulated, with faults that depend only on the order, so that every run
//! over the same file has the same outcomes.

use std::time::Duration;

use durable::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::order::{Line, Order};
use crate::warehouse::Warehouse;

/// A number from 0 to 99 that depends on nothing but these words: FNV-1a, then mixed so that
/// words which differ in one letter have nothing in common.
pub(crate) fn dice(order: &str, purpose: &str) -> u64 {
    let words = [order.as_bytes(), b"/", purpose.as_bytes()].concat();
    let mut hash = words.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 29)) % 100
}

/// What a call to a service takes: a few milliseconds, as over a network.
async fn work(order: &str, service: &str) -> u64 {
    let ms = 1 + dice(order, service) % 8;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    ms
}

/// Why the payment did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PaymentError {
    /// Trying again may help.
    Busy { attempt: u32 },
    /// The bank says no, and will say so again.
    Declined,
    /// The charge could not be written down.
    Unbooked(String),
}

impl std::fmt::Display for PaymentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy { attempt } => write!(f, "the payment gateway was busy {attempt} times"),
            Self::Declined => write!(f, "the bank declined the card"),
            Self::Unbooked(text) => f.write_str(text),
        }
    }
}

/// A charge that went through.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Paid {
    pub(crate) cents: u64,
    pub(crate) attempt: u32,
    pub(crate) service_ms: u64,
}

/// Checks the order; answers with the working time.
#[activity]
pub(crate) async fn validate(order: Order) -> Result<u64, String> {
    let ms = work(&order.id, "validate").await;
    if order.lines.is_empty() {
        return Err("no items".to_owned());
    }
    if let Some(line) = order.lines.iter().find(|line| line.quantity == 0) {
        return Err(format!("quantity 0 of {}", line.sku));
    }
    let (name, host) = order.email.split_once('@').unwrap_or_default();
    if name.is_empty() || !host.contains('.') {
        return Err(format!("no e-mail address: {:?}", order.email));
    }
    if order.country.len() != 2 {
        return Err(format!("no country: {:?}", order.country));
    }
    Ok(ms)
}

/// Sets the articles aside; fails when one is no longer made.
#[activity]
pub(crate) async fn reserve_stock(order: Order) -> Result<u64, String> {
    let ms = work(&order.id, "reserve").await;
    match order.lines.iter().find(|line| line.sku.ends_with("-0000")) {
        Some(line) => Err(format!("{} is sold out", line.sku)),
        None => Ok(ms),
    }
}

/// Puts the articles back.
#[activity]
pub(crate) async fn release_stock(order: String) -> Result<u64, Failure> {
    Ok(work(&order, "release").await)
}

fn unbooked(failure: Failure) -> PaymentError {
    PaymentError::Unbooked(failure.to_string())
}

/// Charges the card. The idempotency key is the same for every attempt and every repetition
/// after a crash, so the provider charges once.
#[activity]
pub(crate) async fn charge(
    ctx: ActivityContext,
    order: String,
    cents: u64,
) -> Result<Paid, PaymentError> {
    let service_ms = work(&order, "charge").await;
    if dice(&order, "card") < 2 {
        return Err(PaymentError::Declined);
    }
    let attempt = ctx.attempt();
    if dice(&order, &format!("gateway {attempt}")) < 25 {
        return Err(PaymentError::Busy { attempt });
    }
    let ledger = ctx.data::<Ledger>().map_err(unbooked)?;
    ledger.charge(&ctx.idempotency_key(), &order, cents).map_err(unbooked)?;
    Ok(Paid { cents, attempt, service_ms })
}

/// Pays back what was charged.
#[activity]
pub(crate) async fn refund(
    ctx: ActivityContext,
    order: String,
    cents: u64,
) -> Result<u64, Failure> {
    let ms = work(&order, "refund").await;
    ctx.data::<Ledger>()?.refund(&ctx.idempotency_key(), &order, cents)?;
    Ok(ms)
}

/// Asks the warehouse to pick the order; it answers with an event.
#[activity]
pub(crate) async fn ask_warehouse(ctx: ActivityContext, order: String) -> Result<u64, Failure> {
    let ms = work(&order, "ask").await;
    ctx.data::<Warehouse>()?.pick(&order, ctx.instance_id().as_str()).await?;
    Ok(ms)
}

/// One parcel from one warehouse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) order: String,
    pub(crate) warehouse: char,
    pub(crate) lines: Vec<Line>,
}

/// Books a carrier; answers with the tracking number.
#[activity]
pub(crate) async fn book_carrier(parcel: Parcel) -> Result<String, Failure> {
    work(&parcel.order, "carrier").await;
    let number = dice(&parcel.order, &format!("parcel {}", parcel.warehouse));
    Ok(format!("{}{number:02}-{}", parcel.warehouse, parcel.order))
}

/// Hands the parcel to the carrier.
#[activity]
pub(crate) async fn hand_over(tracking: String) -> Result<(), Failure> {
    work(&tracking, "hand over").await;
    Ok(())
}

/// Tells the customer.
#[activity]
pub(crate) async fn notify(email: String, _text: String) -> Result<u64, Failure> {
    Ok(work(&email, "notify").await)
}
