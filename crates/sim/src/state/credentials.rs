//! Who may sign: the key pairs given at start and those that STS has issued.

use std::collections::HashMap;

use jiff::Timestamp;

/// Who made a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Account whose resources the caller sees.
    pub account: String,
    /// ARN of the identity.
    pub arn: String,
    /// `UserId` as STS tells it.
    pub user_id: String,
}

/// A key pair and whom it stands for.
#[derive(Debug, Clone)]
pub struct Key {
    /// The secret half.
    pub secret: String,
    /// Session token and its expiry, for keys that STS has issued.
    pub session: Option<(String, Timestamp)>,
    /// Whom it stands for.
    pub caller: Caller,
}

/// Why a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// No such key, or a session token that does not belong to it.
    Unknown,
    /// Its session has ended.
    Expired,
}

/// All keys by id.
#[derive(Debug, Default)]
pub struct Credentials {
    keys: HashMap<String, Key>,
}

impl Credentials {
    /// Adds a long-lived key of `account`.
    pub fn add_static(&mut self, id: &str, secret: &str, account: &str) {
        let caller = Caller {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{id}"),
            user_id: format!("AIDA{}", id.to_uppercase()),
        };
        self.keys.insert(
            id.to_owned(),
            Key {
                secret: secret.to_owned(),
                session: None,
                caller,
            },
        );
    }

    /// Adds a key that STS has issued.
    pub fn add_session(&mut self, id: String, key: Key) {
        self.keys.insert(id, key);
    }

    /// The key of this id, if the session token fits it.
    ///
    /// # Errors
    /// [`KeyProblem`].
    pub fn find(&self, id: &str, token: Option<&str>, now: Timestamp) -> Result<Key, KeyProblem> {
        let key = self.keys.get(id).ok_or(KeyProblem::Unknown)?;
        match (&key.session, token) {
            (None, None) => Ok(key.clone()),
            (Some((issued, expires)), Some(given)) if issued == given => {
                if *expires <= now {
                    Err(KeyProblem::Expired)
                } else {
                    Ok(key.clone())
                }
            }
            _ => Err(KeyProblem::Unknown),
        }
    }
}
