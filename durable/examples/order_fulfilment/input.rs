//! Reading orders: CSV or JSON Lines. Nothing is started when a line is wrong.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use crate::order::{Line, Order};

/// One line of the file; both formats have these fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    order: String,
    email: String,
    country: String,
    card: String,
    /// `SKU*QUANTITY@CENTS`, separated by spaces.
    items: String,
}

/// Problems shown before the rest is only counted.
const PROBLEMS_SHOWN: usize = 10;

/// Reads all orders of a file.
///
/// The error names the file and each bad line.
pub(crate) fn read(path: &Path) -> Result<Vec<Order>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    let rows = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => csv_rows(&text),
        Some("jsonl" | "ndjson") => json_rows(&text),
        _ => return Err(format!("{shown}: the name must end in .csv, .jsonl or .ndjson")),
    };
    let mut seen = HashSet::new();
    let mut orders = Vec::new();
    let mut problems = Vec::new();
    for (number, row) in rows {
        match row.and_then(order) {
            Ok(order) if !seen.insert(order.id.clone()) => {
                problems.push(format!("{shown}:{number}: order {:?} is there twice", order.id));
            }
            Ok(order) => orders.push(order),
            Err(problem) => problems.push(format!("{shown}:{number}: {problem}")),
        }
    }
    if orders.is_empty() && problems.is_empty() {
        return Err(format!("{shown}: no orders"));
    }
    if problems.is_empty() {
        return Ok(orders);
    }
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
    problems.truncate(PROBLEMS_SHOWN);
    let rest = if more == 0 { String::new() } else { format!("\n… and {more} more") };
    Err(problems.join("\n") + &rest)
}

type NumberedRow = (u64, Result<Row, String>);

fn csv_rows(text: &str) -> Vec<NumberedRow> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for row in reader.deserialize() {
        let number = match &row {
            Ok(_) => rows.len() as u64 + 2,
            Err(error) => error.position().map_or(1, csv::Position::line),
        };
        rows.push((number, row.map_err(|e: csv::Error| e.to_string())));
    }
    rows
}

fn json_rows(text: &str) -> Vec<NumberedRow> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, serde_json::from_str(line).map_err(|e| e.to_string())))
        .collect()
}

fn order(row: Row) -> Result<Order, String> {
    let well_formed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if row.order.is_empty() || row.order.len() > 64 || !row.order.chars().all(well_formed) {
        return Err(format!("{:?} is no order number (letters, digits, - and _)", row.order));
    }
    let lines = row.items.split_whitespace().map(line).collect::<Result<_, _>>()?;
    Ok(Order { id: row.order, email: row.email, country: row.country, card: row.card, lines })
}

fn line(text: &str) -> Result<Line, String> {
    let bad = || format!("{text:?} is no item; expected SKU*QUANTITY@CENTS, e.g. A-1007*2@1999");
    let (sku, rest) = text.split_once('*').ok_or_else(bad)?;
    let (quantity, price) = rest.split_once('@').ok_or_else(bad)?;
    Ok(Line {
        sku: sku.to_owned(),
        quantity: quantity.parse().map_err(|_| bad())?,
        // Keeps every sum far from overflow.
        price_cents: price.parse::<u32>().map_err(|_| bad())?.into(),
    })
}
