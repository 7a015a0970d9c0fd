//! Encrypts the tokens of providers with AES-256-GCM. The id of the key is stored beside the text,
//! so that keys can be rotated.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ports::{PortError, Random};

/// The number of bytes of a key of AES-256.
const KEY_BYTES: usize = 32;
/// The number of bytes of a nonce, for which GCM is designed (NIST SP 800-38D §5.2.1.1). As nonces
/// are random, one key may encrypt at most 2^32 texts (§8.3).
const NONCE_BYTES: usize = 12;

/// A text that is not an encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {KEY_BYTES} bytes in base64; `openssl rand -base64 {KEY_BYTES}` makes one")]
pub struct InvalidKey;

/// The keys that encrypt and decrypt. `Debug` shows the id of the current one only.
#[derive(Clone)]
pub struct Vault {
    current: Key,
    previous: Option<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    cipher: Box<Aes256Gcm>,
}

/// An encrypted text as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The id of the key.
    key: String,
    nonce: String,
    text: String,
}

impl Vault {
    /// Makes a vault with one key: 32 bytes in base64.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn new(key: &str) -> Result<Self, InvalidKey> {
        Ok(Self { current: Key::new(key)?, previous: None })
    }

    /// Adds the previous key, whose texts the vault still decrypts.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn with_previous(self, key: &str) -> Result<Self, InvalidKey> {
        Ok(Self { previous: Some(Key::new(key)?), ..self })
    }

    /// Encrypts a text that belongs to `owner`, whom [`Self::open`] must name again.
    ///
    /// # Errors
    /// [`PortError`] when there is no randomness.
    pub fn seal<R: Random>(
        &self,
        text: &str,
        owner: &str,
        random: &R,
    ) -> Result<Sealed, PortError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce)?;
        let payload = Payload { msg: text.as_bytes(), aad: owner.as_bytes() };
        let sealed = self.current.cipher.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| PortError::unavailable("vault", "cannot encrypt"))?;
        Ok(Sealed {
            key: self.current.id.clone(),
            nonce: URL_SAFE_NO_PAD.encode(nonce),
            text: URL_SAFE_NO_PAD.encode(sealed),
        })
    }

    /// Decrypts a text. Returns `None` if its key is not in the vault, if it was changed, or if it
    /// belongs to somebody else.
    pub fn open(&self, sealed: &Sealed, owner: &str) -> Option<String> {
        let keys = [Some(&self.current), self.previous.as_ref()];
        let key = keys.into_iter().flatten().find(|key| key.id == sealed.key)?;
        let nonce = URL_SAFE_NO_PAD.decode(&sealed.nonce).ok()?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let text = URL_SAFE_NO_PAD.decode(&sealed.text).ok()?;
        let payload = Payload { msg: &text, aad: owner.as_bytes() };
        let opened = key.cipher.decrypt(&Nonce::from(nonce), payload).ok()?;
        String::from_utf8(opened).ok()
    }
}

impl Key {
    fn new(text: &str) -> Result<Self, InvalidKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| InvalidKey)?;
        let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| InvalidKey)?;
        let digest =
            Sha256::new_with_prefix("workway vault key id:").chain_update(bytes).finalize();
        // The id tells keys apart without revealing them; 48 bits of a hash are enough for two keys.
        let id = URL_SAFE_NO_PAD.encode(digest)[..8].to_owned();
        Ok(Self { id, cipher: Box::new(cipher) })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.current.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of bytes that never repeats itself.
    struct Counter(std::sync::atomic::AtomicU8);

    impl Random for Counter {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(())
        }
    }

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; KEY_BYTES])
    }

    fn random() -> Counter {
        Counter(0.into())
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_not_shown() {
        for length in [0, KEY_BYTES - 1, KEY_BYTES + 1] {
            let text = STANDARD.encode(vec![7; length]);
            let error = Vault::new(&text).unwrap_err().to_string();
            assert!(length == 0 || !error.contains(&text));
        }
        assert!(Vault::new(&key(7)).is_ok() && Vault::new("!").is_err());
    }

    #[test]
    fn keys_change_and_the_previous_one_still_opens() {
        let old = Vault::new(&key(1)).unwrap();
        let sealed = old.seal("secret", "ann", &random()).unwrap();
        let both = Vault::new(&key(2)).unwrap().with_previous(&key(1)).unwrap();
        assert_eq!(both.open(&sealed, "ann").as_deref(), Some("secret"));
        let anew = both.seal("secret", "ann", &random()).unwrap();
        assert_eq!(old.open(&anew, "ann"), None, "the new key seals");
        assert_eq!(Vault::new(&key(2)).unwrap().open(&sealed, "ann"), None);
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn opens_for_its_owner_only_and_only_unchanged(text in ".*", owner in ".*", other in ".*") {
            let vault = Vault::new(&key(3)).unwrap();
            let random = random();
            let sealed = vault.seal(&text, &owner, &random).unwrap();
            proptest::prop_assert_eq!(vault.open(&sealed, &owner), Some(text.clone()));
            proptest::prop_assert_eq!(vault.open(&sealed, &other).is_some(), owner == other);
            let again = vault.seal(&text, &owner, &random).unwrap();
            proptest::prop_assert_ne!(&again, &sealed);
            let mixed = Sealed { nonce: again.nonce, ..sealed.clone() };
            proptest::prop_assert_eq!(vault.open(&mixed, &owner), None);
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed.text).unwrap();
            bytes[0] ^= 1;
            let changed = Sealed { text: URL_SAFE_NO_PAD.encode(bytes), ..sealed };
            proptest::prop_assert_eq!(vault.open(&changed, &owner), None);
        }
    }
}
