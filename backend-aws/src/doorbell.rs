//! What is written on a doorbell.

use durable_core::ids::{InstanceId, MessageId, QueueName};

use crate::values::{id_text, read_id_text};

/// SQS takes only what XML allows. Ids hold no control characters; two more are missing in XML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '\u{fffe}' => out.push_str("%fe"),
            '\u{ffff}' => out.push_str("%ff"),
            c => out.push(c),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    text.replace("%fe", "\u{fffe}").replace("%ff", "\u{ffff}").replace("%25", "%")
}

/// A doorbell for an instance.
pub(crate) fn of_instance(instance: &InstanceId) -> String {
    escape(instance.as_str())
}

pub(crate) fn read_instance(body: &str) -> Option<InstanceId> {
    InstanceId::new(unescape(body)).ok()
}

/// A doorbell for tasks of one item.
pub(crate) fn of_tasks(
    queue: &QueueName,
    instance: &InstanceId,
    item: &str,
    tasks: &[MessageId],
) -> String {
    let (queue, instance) = (escape(queue.as_str()), escape(instance.as_str()));
    let mut text = format!("{queue}\n{instance}\n{item}");
    for task in tasks {
        text.push('\n');
        text.push_str(&id_text(*task));
    }
    text
}

pub(crate) fn read_tasks(body: &str) -> Option<(QueueName, InstanceId, String, Vec<MessageId>)> {
    let mut lines = body.split('\n');
    let queue = QueueName::new(unescape(lines.next()?)).ok()?;
    let instance = read_instance(lines.next()?)?;
    let item = lines.next()?.to_owned();
    let tasks: Option<Vec<_>> = lines.map(|line| read_id_text(line).ok()).collect();
    tasks.filter(|tasks| !tasks.is_empty()).map(|tasks| (queue, instance, item, tasks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doorbells_come_back_whatever_the_ids() {
        for id in ["a", "A b", "100%", "%25", "%fe\u{fffe}\u{ffff}%ff", "\u{1F600}"] {
            let instance = InstanceId::new(id).unwrap();
            let body = of_instance(&instance);
            assert!(!body.contains(['\u{fffe}', '\u{ffff}']));
            assert_eq!(read_instance(&body), Some(instance.clone()), "{id}");
            let queue = QueueName::new(id).unwrap();
            let tasks = vec![MessageId { source: 7, seq: 3 }, MessageId { source: 8, seq: 0 }];
            let read = read_tasks(&of_tasks(&queue, &instance, "M", &tasks));
            assert_eq!(read, Some((queue, instance, "M".to_owned(), tasks)));
        }
        assert_eq!(read_instance(""), None);
        assert_eq!(read_tasks("a\nb\nM"), None);
    }
}
