//! TUIC 5: `tuic://uuid:password@host:port?..#name`. No standard says how its parameters are spelt, so all are read.

use super::tls::TUIC;
use super::{Endpoint, Protocol, Tls};
use crate::domain::link::{Params, Reason, Url};
use crate::domain::percent::encode;

/// TUIC 5 with one user's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuic {
    /// The user's uuid.
    pub uuid: String,
    /// The user's password.
    pub password: String,
    /// `cubic`, `new_reno` or `bbr`.
    pub congestion_control: Option<String>,
    /// `native` or `quic`.
    pub udp_relay_mode: Option<String>,
    /// No server name is sent.
    pub disable_sni: bool,
    /// The first bytes travel in the handshake.
    pub zero_rtt: bool,
    /// Its certificate.
    pub tls: Tls,
}

impl Tuic {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(Some(443))?;
        let (uuid, password) = match url.login() {
            // The colon between the two may be encoded as well.
            (both, password) if password.is_empty() => {
                both.split_once(':').map_or((both.clone(), password), |(uuid, rest)| (uuid.to_owned(), rest.to_owned()))
            }
            login => login,
        };
        if uuid.is_empty() {
            return Err(Reason::UuidMissing);
        }
        if password.is_empty() {
            return Err(Reason::PasswordMissing);
        }
        let params = &mut url.params;
        let tuic = Self {
            uuid,
            password,
            congestion_control: params.take(&["congestion_control", "congestion-control", "congestion-controller"]),
            udp_relay_mode: params.take(&["udp_relay_mode", "udp-relay-mode"]),
            disable_sni: params.take_flag(&["disable_sni", "disable-sni"]),
            zero_rtt: params.take_flag(&["reduce_rtt", "reduce-rtt", "zero_rtt"]),
            tls: Tls::read(params),
        };
        Ok(url.endpoint(port, Protocol::Tuic(tuic)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        params.some("congestion_control", self.congestion_control.as_deref());
        params.some("udp_relay_mode", self.udp_relay_mode.as_deref());
        self.tls.write(&mut params, &TUIC);
        params.flag("disable_sni", self.disable_sni);
        params.flag("reduce_rtt", self.zero_rtt);
        Url::write("tuic", &format!("{}:{}", encode(&self.uuid), encode(&self.password)), endpoint, "", params)
    }
}
