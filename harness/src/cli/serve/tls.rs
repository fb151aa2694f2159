//! The options for encryption.

use crate::serve::{ServeError, unforeseeable_seed};
use squall_sim::servers::tls::Authority;
use std::path::PathBuf;

/// Encryption.
#[derive(Debug, clap::Args)]
pub(super) struct Tls {
    /// Speak TLS, with a certificate for localhost that an authority made for this run has signed
    #[arg(long)]
    tls: bool,
    /// File to write that authority's certificate to, which clients must trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    tls_ca: Option<PathBuf>,
    /// Make the authority of this seed, the same each time; whoever knows the seed has its keys
    #[arg(long, value_name = "N", requires = "tls")]
    tls_seed: Option<u64>,
    /// A further name or address in the server's certificate; may be repeated
    #[arg(long, value_name = "NAME", requires = "tls")]
    tls_name: Vec<String>,
}

impl Tls {
    /// The authority and the server's names, if encryption is asked for.
    ///
    /// # Errors
    /// A name is none, or the authority's certificate cannot be written.
    pub(super) fn authority(&self) -> Result<Option<(Authority, Vec<&str>)>, ServeError> {
        if !self.tls {
            return Ok(None);
        }
        if let Some(odd) = self.tls_name.iter().find(|name| name.is_empty() || !name.is_ascii()) {
            return Err(ServeError::Options(format!("`{odd}` cannot be in a certificate; write names in ASCII")));
        }
        let authority = Authority::from_seed(self.tls_seed.unwrap_or_else(unforeseeable_seed));
        if let Some(file) = &self.tls_ca {
            std::fs::write(file, authority.certificate_pem()).map_err(|reason| {
                ServeError::Options(format!("cannot write the authority's certificate to {}: {reason}", file.display()))
            })?;
        }
        let names = ["localhost", "127.0.0.1", "::1"].into_iter().chain(self.tls_name.iter().map(String::as_str));
        Ok(Some((authority, names.collect())))
    }
}
