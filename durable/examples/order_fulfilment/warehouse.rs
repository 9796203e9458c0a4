//! The warehouse: it is asked, and answers later with an event.

use durable::prelude::*;

use crate::services::dice;

/// The event it answers with.
pub(crate) const PICKED: &str = "picked";

/// A connection to the warehouse. This one lives in the same program; a real one would call
/// back over the network and raise the event from there.
#[derive(Debug)]
pub(crate) struct Warehouse {
    client: Client,
}

impl Warehouse {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks for an order to be picked. For 3 of 100 orders nobody ever answers.
    pub(crate) async fn pick(&self, order: &str, instance: &str) -> Result<(), durable::Error> {
        if dice(order, "warehouse") < 3 {
            return Ok(());
        }
        let minutes = 5 + dice(order, "picking") % 40;
        self.client.instance(instance)?.raise_event(PICKED, &minutes).send().await
    }
}
