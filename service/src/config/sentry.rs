//! Reads the project of Sentry that errors are reported to.

use url::Url;

use super::{ConfigError, ConfigProblem, Secret, wrong};

/// A project of Sentry.
#[derive(Clone, Debug)]
pub struct SentryConfig {
    /// The URL that envelopes are sent to.
    pub endpoint: Url,
    /// The public key of the project, which permits writing and not reading.
    pub key: Secret,
    /// The number of errors of every 1,000 that are reported.
    pub per_mille: u16,
    /// The number of requests of every 1,000 whose duration is reported.
    pub traces_per_mille: u16,
    /// The name of this deployment.
    pub environment: String,
}

impl SentryConfig {
    /// Reads `SENTRY_DSN` (`https://KEY@HOST/PROJECT`), `SENTRY_SAMPLE_RATE` (0 to 1, default 1),
    /// `SENTRY_TRACES_SAMPLE_RATE` (0 to 1, default 0.1, the guide's) and `ENVIRONMENT`. Returns `None` if there is no DSN.
    ///
    /// # Errors
    /// [`ConfigError`] for the first variable that is wrong.
    pub fn from_lookup(
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let Some(dsn) = given("SENTRY_DSN") else { return Ok(None) };
        let (endpoint, key) = parse(&dsn).ok_or_else(|| wrong("SENTRY_DSN")(ConfigProblem::Dsn))?;
        let rate = |name: &'static str, default: &str| {
            let rate = given(name).unwrap_or_else(|| default.to_owned());
            per_mille(&rate).ok_or_else(|| wrong(name)(ConfigProblem::SampleRate))
        };
        let traces_per_mille = rate("SENTRY_TRACES_SAMPLE_RATE", "0.1")?;
        let per_mille = rate("SENTRY_SAMPLE_RATE", "1")?;
        let environment = given("ENVIRONMENT").unwrap_or_else(|| "local".to_owned());
        Ok(Some(Self { endpoint, key: Secret::new(key), per_mille, traces_per_mille, environment }))
    }
}

/// Splits a DSN into the URL of envelopes and the key.
fn parse(dsn: &str) -> Option<(Url, String)> {
    let mut url = Url::parse(dsn).ok()?;
    let key = url.username().to_owned();
    let (folder, project) = url.path().rsplit_once('/')?;
    let path = format!("{folder}/api/{project}/envelope/");
    let known = matches!(url.scheme(), "http" | "https") && url.password().is_none();
    let numeric = !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_digit());
    url.set_path(&path);
    // The key goes into a header of the envelope, and must not appear in logs as part of the URL.
    url.set_username("").ok()?;
    (known && numeric && !key.is_empty()).then_some((url, key))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
fn per_mille(text: &str) -> Option<u16> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate))?;
    Some((rate * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dsn: &str, rate: &str) -> Result<Option<SentryConfig>, ConfigError> {
        SentryConfig::from_lookup(&|name| match name {
            "SENTRY_DSN" => Some(dsn.to_owned()),
            "SENTRY_SAMPLE_RATE" => Some(rate.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_dsn_names_an_endpoint_and_a_key() {
        let config = read("https://abc@o1.ingest.sentry.io/42", "0.25").unwrap().unwrap();
        assert_eq!(config.endpoint.as_str(), "https://o1.ingest.sentry.io/api/42/envelope/");
        assert_eq!((config.key.expose(), config.per_mille), ("abc", 250));
        let below = read("http://abc@127.0.0.1:9/sentry/1", "").unwrap().unwrap();
        assert_eq!(below.endpoint.as_str(), "http://127.0.0.1:9/sentry/api/1/envelope/");
        assert!(read("", "").unwrap().is_none());
        for bad in ["x", "https://host/1", "https://k@host/", "https://k@host/x", "ftp://k@h/1"] {
            let error = read(bad, "1").unwrap_err();
            assert_eq!(error.name, "SENTRY_DSN");
            assert!(!error.problem.to_string().contains("k@"), "{bad}");
        }
        for bad in ["2", "-1", "NaN", "all"] {
            assert_eq!(read("https://k@h/1", bad).unwrap_err().name, "SENTRY_SAMPLE_RATE");
        }
    }
}
