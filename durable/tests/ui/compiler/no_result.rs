//! An activity returns something else than a `Result`.

use durable::prelude::*;

#[activity]
async fn greet(name: String) -> String {
    name
}

fn main() {}
