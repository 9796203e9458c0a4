// What the snippets of the guide are about. Included by each of them, hidden.

use std::time::Duration;

use durable::ErrorKind;
use durable::ids::{InstanceId, QueueName};
use durable::backend::InstanceQuery;
use durable::prelude::*;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    total: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Payment {
    id: u128,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Receipt {
    label: String,
    invoice: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Approval {
    by: String,
}

impl Approval {
    fn rejected(why: &str) -> Self {
        Self { by: why.to_owned() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    customer: String,
    invoices: u64,
}

#[activity]
async fn pay(order: Order) -> Result<Payment, Failure> {
    Ok(Payment { id: u128::from(order.total) })
}

#[activity]
async fn ship(order: Order) -> Result<String, Failure> {
    Ok(format!("label for {}", order.total))
}

#[activity]
async fn bill(payment: Payment) -> Result<String, Failure> {
    Ok(format!("invoice for {}", payment.id))
}

#[activity]
async fn fetch(page: u32) -> Result<u64, Failure> {
    Ok(u64::from(page))
}

#[activity]
async fn quote(request: String) -> Result<u64, Failure> {
    Ok(request.len() as u64)
}

#[activity]
async fn greet(name: String) -> Result<String, Failure> {
    Ok(format!("Hello {name}"))
}

#[orchestration]
async fn buy(ctx: OrchestrationContext, order: Order) -> Result<Receipt, Failure> {
    Ok(Receipt { label: ctx.call(ship, order).await?, invoice: String::new() })
}

#[orchestration]
async fn make_report(ctx: OrchestrationContext, of: String) -> Result<String, Failure> {
    Ok(ctx.call(greet, of).await?)
}

mod bank {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub(crate) enum ChargeError {
        Refused(String),
        Busy,
    }

    impl std::fmt::Display for ChargeError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    pub(crate) async fn charge(total: u64, _key: &str) -> Result<super::Payment, ChargeError> {
        Ok(super::Payment { id: u128::from(total) })
    }
}
