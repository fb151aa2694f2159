//! `squall serve postgres`

use super::Where;
use crate::serve::ServeError;
use crate::serve::postgres::Postgres;
use squall_sim::servers::postgres::Auth;

/// PostgreSQL: its wire protocol over SQLite, for the statements of the cluster's metadata store.
///
/// The data is in memory and outlives SIGHUP.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) place: Where,
    /// The one user who may connect [default: everybody may]
    #[arg(long, value_name = "NAME", requires = "password")]
    user: Option<String>,
    /// That user's password
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    password: Option<String>,
}

impl Args {
    pub(super) fn service(&self) -> Result<Postgres, ServeError> {
        let auth = match (&self.user, &self.password) {
            (Some(user), Some(password)) => Auth::Password { user: user.clone(), password: password.clone() },
            _ => Auth::Trust,
        };
        Ok(Postgres::new(auth)?)
    }
}
