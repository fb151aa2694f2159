//! Certificates made for a run: one authority for all servers of a world, out of the seed alone.
//!
//! ```
//! use squall_sim::servers::tls::Authority;
//!
//! let authority = Authority::from_seed(7);
//! let server = authority.issue(&["nats-1", "10.0.0.1"]);
//! assert_eq!(authority.certificate_pem(), Authority::from_seed(7).certificate_pem());
//! # let _ = server;
//! ```
//!
//! A connection draws further random numbers as it opens; those come from where `ring` gets them, which in
//! a world is the seed too.

use std::fmt;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SerialNumber, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use xxhash_rust::xxh3::xxh3_64;

/// What stands before the 32 secret bytes of an Ed25519 key in PKCS#8 (RFC 8410, section 7).
const ED25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// First and last year of validity: the simulated dates, and the real ones of a served port.
const VALID_YEARS: (i32, i32) = (2000, 2100);
const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// A certificate authority whose keys, numbers and dates follow from a seed.
pub struct Authority {
    seed: u64,
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Authority {
    /// The authority of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut params = params("Squall certificate authority", 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key_pair(&secret(seed, 0));
        let issuer = made(CertifiedIssuer::self_signed(params, key));
        let pem = issuer.as_ref().pem();
        Self { seed, issuer, pem }
    }

    /// The authority's own certificate, which a client must trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Trust in this authority and no other, for a client.
    ///
    /// # Panics
    /// Never: the certificate is the authority's own.
    #[must_use]
    pub fn trust(&self) -> RootCertStore {
        let mut trusted = RootCertStore::empty();
        let own = self.issuer.as_ref().der().clone();
        trusted.add(own).unwrap_or_else(|error| unreachable!("a certificate made here is well-formed: {error}"));
        trusted
    }

    /// What a server of these names needs for TLS 1.2 and 1.3. Names are host names or IP addresses.
    ///
    /// # Panics
    /// A name is not ASCII.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Arc<ServerConfig> {
        let purpose = xxh3_64(names.join("\0").as_bytes()).max(2);
        let mut params = params(names.first().unwrap_or(&"nobody"), purpose);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        params.subject_alt_names = match CertificateParams::new(names) {
            Ok(named) => named.subject_alt_names,
            Err(error) => panic!("a server's name is not ASCII ({error}): name hosts in ASCII"),
        };
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = pkcs8(&secret(self.seed, purpose));
        let certificate = made(params.signed_by(&key_pair(&secret(self.seed, purpose)), &self.issuer));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&VERSIONS)
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(vec![certificate.der().clone()], key.into()));
        match config {
            Ok(config) => Arc::new(config),
            Err(error) => unreachable!("key and certificate were made for each other: {error}"),
        }
    }
}

/// What both kinds of certificate have in common.
fn params(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = date_time_ymd(VALID_YEARS.0, 1, 1);
    params.not_after = date_time_ymd(VALID_YEARS.1, 1, 1);
    params
}

/// The secret bytes of one key of the seed.
fn secret(seed: u64, purpose: u64) -> [u8; 32] {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(purpose);
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    secret
}

fn pkcs8(secret: &[u8; 32]) -> PrivatePkcs8KeyDer<'static> {
    [&ED25519_PKCS8[..], secret].concat().into()
}

fn key_pair(secret: &[u8; 32]) -> KeyPair {
    made(KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8(secret), &PKCS_ED25519))
}

fn made<T>(result: Result<T, rcgen::Error>) -> T {
    result.unwrap_or_else(|error| unreachable!("Ed25519 signs whatever it is given: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_authority() {
        let pem = |seed| Authority::from_seed(seed).certificate_pem().to_owned();
        assert_eq!(pem(1), pem(1));
        assert_ne!(pem(1), pem(2));
    }

    #[test]
    fn servers_have_keys_of_their_own() {
        assert_ne!(secret(1, 0), secret(1, 2));
        assert_ne!(secret(1, 2), secret(2, 2));
    }
}
