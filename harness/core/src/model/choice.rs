//! The choices of the language that the plan keeps as they are.

/// How an instant is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstantFormat {
    /// Whole seconds since 1970.
    #[default]
    Seconds,
    /// Whole milliseconds since 1970.
    Milliseconds,
    /// RFC 3339, in UTC.
    Rfc3339,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Two digits for each byte.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
    /// Base64 for URLs, without padding.
    Base64Url,
}

/// How a signed token is made a bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spoil {
    /// The signature is left out: `header.claims.`
    NoSignature,
    /// One bit of the signature is another.
    FlipSignature,
    /// The last quarter of the signature is left out.
    CutSignature,
    /// One bit of the claims is another.
    FlipClaims,
    /// There is a fourth part.
    ExtraPart,
}

/// How precisely iterations start.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Pacing {
    /// Everything that is due within a millisecond leaves at its end. The cheapest.
    Tick,
    /// Each when it is due, as precisely as the system wakes us up: some 50 µs. A wake-up for each
    /// iteration costs the generator about 10 µs.
    Exact,
}

/// Which requests of a load share a connection.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// Whichever find one open; the fewest connections.
    #[default]
    Reuse,
    /// None: each makes a connection and closes it.
    PerOperation,
    /// Those of one user: an iteration that arrives, or a user who comes back.
    PerUser,
}

/// A part of what an answer depends on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPart {
    /// Who asks.
    User,
    /// The path, and the query.
    Path,
    /// The body, as JSON.
    Body,
}
