//! Values that a worker gives to its activities: clients, pools, settings.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Failure;

/// At most one value per type.
#[derive(Clone, Default)]
pub(crate) struct Data {
    values: Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values", self.values.len())
    }
}

impl Data {
    /// Adds a value; `false` when there is one of the type already.
    pub(crate) fn add<T: Any + Send + Sync>(&mut self, value: Arc<T>) -> bool {
        Arc::make_mut(&mut self.values).insert(TypeId::of::<T>(), value).is_none()
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Result<Arc<T>, Failure> {
        let value = self.values.get(&TypeId::of::<T>()).cloned();
        value.and_then(|value| value.downcast().ok()).ok_or_else(|| {
            Failure::non_retryable(format!(
                "the worker was given no `{0}`; add it with `Worker::builder(…).data(…)`",
                type_name::<T>()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_type_and_missing_ones_are_named() {
        let mut data = Data::default();
        assert!(data.add(Arc::new(7_u32)));
        assert!(!data.add(Arc::new(8_u32)));
        assert_eq!(*data.get::<u32>().unwrap(), 8);
        let error = data.get::<String>().unwrap_err();
        assert!(error.to_string().contains("String"), "{error}");
        assert!(!error.is_retryable());
    }
}
