//! Addresses as callers say them and as they are shown.

use core::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::domain::endpoint::{Address, Alpn, Around};
use crate::domain::name::{Fingerprint, HttpPath, NodeAddress, PlanName, Remark, ServerName};
use crate::http::body::{given, value};
use crate::http::failure::Failure;
use crate::store::node_addresses::Row;

/// What can be said of an address. Fields that a creation lacks are as the inbound has them, those that a change lacks stay,
/// and `null` gives them back to the inbound.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default, deserialize_with = "value")]
    pub(super) inbound: Option<String>,
    #[serde(default, deserialize_with = "given")]
    remark: Option<Option<Remark>>,
    #[serde(default, deserialize_with = "given")]
    address: Option<Option<NodeAddress>>,
    #[serde(default, deserialize_with = "given")]
    port: Option<Option<NonZeroU16>>,
    #[serde(default, deserialize_with = "given")]
    security: Option<Option<Around>>,
    #[serde(default, deserialize_with = "given")]
    sni: Option<Option<ServerName>>,
    #[serde(default, deserialize_with = "given")]
    host: Option<Option<ServerName>>,
    #[serde(default, deserialize_with = "given")]
    path: Option<Option<HttpPath>>,
    #[serde(default, deserialize_with = "given")]
    alpn: Option<Option<Vec<Alpn>>>,
    #[serde(default, deserialize_with = "given")]
    fingerprint: Option<Option<Fingerprint>>,
    #[serde(default, deserialize_with = "given")]
    insecure: Option<Option<bool>>,
    #[serde(default, deserialize_with = "value")]
    plans: Option<Vec<PlanName>>,
    #[serde(default, deserialize_with = "value")]
    pub(super) active: Option<bool>,
}

impl Fields {
    /// The address with what is said.
    pub(super) fn onto(self, address: Address) -> Address {
        Address {
            inbound: self.inbound.unwrap_or(address.inbound),
            remark: self.remark.unwrap_or(address.remark),
            address: self.address.unwrap_or(address.address),
            port: self.port.unwrap_or(address.port),
            security: self.security.unwrap_or(address.security),
            sni: self.sni.unwrap_or(address.sni),
            host: self.host.unwrap_or(address.host),
            path: self.path.unwrap_or(address.path),
            alpn: self.alpn.unwrap_or(address.alpn),
            fingerprint: self.fingerprint.unwrap_or(address.fingerprint),
            insecure: self.insecure.unwrap_or(address.insecure),
            plans: self.plans.unwrap_or(address.plans),
            marzban: address.marzban,
        }
    }
}

/// The order of a node's addresses: all of them, each once.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) ids: Vec<i64>,
}

/// An address as the API shows it.
#[derive(Serialize)]
pub(super) struct AddressJson {
    id: i64,
    position: i64,
    active: bool,
    inbound: String,
    remark: Option<Remark>,
    address: Option<NodeAddress>,
    port: Option<NonZeroU16>,
    security: Option<Around>,
    sni: Option<ServerName>,
    host: Option<ServerName>,
    path: Option<HttpPath>,
    alpn: Option<Vec<Alpn>>,
    fingerprint: Option<Fingerprint>,
    insecure: Option<bool>,
    plans: Vec<PlanName>,
}

impl AddressJson {
    pub(super) fn new(row: &Row) -> Result<Self, Failure> {
        let address = settings(row)?;
        Ok(Self {
            id: row.id,
            position: row.position,
            active: row.is_active == 1,
            inbound: address.inbound,
            remark: address.remark,
            address: address.address,
            port: address.port,
            security: address.security,
            sni: address.sni,
            host: address.host,
            path: address.path,
            alpn: address.alpn,
            fingerprint: address.fingerprint,
            insecure: address.insecure,
            plans: address.plans,
        })
    }
}

/// What an address says, without its place.
pub(crate) fn settings(row: &Row) -> Result<Address, Failure> {
    serde_json::from_str(&row.settings).map_err(|error| Failure::Broken(format!("address {}: {error}", row.id)))
}
