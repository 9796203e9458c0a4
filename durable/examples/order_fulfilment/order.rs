//! Orders and what becomes of them.

use serde::{Deserialize, Serialize};

/// One order, as the customer placed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Unique in the file.
    pub(crate) id: String,
    pub(crate) email: String,
    /// Two letters.
    pub(crate) country: String,
    pub(crate) card: String,
    pub(crate) lines: Vec<Line>,
}

/// So many of one article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Begins with the letter of the warehouse that has it.
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    /// For one.
    pub(crate) price_cents: u64,
}

impl Order {
    pub(crate) fn total_cents(&self) -> u64 {
        self.lines.iter().map(|line| line.price_cents * u64::from(line.quantity)).sum()
    }
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Shipped,
    Rejected,
    OutOfStock,
    CardDeclined,
    PaymentUnavailable,
    WarehouseSilent,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Rejected => "rejected",
            Self::OutOfStock => "out of stock",
            Self::CardDeclined => "card declined",
            Self::PaymentUnavailable => "payment unavailable",
            Self::WarehouseSilent => "warehouse silent, refunded",
        }
    }
}

/// What the process answers for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fulfilment {
    pub(crate) outcome: Outcome,
    /// What the customer has paid in the end.
    pub(crate) paid_cents: u64,
    /// How often the card was tried.
    pub(crate) attempts: u32,
    /// Tracking numbers.
    pub(crate) shipments: Vec<String>,
    /// Working time that the services reported, in milliseconds.
    pub(crate) service_ms: u64,
    /// Why, when it did not end well.
    pub(crate) reason: String,
}
