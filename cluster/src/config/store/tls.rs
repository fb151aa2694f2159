//! `tls.ca`: whom to trust.

use super::super::reader::Table;

/// Certificates of the authorities that a server's certificate may come from, instead of those that the system trusts.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities(String);

impl Authorities {
    /// Takes PEM text with one certificate or several; other PEM sections are skipped.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn from_pem(pem: String) -> Result<Self, String> {
        check(&pem)?;
        Ok(Self(pem))
    }

    /// The text.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.0
    }

    /// What the TLS library makes of them.
    ///
    /// # Errors
    /// Names the certificate that cannot be used.
    #[cfg(feature = "nats")]
    pub(crate) fn roots(&self) -> Result<rustls::RootCertStore, String> {
        roots(&self.0)
    }

    /// `tls.ca` of a store section.
    pub(super) fn read(tls: &Table<'_, '_>) -> Option<Self> {
        match Self::from_pem(tls.string("ca")?) {
            Ok(authorities) => Some(authorities),
            Err(problem) => {
                tls.refuse("ca", &problem, "give the text of a PEM file: -----BEGIN CERTIFICATE----- and so on");
                None
            }
        }
    }
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of PEM", self.0.len())
    }
}

#[cfg(any(feature = "nats", feature = "redis"))]
fn check(pem: &str) -> Result<(), String> {
    roots(pem).map(|_| ())
}

#[cfg(not(any(feature = "nats", feature = "redis")))]
fn check(pem: &str) -> Result<(), String> {
    if pem.contains("-----BEGIN CERTIFICATE-----") { Ok(()) } else { Err("holds no certificate".to_owned()) }
}

#[cfg(any(feature = "nats", feature = "redis"))]
fn roots(pem: &str) -> Result<rustls::RootCertStore, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let certificate = certificate.map_err(|error| format!("is no PEM text: {error}"))?;
        let added = roots.add(certificate);
        added.map_err(|error| format!("has an unusable certificate, number {}: {error}", index + 1))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}
