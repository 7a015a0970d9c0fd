//! Defines the resources that a platform bills, and amounts of them.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{AddAssign, Mul},
    str::FromStr,
};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Defines the resources. The names up to `object_reads` are those of the `Workway-Usage` header.
macro_rules! resources {
    ($($(#[$doc:meta])* $variant:ident $name:literal $label:literal $unit:literal,)*) => {
        /// A resource that a platform bills.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Resource {
            $($(#[$doc])* $variant,)*
        }

        impl Resource {
            /// Every resource, in the order of a bill.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name in price books and in the `Workway-Usage` header.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the name for a reader.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }

            /// Returns the name of one unit.
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)* }
            }
        }
    };
}

resources! {
    /// Requests to the Worker.
    Requests "requests" "requests" "request",
    /// Milliseconds of CPU time of the Worker.
    CpuMs "cpu_ms" "CPU, ms" "millisecond",
    /// Rows that statements looked at, in D1 and in objects.
    RowsRead "rows_read" "rows read" "row",
    /// Rows and index entries written, in D1 and in objects.
    RowsWritten "rows_written" "rows written" "row",
    /// KV values read.
    KvReads "kv_reads" "KV reads" "value",
    /// KV values written.
    KvWrites "kv_writes" "KV writes" "value",
    /// KV values deleted.
    KvDeletes "kv_deletes" "KV deletes" "value",
    /// Requests to Durable Objects, alarms included.
    ActorRequests "actor_requests" "object requests" "request",
    /// Gigabyte-seconds that Durable Objects were in memory.
    ActorGbS "actor_gb_s" "object GB-s" "gigabyte-second",
    /// Outbound HTTP requests.
    OutboundRequests "outbound_requests" "outbound requests" "request",
    /// Tokens that AI models read.
    AiInputTokens "ai_input_tokens" "AI tokens in" "token",
    /// Those of the tokens that models read which came from a model's own cache.
    AiCachedInputTokens "ai_cached_input_tokens" "AI tokens cached" "token",
    /// Tokens that AI models wrote.
    AiOutputTokens "ai_output_tokens" "AI tokens out" "token",
    /// Thousandths of a neuron, the unit of Workers AI.
    AiMillineurons "ai_millineurons" "AI millineurons" "millineuron",
    /// Dimensions of the vectors that searches looked at.
    VectorDimensionsQueried "vector_dimensions_queried" "vector dims queried" "dimension",
    /// Dimensions of vectors written.
    VectorDimensionsWritten "vector_dimensions_written" "vector dims written" "dimension",
    /// Analytics data points written.
    AnalyticsPoints "analytics_points" "analytics points" "point",
    /// Objects written or listed in object storage.
    ObjectWrites "object_writes" "object-store writes" "operation",
    /// Objects read from object storage.
    ObjectReads "object_reads" "object-store reads" "operation",
    /// Events of the log: an invocation, and each line that the Worker writes.
    LogEvents "log_events" "log events" "event",
    /// Bytes of the events of the log.
    LogBytes "log_bytes" "log bytes" "byte",
    /// Gigabytes of log that were taken in.
    LogsIngestedGb "logs_ingested_gb" "logs ingested, GB" "gigabyte",
    /// Gigabytes of log that are kept.
    LogsStoredGb "logs_stored_gb" "logs stored, GB" "gigabyte-month",
    /// Messages that Durable Objects received over a `WebSocket`.
    ActorMessages "actor_messages" "object messages" "message",
    /// Operations on queues, each for 64 KB of a message.
    QueueOperations "queue_operations" "queue operations" "operation",
    /// Gibibyte-seconds of the memory of containers.
    ContainerMemoryGibS "container_memory_gib_s" "container memory" "gibibyte-second",
    /// Seconds of the virtual processors of containers.
    ContainerVcpuS "container_vcpu_s" "container CPU" "vCPU-second",
    /// Gigabyte-seconds of the disks of containers.
    ContainerDiskGbS "container_disk_gb_s" "container disk" "gigabyte-second",
    /// Gigabytes that containers sent in North America and Europe.
    ContainerEgressGb "container_egress_gb" "container egress" "gigabyte",
    /// Gigabytes that containers sent in Oceania, Korea and Taiwan.
    ContainerEgressOceaniaGb "container_egress_oceania_gb" "container egress, Oceania" "gigabyte",
    /// Gigabytes that containers sent anywhere else.
    ContainerEgressOtherGb "container_egress_other_gb" "container egress, elsewhere" "gigabyte",
    /// Pages of keys that KV listed.
    KvLists "kv_lists" "KV lists" "list",
    /// Queries of analytics data.
    AnalyticsQueries "analytics_queries" "analytics queries" "query",
    /// Requests whose log was pushed elsewhere.
    LogpushRequests "logpush_requests" "Logpush requests" "request",
    /// Gigabytes in D1.
    D1StoredGb "d1_stored_gb" "D1 storage, GB" "gigabyte-month",
    /// Gigabytes in KV.
    KvStoredGb "kv_stored_gb" "KV storage, GB" "gigabyte-month",
    /// Gigabytes in Durable Objects.
    ActorStoredGb "actor_stored_gb" "object storage, GB" "gigabyte-month",
    /// Gigabytes in object storage.
    ObjectStoredGb "object_stored_gb" "object-store GB" "gigabyte-month",
    /// Gigabytes of the state of Workflows.
    WorkflowStoredGb "workflow_stored_gb" "Workflows storage, GB" "gigabyte-month",
    /// Dimensions of the vectors that are kept.
    VectorDimensionsStored "vector_dimensions_stored" "vector dims stored" "dimension-month",
}

impl Resource {
    /// The resources that are stored over time. Their amounts do not depend on the number of
    /// requests, so that no request has a share of them.
    pub const HELD: [Self; 6] = [
        Self::D1StoredGb,
        Self::KvStoredGb,
        Self::ActorStoredGb,
        Self::ObjectStoredGb,
        Self::WorkflowStoredGb,
        Self::VectorDimensionsStored,
    ];

    /// Returns true if this is one of [`Resource::HELD`].
    pub fn is_held(self) -> bool {
        Self::HELD.contains(&self)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no [`Resource`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no resource{}", near(name))]
pub struct UnknownResource {
    name: String,
}

fn near(name: &str) -> String {
    let closest = Resource::ALL
        .iter()
        .map(|resource| (strsim::jaro_winkler(name, resource.name()), resource))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match closest {
        Some((score, resource)) if score > 0.8 => format!("; did you mean `{resource}`?"),
        _ => String::new(),
    }
}

impl FromStr for Resource {
    type Err = UnknownResource;

    fn from_str(name: &str) -> Result<Self, UnknownResource> {
        let found = Self::ALL.iter().find(|resource| resource.name() == name);
        found.copied().ok_or_else(|| UnknownResource { name: name.to_owned() })
    }
}

/// Amounts of resources, exact. The amount of a resource that is absent is zero. A sum or a product
/// beyond exact arithmetic becomes the largest number, of which no bill is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amounts(BTreeMap<Resource, Decimal>);

impl Amounts {
    /// Returns the amount of one resource.
    pub fn get(&self, resource: Resource) -> Decimal {
        self.0.get(&resource).copied().unwrap_or_default()
    }

    /// Sets the amount of one resource.
    pub fn set(&mut self, resource: Resource, amount: Decimal) {
        if amount.is_zero() {
            self.0.remove(&resource);
        } else {
            self.0.insert(resource, amount);
        }
    }

    /// Returns these amounts with that of one resource set.
    pub fn with(mut self, resource: Resource, amount: Decimal) -> Self {
        self.set(resource, amount);
        self
    }

    /// Returns the amounts that are not zero, in the order of a bill.
    pub fn iter(&self) -> impl Iterator<Item = (Resource, Decimal)> {
        self.0.iter().map(|(resource, amount)| (*resource, *amount))
    }
}

impl AddAssign<&Amounts> for Amounts {
    fn add_assign(&mut self, other: &Amounts) {
        for (resource, amount) in other.iter() {
            let sum = self.get(resource).checked_add(amount);
            self.set(resource, sum.unwrap_or(Decimal::MAX));
        }
    }
}

impl Mul<Decimal> for &Amounts {
    type Output = Amounts;

    fn mul(self, factor: Decimal) -> Amounts {
        let mut product = Amounts::default();
        for (resource, amount) in self.iter() {
            product.set(resource, amount.checked_mul(factor).unwrap_or(Decimal::MAX));
        }
        product
    }
}

impl FromIterator<(Resource, Decimal)> for Amounts {
    fn from_iter<I: IntoIterator<Item = (Resource, Decimal)>>(pairs: I) -> Self {
        pairs.into_iter().fold(Self::default(), |amounts, (resource, amount)| {
            let sum = amounts.get(resource).checked_add(amount);
            amounts.with(resource, sum.unwrap_or(Decimal::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_a_suggestion() {
        let error = Resource::from_str("row_read").unwrap_err();
        assert_eq!(error.to_string(), "`row_read` is no resource; did you mean `rows_read`?");
        assert_eq!(Resource::from_str("xyz").unwrap_err().to_string(), "`xyz` is no resource");
    }
}
