//! Reads the settings of the sign-in, of providers, and of the encryption of their tokens.

use url::Url;

use super::{ConfigError, ConfigProblem, Secret, Vault, wrong};
use crate::domain::provider::Provider;

/// The settings of OAuth. A deployment without them has no sign-in.
#[derive(Clone, Debug)]
pub struct OAuthConfig {
    /// The address of this API as browsers reach it, to which providers send them back.
    pub public_url: Url,
    /// The keys that encrypt the tokens of providers.
    pub vault: Vault,
    google: Option<Client>,
    notion: Option<Client>,
}

/// The registration of this API as a client of a provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address of a stand-in for the provider; `None` for its real addresses.
    pub base: Option<Url>,
    /// The `client_id`.
    pub id: String,
    /// The `client_secret`.
    pub secret: Secret,
}

impl OAuthConfig {
    /// Reads `PUBLIC_URL`, `TOKEN_ENCRYPTION_KEY` and `TOKEN_ENCRYPTION_KEY_PREVIOUS`, and for each
    /// of `GOOGLE` and `NOTION` the variables `_CLIENT_ID`, `_CLIENT_SECRET` and `_BASE_URL`.
    /// Returns `None` if no provider has an id.
    pub(super) fn from_lookup(
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let google =
            client(&given, ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_BASE_URL"])?;
        let notion =
            client(&given, ["NOTION_CLIENT_ID", "NOTION_CLIENT_SECRET", "NOTION_BASE_URL"])?;
        if google.is_none() && notion.is_none() {
            return Ok(None);
        }
        // An absent key is reported like a malformed one: the message says how to make one.
        let key = given("TOKEN_ENCRYPTION_KEY").unwrap_or_default();
        let previous = given("TOKEN_ENCRYPTION_KEY_PREVIOUS");
        let vault = Vault::new(&key).map_err(wrong("TOKEN_ENCRYPTION_KEY"))?;
        let vault = match previous {
            Some(key) => {
                vault.with_previous(&key).map_err(wrong("TOKEN_ENCRYPTION_KEY_PREVIOUS"))?
            }
            None => vault,
        };
        let public_url = given("PUBLIC_URL").unwrap_or_default();
        let public_url = base_url(&public_url).map_err(wrong("PUBLIC_URL"))?;
        Ok(Some(Self { public_url, vault, google, notion }))
    }

    /// Returns the registration at `provider`, if there is one.
    pub fn client(&self, provider: Provider) -> Option<&Client> {
        match provider {
            Provider::Google => self.google.as_ref(),
            Provider::Notion => self.notion.as_ref(),
        }
    }

    /// Returns the URL to which `provider` sends browsers back.
    pub fn redirect_uri(&self, provider: Provider) -> String {
        let base = self.public_url.as_str().trim_end_matches('/');
        format!("{base}/oauth/{}/callback", provider.name())
    }

    /// Returns true if browsers reach this API by TLS. Cookies are marked as secure then.
    pub fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Returns the addresses of stand-ins for providers.
    pub fn stand_ins(&self) -> impl Iterator<Item = &Url> {
        [&self.google, &self.notion].into_iter().flatten().filter_map(|client| client.base.as_ref())
    }
}

fn client(
    given: &impl Fn(&str) -> Option<String>,
    [id_name, secret_name, base_name]: [&'static str; 3],
) -> Result<Option<Client>, ConfigError> {
    let Some(id) = given(id_name) else { return Ok(None) };
    let secret = given(secret_name);
    let secret = secret.ok_or_else(|| wrong(secret_name)(ConfigProblem::MissingWith(id_name)))?;
    let base =
        given(base_name).map(|base| base_url(&base)).transpose().map_err(wrong(base_name))?;
    Ok(Some(Client { base, id, secret: Secret::new(secret) }))
}

/// Reads an absolute URL that paths can be appended to.
fn base_url(text: &str) -> Result<Url, ConfigProblem> {
    let url = Url::parse(text).map_err(ConfigProblem::BaseUrl)?;
    let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !bare {
        return Err(ConfigProblem::NotABaseUrl);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn read(change: (&str, &str)) -> Result<Option<OAuthConfig>, ConfigError> {
        let variables = [
            ("PUBLIC_URL", "https://api.example.com"),
            ("TOKEN_ENCRYPTION_KEY", KEY),
            ("GOOGLE_CLIENT_ID", "id"),
            ("GOOGLE_CLIENT_SECRET", "hush"),
        ];
        OAuthConfig::from_lookup(&|name| {
            let changed = (change.0 == name).then_some(change.1);
            let plain = variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            changed.or(plain).map(str::to_owned)
        })
    }

    #[test]
    fn a_provider_is_there_or_not_and_what_it_needs_is_named() {
        let config = read(("", "")).unwrap().unwrap();
        assert!(config.client(Provider::Google).is_some() && config.is_secure());
        assert!(config.client(Provider::Notion).is_none());
        let expected = "https://api.example.com/oauth/google/callback";
        assert_eq!(config.redirect_uri(Provider::Google), expected);
        assert!(!format!("{config:?}").contains("hush"));
        assert!(read(("GOOGLE_CLIENT_ID", "")).unwrap().is_none());
        for (name, value) in [
            ("PUBLIC_URL", ""),
            ("PUBLIC_URL", "ftp://x"),
            ("PUBLIC_URL", "https://x/?y"),
            ("TOKEN_ENCRYPTION_KEY", ""),
            ("TOKEN_ENCRYPTION_KEY", "c2hvcnQ="),
            ("TOKEN_ENCRYPTION_KEY_PREVIOUS", "nonsense"),
            ("GOOGLE_CLIENT_SECRET", ""),
            ("GOOGLE_BASE_URL", "x"),
            ("NOTION_CLIENT_ID", "id"),
        ] {
            let error = read((name, value)).unwrap_err();
            let expected = if name == "NOTION_CLIENT_ID" { "NOTION_CLIENT_SECRET" } else { name };
            assert_eq!(error.name, expected, "{value}");
        }
    }
}
