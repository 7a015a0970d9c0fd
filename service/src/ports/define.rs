//! A macro that writes the accessors of platforms, objects and decorators around them.

/// Defines the ports of a [`Platform`](crate::ports::Platform) or an
/// [`ActorContext`](crate::ports::ActorContext), for use inside the `impl`.
///
/// A line `database: SqliteDatabase = &self.database;` defines the associated type and the accessor of a
/// port. `sessions` and `breaker` have no type of their own. What a decorator of a platform does not
/// change is listed once: `..(http, clock, log) of Native = self.native;`.
///
/// ```ignore
/// impl Platform for Faulty {
///     define_ports! { self:
///         database: Port<SqliteDatabase> = &self.database;
///         ..(cache, sessions, /* … */ log) of Native = self.native;
///     }
/// }
/// ```
#[macro_export]
macro_rules! define_ports {
    (
        $this:ident: $($port:ident: $type:ty = $from:expr;)*
        $(..($($forwarded:ident),* $(,)?) of $inner_type:ty = $inner:expr;)?
    ) => {
        $($crate::define_ports! { @ $port own $this ($type) ($from) })*
        $($($crate::define_ports! { @ $forwarded forward $this ($inner_type) ($inner) })*)?
    };

    // The name of the associated type of each port.
    (@ database $($how:tt)*) => { $crate::define_ports! { @port database Database $($how)* } };
    (@ cache $($how:tt)*) => { $crate::define_ports! { @port cache KeyValue $($how)* } };
    (@ http_cache $($how:tt)*) => { $crate::define_ports! { @port http_cache HttpCache $($how)* } };
    (@ rate_limiter $($how:tt)*) => {
        $crate::define_ports! { @port rate_limiter RateLimiter $($how)* }
    };
    (@ actors $($how:tt)*) => { $crate::define_ports! { @port actors Actors $($how)* } };
    (@ backups $($how:tt)*) => { $crate::define_ports! { @port backups ObjectStore $($how)* } };
    (@ http $($how:tt)*) => { $crate::define_ports! { @port http Http $($how)* } };
    (@ clock $($how:tt)*) => { $crate::define_ports! { @port clock Clock $($how)* } };
    (@ random $($how:tt)*) => { $crate::define_ports! { @port random Random $($how)* } };
    (@ analytics $($how:tt)*) => { $crate::define_ports! { @port analytics Analytics $($how)* } };
    (@ ledger $($how:tt)*) => { $crate::define_ports! { @port ledger Ledger $($how)* } };
    // Ports that a deployment may lack.
    (@ ai $($how:tt)*) => { $crate::define_ports! { @optional ai Ai $($how)* } };
    (@ vectors $($how:tt)*) => { $crate::define_ports! { @optional vectors VectorIndex $($how)* } };

    (@ $port:ident own $this:ident ($type:ty) ($from:expr)) => {
        fn $port(&$this) -> &$type { $from }
    };
    (@ sessions forward $this:ident ($inner_type:ty) ($inner:expr)) => {
        fn sessions(&$this) -> &Self::KeyValue { $inner.sessions() }
    };
    (@ breaker forward $this:ident ($inner_type:ty) ($inner:expr)) => {
        fn breaker(&$this) -> &$crate::ports::Breaker { $inner.breaker() }
    };
    (@ wait_until forward $this:ident ($inner_type:ty) ($inner:expr)) => {
        fn wait_until(&$this, work: impl Future<Output = ()> + Send + 'static) {
            $inner.wait_until(work);
        }
    };
    (@ $log:ident forward $this:ident ($inner_type:ty) ($inner:expr)) => {
        fn $log(&$this, line: &str) { $inner.$log(line); }
    };

    (@port $port:ident $name:ident own $this:ident ($type:ty) ($from:expr)) => {
        type $name = $type;
        fn $port(&$this) -> &$type { $from }
    };
    (@port $port:ident $name:ident forward $this:ident ($inner_type:ty) ($inner:expr)) => {
        type $name = <$inner_type as $crate::ports::Platform>::$name;
        fn $port(&$this) -> &Self::$name { $inner.$port() }
    };
    (@optional $port:ident $name:ident own $this:ident ($type:ty) ($from:expr)) => {
        type $name = $type;
        fn $port(&$this) -> Option<&$type> { $from }
    };
    (@optional $port:ident $name:ident forward $this:ident ($inner_type:ty) ($inner:expr)) => {
        type $name = <$inner_type as $crate::ports::Platform>::$name;
        fn $port(&$this) -> Option<&Self::$name> { $inner.$port() }
    };
}
