//! One conditional update of an item, part by part.

use std::fmt::Write as _;

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use foldhash::HashMap;

/// A number as an attribute.
pub(crate) fn number(n: u64) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

/// Bytes as an attribute.
pub(crate) fn binary(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.into()))
}

/// A token or an execution as an attribute.
pub(crate) fn id(n: u128) -> AttributeValue {
    binary(n.to_be_bytes())
}

/// An update expression and a condition. Names of attributes at the top are short and not among
/// the reserved words; keys within maps are given placeholders.
#[derive(Debug, Default)]
pub(crate) struct Update {
    set: String,
    remove: String,
    add: String,
    delete: String,
    condition: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

type Attributes<T> = std::collections::HashMap<String, T>;

fn part(clause: &mut String, text: std::fmt::Arguments<'_>) {
    if !clause.is_empty() {
        clause.push(',');
    }
    // Writing to a string cannot fail.
    let _ = clause.write_fmt(text);
}

impl Update {
    /// A placeholder for a value.
    pub(crate) fn value(&mut self, value: AttributeValue) -> String {
        let name = format!(":{}", self.values.len());
        self.values.insert(name.clone(), value);
        name
    }

    /// A placeholder for a key in a map.
    pub(crate) fn key(&mut self, key: impl Into<String>) -> String {
        let name = format!("#{}", self.names.len());
        self.names.insert(name.clone(), key.into());
        name
    }

    pub(crate) fn set(&mut self, path: &str, value: AttributeValue) {
        let value = self.value(value);
        part(&mut self.set, format_args!("{path}={value}"));
    }

    /// A part of the set clause in its own words.
    pub(crate) fn set_expression(&mut self, text: &str) {
        part(&mut self.set, format_args!("{text}"));
    }

    /// Puts values at the end of a list.
    pub(crate) fn append(&mut self, path: &str, values: Vec<AttributeValue>) {
        let value = self.value(AttributeValue::L(values));
        part(&mut self.set, format_args!("{path}=list_append({path},{value})"));
    }

    pub(crate) fn remove(&mut self, path: &str) {
        part(&mut self.remove, format_args!("{path}"));
    }

    /// Adds to a number, or to a set.
    pub(crate) fn add(&mut self, path: &str, value: AttributeValue) {
        let value = self.value(value);
        part(&mut self.add, format_args!("{path} {value}"));
    }

    /// Takes out of a set.
    pub(crate) fn delete(&mut self, path: &str, value: AttributeValue) {
        let value = self.value(value);
        part(&mut self.delete, format_args!("{path} {value}"));
    }

    /// One more thing that must hold.
    pub(crate) fn when(&mut self, condition: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(condition);
    }

    pub(crate) fn when_equal(&mut self, path: &str, value: AttributeValue) {
        let value = self.value(value);
        self.when(&format!("{path}={value}"));
    }

    /// The attribute is as it was seen: absent, or of this value.
    pub(crate) fn when_still(&mut self, path: &str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.when_equal(path, value),
            None => self.when(&format!("attribute_not_exists({path})")),
        }
    }

    /// Length of the expression, which the service limits to 4 KB.
    pub(crate) fn length(&self) -> usize {
        self.set.len() + self.remove.len() + self.add.len() + self.delete.len() + 32
    }

    fn attributes(self) -> (Option<Attributes<String>>, Option<Attributes<AttributeValue>>) {
        let names = Some(self.names).filter(|n| !n.is_empty());
        let values = Some(self.values).filter(|v| !v.is_empty());
        (names.map(|n| n.into_iter().collect()), values.map(|v| v.into_iter().collect()))
    }

    /// Only the condition, for a write of the whole item.
    pub(crate) fn apply_condition(mut self, to: PutItemFluentBuilder) -> PutItemFluentBuilder {
        let condition = Some(std::mem::take(&mut self.condition)).filter(|c| !c.is_empty());
        let (names, values) = self.attributes();
        to.set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
    }

    /// Only the condition, for a removal.
    pub(crate) fn apply_delete_condition(
        mut self,
        to: DeleteItemFluentBuilder,
    ) -> DeleteItemFluentBuilder {
        let condition = Some(std::mem::take(&mut self.condition)).filter(|c| !c.is_empty());
        let (names, values) = self.attributes();
        to.set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
    }

    pub(crate) fn apply(mut self, to: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let clauses = [
            ("SET", &self.set),
            ("REMOVE", &self.remove),
            ("ADD", &self.add),
            ("DELETE", &self.delete),
        ];
        let mut expression = String::with_capacity(self.length());
        for (word, clause) in clauses.into_iter().filter(|(_, clause)| !clause.is_empty()) {
            let _ = write!(expression, "{word} {clause} ");
        }
        let expression = Some(expression).filter(|e| !e.is_empty());
        let condition = Some(std::mem::take(&mut self.condition)).filter(|c| !c.is_empty());
        let (names, values) = self.attributes();
        to.set_update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_and_placeholders_are_distinct() {
        let mut update = Update::default();
        let key = update.key("a.b");
        update.set(&format!("tk.{key}"), number(1));
        update.set("ev", number(2));
        update.remove("lt");
        update.when_equal("lt", id(3));
        update.when_still("ct", None);
        assert_eq!(update.set, "tk.#0=:0,ev=:1");
        assert_eq!(update.condition, "lt=:2 AND attribute_not_exists(ct)");
        assert_eq!(update.names.get("#0").map(String::as_str), Some("a.b"));
    }
}
