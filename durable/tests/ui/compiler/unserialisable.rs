//! An input that cannot be stored.

use durable::prelude::*;

struct Order;

#[activity]
async fn ship(order: Order) -> Result<(), Failure> {
    let _ = order;
    Ok(())
}

fn main() {}
